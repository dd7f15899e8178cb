# Each plugin is one module with one exported symbol; its engine is linked in.
collectdplugin_LTLIBRARIES =
if HAVE_COLLECTD
# What every plugin links besides its engine. A module takes its convenience libraries in whole, so lib/libbase.la must
# come by one way only: with lib/libio.la or lib/libserver.la, not with this one or an engine.
noinst_LTLIBRARIES += plugins/libplugin.la
plugins_libplugin_la_SOURCES = %D%/oconfig_json.c %D%/oconfig_json.h
plugins_libplugin_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(COLLECTD_CFLAGS)
else
EXTRA_DIST += %D%/oconfig_json.c %D%/oconfig_json.h
endif
include plugins/card/automake.mk
include plugins/path/automake.mk
include plugins/forecast/automake.mk
include plugins/manager/automake.mk
