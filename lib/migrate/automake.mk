pkginclude_HEADERS += include/offload/migrate.h
noinst_LTLIBRARIES += lib/libmigrate.la
lib_libmigrate_la_SOURCES = %D%/states.c %D%/coordinator.c %D%/coordinator.h \
	%D%/delta.c %D%/delta.h %D%/source.c %D%/destination.c %D%/stream.h
lib_libmigrate_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
