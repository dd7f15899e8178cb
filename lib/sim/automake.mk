noinst_LTLIBRARIES += lib/libsim.la
lib_libsim_la_SOURCES = %D%/demand.c %D%/demand.h %D%/generate.c %D%/card.c %D%/card.h %D%/duel.c \
	%D%/duel.h %D%/world.c %D%/world.h
lib_libsim_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
lib_libsim_la_LIBADD = lib/liballocate.la
if HAVE_ENGINE
# Apart, so that the manager's plugin does not carry the forecaster.
noinst_LTLIBRARIES += lib/libforesee.la
lib_libforesee_la_SOURCES = %D%/foresee.c
lib_libforesee_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
endif
