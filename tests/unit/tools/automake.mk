check_PROGRAMS += tests/unit/tools/chart_test tests/unit/tools/table_test
tests_unit_tools_chart_test_SOURCES = %D%/chart_test.c tools/chart.c tools/format.c tools/table.c
tests_unit_tools_chart_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_tools_chart_test_LDADD = $(CMOCKA_LIBS) -lm
tests_unit_tools_table_test_SOURCES = %D%/table_test.c tools/format.c tools/table.c
tests_unit_tools_table_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_tools_table_test_LDADD = $(CMOCKA_LIBS) -lm
