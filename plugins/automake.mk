# Each plugin is one module with one exported symbol; its engine is linked in.
collectdplugin_LTLIBRARIES =
include plugins/card/automake.mk
include plugins/path/automake.mk
include plugins/forecast/automake.mk
include plugins/manager/automake.mk
