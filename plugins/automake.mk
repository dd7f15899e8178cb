# Each plugin is one module with one exported symbol; its engine is linked in.
collectdplugin_LTLIBRARIES =
if HAVE_COLLECTD
# What every plugin links besides its engine.
noinst_LTLIBRARIES += plugins/libplugin.la
plugins_libplugin_la_SOURCES = %D%/oconfig_json.c %D%/oconfig_json.h
plugins_libplugin_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(COLLECTD_CFLAGS)
plugins_libplugin_la_LIBADD = lib/libbase.la
else
EXTRA_DIST += %D%/oconfig_json.c %D%/oconfig_json.h
endif
include plugins/card/automake.mk
include plugins/path/automake.mk
include plugins/forecast/automake.mk
include plugins/manager/automake.mk
