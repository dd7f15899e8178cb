check_PROGRAMS += tests/unit/base/err_test tests/unit/base/json_test tests/unit/base/json_memory_test \
	tests/unit/base/conf_test
tests_unit_base_err_test_SOURCES = %D%/err_test.c
tests_unit_base_err_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_err_test_LDADD = lib/libbase.la $(CMOCKA_LIBS)
tests_unit_base_json_test_SOURCES = %D%/json_test.c
tests_unit_base_json_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_json_test_LDADD = lib/libbase.la $(CMOCKA_LIBS)
tests_unit_base_json_memory_test_SOURCES = %D%/json_memory_test.c tests/unit/fail_malloc.c
tests_unit_base_json_memory_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_json_memory_test_LDADD = lib/libbase.la $(CMOCKA_LIBS)
tests_unit_base_json_memory_test_LDFLAGS = $(AM_LDFLAGS) $(FAIL_MALLOC_FLAGS)
tests_unit_base_conf_test_SOURCES = %D%/conf_test.c
tests_unit_base_conf_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_base_conf_test_LDADD = lib/libbase.la $(CMOCKA_LIBS)
