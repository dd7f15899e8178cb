if HAVE_COLLECTD
if HAVE_ENGINE
collectdplugin_LTLIBRARIES += offload_forecast.la
offload_forecast_la_SOURCES = %D%/offload_forecast.c %D%/config.c %D%/config.h %D%/table.c %D%/table.h \
	%D%/publish.c %D%/publish.h
offload_forecast_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(COLLECTD_CFLAGS)
offload_forecast_la_LDFLAGS = -module $(PLUGIN_LDFLAGS)
offload_forecast_la_LIBADD = plugins/libplugin.la lib/libforecast.la lib/libbase.la $(OFFLOAD_LIBS) -lm -lpthread
if HAVE_RRD
offload_forecast_la_SOURCES += %D%/warmstart.c %D%/warmstart.h
offload_forecast_la_CFLAGS += -DHAVE_RRD $(RRD_CFLAGS)
offload_forecast_la_LIBADD += $(RRD_LIBS)
endif
endif
endif
