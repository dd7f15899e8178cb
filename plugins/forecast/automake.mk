FORECAST_PLUGIN_SOURCES = %D%/offload_forecast.c %D%/config.c %D%/config.h %D%/table.c %D%/table.h \
	%D%/steps.c %D%/steps.h %D%/fit.c %D%/fit.h %D%/feeds.c %D%/feeds.h %D%/keep.c %D%/keep.h %D%/publish.c %D%/publish.h \
	%D%/api.c %D%/api.h
EXTRA_DIST += $(FORECAST_PLUGIN_SOURCES) %D%/warmstart.c %D%/warmstart.h %D%/rrdhead.c %D%/rrdhead.h
if HAVE_COLLECTD
if HAVE_ENGINE
if HAVE_FEEDS
collectdplugin_LTLIBRARIES += offload_forecast.la
offload_forecast_la_SOURCES = $(FORECAST_PLUGIN_SOURCES)
offload_forecast_la_CPPFLAGS = $(AM_CPPFLAGS) -DOFFLOAD_DATADIR='"$(pkgdatadir)"'
offload_forecast_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(COLLECTD_CFLAGS)
offload_forecast_la_LDFLAGS = -module $(PLUGIN_LDFLAGS)
offload_forecast_la_LIBADD = plugins/libplugin.la lib/libforecast.la lib/libfeed.la lib/libfetch.la
if HAVE_EVENT
offload_forecast_la_CFLAGS += -DHAVE_EVENT $(EVENT_CFLAGS)
offload_forecast_la_LIBADD += lib/libserver.la
else
offload_forecast_la_LIBADD += lib/libio.la
endif
offload_forecast_la_LIBADD += $(OFFLOAD_LIBS) -lm -lpthread
if HAVE_RRD
offload_forecast_la_SOURCES += %D%/warmstart.c %D%/warmstart.h %D%/rrdhead.c %D%/rrdhead.h
offload_forecast_la_CFLAGS += -DHAVE_RRD $(RRD_CFLAGS)
offload_forecast_la_LIBADD += $(RRD_LIBS)
endif
endif
endif
endif
