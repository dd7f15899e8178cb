if HAVE_DPDK
check_PROGRAMS += tests/unit/cardd/hardware_test
tests_unit_cardd_hardware_test_SOURCES = %D%/hardware_test.c dpdk-app/hardware.c
tests_unit_cardd_hardware_test_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API
tests_unit_cardd_hardware_test_CFLAGS = $(UNIT_CFLAGS) $(DPDK_CFLAGS)
tests_unit_cardd_hardware_test_LDADD = $(DPDK_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/cardd/parse_test
tests_unit_cardd_parse_test_SOURCES = %D%/parse_test.c dpdk-app/parse.c
tests_unit_cardd_parse_test_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API
tests_unit_cardd_parse_test_CFLAGS = $(UNIT_CFLAGS) $(DPDK_CFLAGS)
tests_unit_cardd_parse_test_LDADD = $(DPDK_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/cardd/classify_test
tests_unit_cardd_classify_test_SOURCES = %D%/classify_test.c dpdk-app/classify.c dpdk-app/rules.c dpdk-app/flow_cache.c dpdk-app/parse.c
tests_unit_cardd_classify_test_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API
tests_unit_cardd_classify_test_CFLAGS = $(UNIT_CFLAGS) $(DPDK_CFLAGS)
tests_unit_cardd_classify_test_LDADD = lib/libbase.la $(DPDK_LIBS) $(JSON_LIBS) $(CMOCKA_LIBS)
endif
