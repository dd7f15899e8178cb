noinst_LTLIBRARIES += lib/libio.la
lib_libio_la_SOURCES = %D%/log.c %D%/log.h %D%/clock.c %D%/clock.h %D%/statefile.c %D%/statefile.h %D%/datafile.c %D%/datafile.h \
	%D%/client_blocking.c %D%/client_blocking.h %D%/pausepoint.c %D%/pausepoint.h %D%/tls.c %D%/tls.h
lib_libio_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(CRYPTO_CFLAGS)
lib_libio_la_LIBADD = lib/librpc.la $(CRYPTO_LIBS)
if HAVE_EVENT
noinst_LTLIBRARIES += lib/libserver.la
lib_libserver_la_SOURCES = %D%/server_libevent.c %D%/server_libevent.h
lib_libserver_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(EVENT_CFLAGS) $(CRYPTO_CFLAGS)
lib_libserver_la_LIBADD = lib/libio.la $(EVENT_LIBS)
endif
if HAVE_FEEDS
noinst_LTLIBRARIES += lib/libfetch.la
lib_libfetch_la_SOURCES = %D%/fetch.c %D%/fetch.h
lib_libfetch_la_CFLAGS = $(AM_CFLAGS) $(FEEDS_CFLAGS)
# libbase comes with what links this.
lib_libfetch_la_LIBADD = $(FEEDS_LIBS) -lm
endif
