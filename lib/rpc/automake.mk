noinst_LTLIBRARIES += lib/librpc.la
lib_librpc_la_SOURCES = %D%/frame.c %D%/frame.h %D%/schema.c %D%/schema.h %D%/message.c %D%/message.h %D%/errors.c %D%/errors.h %D%/ovsdb.c %D%/ovsdb.h
lib_librpc_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
lib_librpc_la_LIBADD = lib/libbase.la
