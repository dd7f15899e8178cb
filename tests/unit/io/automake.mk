check_PROGRAMS += tests/unit/io/log_test tests/unit/io/statefile_test tests/unit/io/client_test
tests_unit_io_log_test_SOURCES = %D%/log_test.c
tests_unit_io_log_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_io_log_test_LDADD = lib/libio.la $(CMOCKA_LIBS)
tests_unit_io_statefile_test_SOURCES = %D%/statefile_test.c
tests_unit_io_statefile_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_io_statefile_test_LDADD = lib/libio.la $(CMOCKA_LIBS)
tests_unit_io_client_test_SOURCES = %D%/client_test.c
tests_unit_io_client_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_io_client_test_LDADD = lib/libio.la $(CMOCKA_LIBS)
if HAVE_EVENT
check_PROGRAMS += tests/unit/io/server_test
tests_unit_io_server_test_SOURCES = %D%/server_test.c
tests_unit_io_server_test_CFLAGS = $(UNIT_CFLAGS) $(EVENT_CFLAGS)
tests_unit_io_server_test_LDADD = lib/libserver.la $(EVENT_LIBS) $(CMOCKA_LIBS) -lpthread
endif
if HAVE_FEEDS
check_PROGRAMS += tests/unit/io/fetch_test
tests_unit_io_fetch_test_SOURCES = %D%/fetch_test.c
tests_unit_io_fetch_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_io_fetch_test_LDADD = lib/libfetch.la lib/libbase.la $(CMOCKA_LIBS)
endif
