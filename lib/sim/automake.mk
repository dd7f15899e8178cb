noinst_LTLIBRARIES += lib/libsim.la
lib_libsim_la_SOURCES = %D%/demand.c %D%/demand.h %D%/generate.c %D%/foresee.c %D%/card.c %D%/card.h %D%/duel.c \
	%D%/duel.h %D%/world.c %D%/world.h
lib_libsim_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
lib_libsim_la_LIBADD = lib/liballocate.la
