check_PROGRAMS += tests/unit/stamp/packet_test tests/unit/stamp/session_test
tests_unit_stamp_packet_test_SOURCES = %D%/packet_test.c
tests_unit_stamp_packet_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_stamp_packet_test_LDADD = lib/libstamp.la $(CMOCKA_LIBS) -lm
tests_unit_stamp_session_test_SOURCES = %D%/session_test.c
tests_unit_stamp_session_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_stamp_session_test_LDADD = lib/libstamp.la $(CMOCKA_LIBS) -lm
