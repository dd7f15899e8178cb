check_PROGRAMS += tests/unit/traffic/trace_test tests/unit/traffic/seqtrack_test
tests_unit_traffic_trace_test_SOURCES = %D%/trace_test.c
tests_unit_traffic_trace_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_traffic_trace_test_LDADD = tests/traffic/libtraffic.la lib/libbase.la $(CMOCKA_LIBS) -lm
tests_unit_traffic_seqtrack_test_SOURCES = %D%/seqtrack_test.c
tests_unit_traffic_seqtrack_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_traffic_seqtrack_test_LDADD = tests/traffic/libtraffic.la $(CMOCKA_LIBS) -lm
