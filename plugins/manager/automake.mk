if HAVE_COLLECTD
if HAVE_EVENT
collectdplugin_LTLIBRARIES += offload_manager.la
offload_manager_la_SOURCES = %D%/offload_manager.c %D%/manager.h %D%/config.c %D%/fields.h %D%/names.h %D%/names.c %D%/cards.c %D%/admit.c %D%/leader.c %D%/switch.c %D%/moves.c \
	%D%/tick.c %D%/bus.c %D%/planlog.c %D%/api.c
offload_manager_la_CPPFLAGS = $(AM_CPPFLAGS) -DOFFLOAD_DATADIR='"$(pkgdatadir)"'
offload_manager_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(EVENT_CFLAGS) $(CRYPTO_CFLAGS) $(COLLECTD_CFLAGS)
offload_manager_la_LDFLAGS = -module $(PLUGIN_LDFLAGS)
offload_manager_la_LIBADD = plugins/libplugin.la lib/libsim.la lib/libmigrate.la lib/libserver.la $(OFFLOAD_LIBS) -lm
endif
endif
