check_PROGRAMS += tests/unit/card/stats_test
tests_unit_card_stats_test_SOURCES = %D%/stats_test.c plugins/card/stats.c
tests_unit_card_stats_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_card_stats_test_LDADD = lib/libbase.la $(OFFLOAD_LIBS) $(CMOCKA_LIBS) -lm
