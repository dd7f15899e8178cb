if HAVE_COLLECTD
check_PROGRAMS += tests/unit/plugins/oconfig_json_test
tests_unit_plugins_oconfig_json_test_SOURCES = %D%/oconfig_json_test.c
tests_unit_plugins_oconfig_json_test_CFLAGS = $(UNIT_CFLAGS) $(COLLECTD_CFLAGS)
tests_unit_plugins_oconfig_json_test_LDADD = plugins/libplugin.la lib/libbase.la $(CMOCKA_LIBS) $(JSON_LIBS)
endif
check_PROGRAMS += tests/unit/plugins/rrdhead_test
tests_unit_plugins_rrdhead_test_SOURCES = %D%/rrdhead_test.c plugins/forecast/rrdhead.c
tests_unit_plugins_rrdhead_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_plugins_rrdhead_test_LDADD = lib/libbase.la $(CMOCKA_LIBS)
