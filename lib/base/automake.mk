noinst_LTLIBRARIES += lib/libbase.la
lib_libbase_la_SOURCES = %D%/err.c %D%/json.c %D%/json.h %D%/conf.c %D%/conf.h %D%/card_api.c
lib_libbase_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
lib_libbase_la_LIBADD = $(JSON_LIBS) -lm
