if HAVE_COLLECTD
check_PROGRAMS += tests/unit/plugins/oconfig_json_test
tests_unit_plugins_oconfig_json_test_SOURCES = %D%/oconfig_json_test.c
tests_unit_plugins_oconfig_json_test_CFLAGS = $(UNIT_CFLAGS) $(COLLECTD_CFLAGS)
tests_unit_plugins_oconfig_json_test_LDADD = plugins/libplugin.la lib/libbase.la $(CMOCKA_LIBS) $(JSON_LIBS)
endif
