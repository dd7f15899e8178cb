if HAVE_COLLECTD
collectdplugin_LTLIBRARIES += offload_path.la
offload_path_la_SOURCES = %D%/offload_path.c %D%/sockets.c %D%/sockets.h %D%/datagram.c %D%/datagram.h \
	%D%/allow.c %D%/allow.h %D%/links.c %D%/links.h
offload_path_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(COLLECTD_CFLAGS)
offload_path_la_LDFLAGS = -module $(PLUGIN_LDFLAGS)
offload_path_la_LIBADD = plugins/libplugin.la lib/libstamp.la lib/libio.la $(OFFLOAD_LIBS) -lpthread
endif
