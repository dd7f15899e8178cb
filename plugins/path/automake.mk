if HAVE_COLLECTD
collectdplugin_LTLIBRARIES += offload_path.la
offload_path_la_SOURCES = %D%/offload_path.c %D%/sockets.c %D%/sockets.h %D%/datagram.c %D%/datagram.h \
	%D%/allow.c %D%/allow.h %D%/links.c %D%/links.h plugins/oconfig_json.c plugins/oconfig_json.h
offload_path_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(COLLECTD_CFLAGS)
offload_path_la_LDFLAGS = $(PLUGIN_LDFLAGS)
offload_path_la_LIBADD = lib/libstamp.la lib/libio.la $(OFFLOAD_LIBS) -lpthread
endif
