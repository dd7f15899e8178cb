check_PROGRAMS += tests/unit/rpc/frame_test tests/unit/rpc/message_test tests/unit/rpc/message_memory_test \
	tests/unit/rpc/errors_test
tests_unit_rpc_frame_test_SOURCES = %D%/frame_test.c tests/unit/fail_malloc.c
tests_unit_rpc_frame_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_rpc_frame_test_LDADD = lib/librpc.la $(CMOCKA_LIBS)
tests_unit_rpc_frame_test_LDFLAGS = $(AM_LDFLAGS) $(FAIL_MALLOC_FLAGS)
tests_unit_rpc_message_test_SOURCES = %D%/message_test.c
tests_unit_rpc_message_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_rpc_message_test_LDADD = lib/librpc.la $(CMOCKA_LIBS)
tests_unit_rpc_message_memory_test_SOURCES = %D%/message_memory_test.c tests/unit/fail_malloc.c
tests_unit_rpc_message_memory_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_rpc_message_memory_test_LDADD = lib/librpc.la $(CMOCKA_LIBS)
tests_unit_rpc_message_memory_test_LDFLAGS = $(AM_LDFLAGS) $(FAIL_MALLOC_FLAGS)
tests_unit_rpc_errors_test_SOURCES = %D%/errors_test.c
tests_unit_rpc_errors_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_rpc_errors_test_LDADD = lib/librpc.la $(CMOCKA_LIBS)
