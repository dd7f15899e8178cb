if HAVE_ENGINE
check_PROGRAMS += %D%/world_test
tests_unit_sim_world_test_SOURCES = %D%/world_test.c
tests_unit_sim_world_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_sim_world_test_LDADD = lib/libforesee.la lib/libsim.la lib/libforecast.la lib/libbase.la $(CMOCKA_LIBS)
endif
