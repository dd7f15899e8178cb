check_PROGRAMS += tests/unit/path/allow_test
tests_unit_path_allow_test_SOURCES = %D%/allow_test.c plugins/path/allow.c
tests_unit_path_allow_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_path_allow_test_LDADD = lib/libbase.la $(OFFLOAD_LIBS) $(CMOCKA_LIBS)
