if HAVE_ENGINE
check_PROGRAMS += tests/unit/forecast/lstm_net_test tests/unit/forecast/model_lstm_test
tests_unit_forecast_lstm_net_test_SOURCES = %D%/lstm_net_test.c %D%/test.h
tests_unit_forecast_lstm_net_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_forecast_lstm_net_test_LDADD = lib/libforecast.la lib/libbase.la $(CMOCKA_LIBS) -lm
tests_unit_forecast_model_lstm_test_SOURCES = %D%/model_lstm_test.c %D%/test.h
tests_unit_forecast_model_lstm_test_CFLAGS = $(UNIT_CFLAGS) -DSRCDIR='"$(abs_top_srcdir)"'
tests_unit_forecast_model_lstm_test_LDADD = lib/libforecast.la lib/libio.la $(OFFLOAD_LIBS) $(CMOCKA_LIBS) -lm
check_PROGRAMS += tests/unit/forecast/series_test tests/unit/forecast/model_ets_test \
	tests/unit/forecast/model_profile_test tests/unit/forecast/forecaster_test
tests_unit_forecast_series_test_SOURCES = %D%/series_test.c %D%/test.h
tests_unit_forecast_series_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_forecast_series_test_LDADD = lib/libforecast.la lib/libbase.la $(CMOCKA_LIBS) -lm
# Includes the model's source, to see its states.
tests_unit_forecast_model_ets_test_SOURCES = %D%/model_ets_test.c %D%/test.h %D%/textbook.h
tests_unit_forecast_model_ets_test_CFLAGS = $(UNIT_CFLAGS) $(ENGINE_CFLAGS)
tests_unit_forecast_model_ets_test_LDADD = lib/libforecast.la lib/libbase.la $(ENGINE_LIBS) $(CMOCKA_LIBS) -lm
tests_unit_forecast_model_profile_test_SOURCES = %D%/model_profile_test.c %D%/test.h
tests_unit_forecast_model_profile_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_forecast_model_profile_test_LDADD = lib/libforecast.la lib/libbase.la $(CMOCKA_LIBS) -lm
tests_unit_forecast_forecaster_test_SOURCES = %D%/forecaster_test.c %D%/test.h
tests_unit_forecast_forecaster_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_forecast_forecaster_test_LDADD = lib/libforecast.la lib/libbase.la $(CMOCKA_LIBS) -lm
check_PROGRAMS += tests/unit/forecast/mstl_test tests/unit/forecast/model_prophet_test
tests_unit_forecast_model_prophet_test_SOURCES = %D%/model_prophet_test.c %D%/test.h %D%/textbook.h
tests_unit_forecast_model_prophet_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_forecast_model_prophet_test_LDADD = lib/libforecast.la lib/libbase.la $(CMOCKA_LIBS) -lm
tests_unit_forecast_mstl_test_SOURCES = %D%/mstl_test.c %D%/test.h %D%/textbook.h
tests_unit_forecast_mstl_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_forecast_mstl_test_LDADD = lib/libforecast.la lib/libbase.la $(CMOCKA_LIBS) -lm
check_PROGRAMS += tests/unit/forecast/select_test
tests_unit_forecast_select_test_SOURCES = %D%/select_test.c %D%/test.h
tests_unit_forecast_select_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_forecast_select_test_LDADD = lib/libforecast.la lib/libbase.la $(CMOCKA_LIBS) -lm
check_PROGRAMS += tests/unit/forecast/model_theta_test
# Includes the model's source, to see its states.
tests_unit_forecast_model_theta_test_SOURCES = %D%/model_theta_test.c %D%/test.h %D%/textbook.h
tests_unit_forecast_model_theta_test_CFLAGS = $(UNIT_CFLAGS) $(ENGINE_CFLAGS)
tests_unit_forecast_model_theta_test_LDADD = lib/libforecast.la lib/libbase.la $(ENGINE_LIBS) $(CMOCKA_LIBS) -lm
check_PROGRAMS += tests/unit/forecast/arma_test tests/unit/forecast/model_sarimax_test
tests_unit_forecast_arma_test_SOURCES = %D%/arma_test.c %D%/test.h %D%/textbook.h
tests_unit_forecast_arma_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_forecast_arma_test_LDADD = lib/libforecast.la lib/libbase.la $(CMOCKA_LIBS) -lm
tests_unit_forecast_model_sarimax_test_SOURCES = %D%/model_sarimax_test.c %D%/test.h %D%/textbook.h
tests_unit_forecast_model_sarimax_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_forecast_model_sarimax_test_LDADD = lib/libforecast.la lib/libbase.la $(CMOCKA_LIBS) -lm
check_PROGRAMS += tests/unit/forecast/model_tbats_test
# Includes the model's source, to see its states.
tests_unit_forecast_model_tbats_test_SOURCES = %D%/model_tbats_test.c %D%/test.h %D%/textbook.h
tests_unit_forecast_model_tbats_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_forecast_model_tbats_test_LDADD = lib/libforecast.la lib/libbase.la $(CMOCKA_LIBS) -lm
check_PROGRAMS += tests/unit/forecast/odd_series_test
tests_unit_forecast_odd_series_test_SOURCES = %D%/odd_series_test.c %D%/test.h
tests_unit_forecast_odd_series_test_CFLAGS = $(UNIT_CFLAGS) -DSRCDIR='"$(abs_top_srcdir)"'
tests_unit_forecast_odd_series_test_LDADD = lib/libforecast.la lib/libio.la $(OFFLOAD_LIBS) $(CMOCKA_LIBS) -lm
check_PROGRAMS += tests/unit/forecast/clean_test
tests_unit_forecast_clean_test_SOURCES = %D%/clean_test.c %D%/test.h
tests_unit_forecast_clean_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_forecast_clean_test_LDADD = lib/libforecast.la lib/libbase.la $(CMOCKA_LIBS) -lm
endif
