check_PROGRAMS += %D%/states_test
tests_unit_migrate_states_test_SOURCES = %D%/states_test.c
tests_unit_migrate_states_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_migrate_states_test_LDADD = lib/libmigrate.la lib/libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += %D%/stream_test
tests_unit_migrate_stream_test_SOURCES = %D%/stream_test.c
tests_unit_migrate_stream_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_migrate_stream_test_LDADD = lib/libmigrate.la lib/libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += %D%/coordinator_test
tests_unit_migrate_coordinator_test_SOURCES = %D%/coordinator_test.c
tests_unit_migrate_coordinator_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_migrate_coordinator_test_LDADD = lib/libmigrate.la lib/libbase.la $(CMOCKA_LIBS)
