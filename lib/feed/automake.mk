pkginclude_HEADERS += include/offload/feed.h
if HAVE_FEEDS
noinst_LTLIBRARIES += lib/libfeed.la
lib_libfeed_la_SOURCES = %D%/build.h %D%/table.c %D%/store.c %D%/timestamp.c %D%/ical.c %D%/json_feed.c %D%/csv.c
lib_libfeed_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(FEEDS_CFLAGS)
# libbase comes with what links this.
lib_libfeed_la_LIBADD = $(FEEDS_LIBS) -lm
endif
