pkginclude_HEADERS += include/offload/forecast.h
if HAVE_ENGINE
noinst_LTLIBRARIES += lib/libforecast.la
lib_libforecast_la_SOURCES = %D%/series.c %D%/resample.c %D%/period.c %D%/model_snaive.c %D%/model_profile.c %D%/model_ridge.c \
	%D%/model_ets.c \
	%D%/clean.c %D%/clean.h %D%/mstl.c %D%/mstl.h %D%/model_mstl.c %D%/model_mstl.h %D%/model_theta.c %D%/model_prophet.c \
	%D%/model_sarimax.c %D%/model_tbats.c %D%/arma.c %D%/arma.h %D%/design.c %D%/design.h %D%/least.c %D%/least.h \
	%D%/models.c %D%/models.h %D%/select.c %D%/select.h %D%/combine.c %D%/spread.c %D%/spread.h \
	%D%/quantile.c %D%/forecaster.c \
	%D%/score.c
lib_libforecast_la_SOURCES += %D%/lstm_generate.c %D%/lstm_generate.h %D%/lstm_input.c %D%/lstm_input.h \
	%D%/lstm_net.c %D%/lstm_net.h %D%/lstm_train.c %D%/lstm_train.h %D%/lstm_effects.c %D%/lstm_effects.h %D%/model_lstm.c
lib_libforecast_la_CFLAGS = $(AM_CFLAGS) $(ENGINE_CFLAGS)
# libbase comes with what links this: a module that had it twice would have each symbol twice.
lib_libforecast_la_LIBADD = $(ENGINE_LIBS) -lm
endif
