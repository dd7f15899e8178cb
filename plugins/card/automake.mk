if HAVE_COLLECTD
collectdplugin_LTLIBRARIES += offload_card.la
offload_card_la_SOURCES = %D%/offload_card.c %D%/publish.c %D%/publish.h %D%/rows.c %D%/rows.h \
	%D%/stats.c %D%/stats.h %D%/views.c %D%/views.h
offload_card_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(COLLECTD_CFLAGS)
offload_card_la_LDFLAGS = -module $(PLUGIN_LDFLAGS)
offload_card_la_LIBADD = plugins/libplugin.la lib/libio.la $(OFFLOAD_LIBS)
endif
