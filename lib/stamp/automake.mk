noinst_LTLIBRARIES += lib/libstamp.la
lib_libstamp_la_SOURCES = %D%/packet.c %D%/packet.h %D%/session.c %D%/session.h %D%/stats.c %D%/stats.h
lib_libstamp_la_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
lib_libstamp_la_LIBADD = $(CRYPTO_LIBS) -lm
