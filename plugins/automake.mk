# Each plugin is one module with one exported symbol; its engine is linked in.
collectdplugin_LTLIBRARIES =
PLUGIN_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -export-symbols-regex '^module_register$$'
include plugins/card/automake.mk
include plugins/path/automake.mk
include plugins/forecast/automake.mk
include plugins/manager/automake.mk
