EXTRA_DIST += %D%/feed.h
if HAVE_FEEDS
FEED_LDADD = lib/libfeed.la lib/libbase.la $(CMOCKA_LIBS) -lm
check_PROGRAMS += tests/unit/feed/ical_test tests/unit/feed/json_feed_test tests/unit/feed/csv_test
tests_unit_feed_ical_test_SOURCES = %D%/ical_test.c
tests_unit_feed_ical_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_feed_ical_test_LDADD = $(FEED_LDADD)
tests_unit_feed_json_feed_test_SOURCES = %D%/json_feed_test.c
tests_unit_feed_json_feed_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_feed_json_feed_test_LDADD = $(FEED_LDADD)
tests_unit_feed_csv_test_SOURCES = %D%/csv_test.c
tests_unit_feed_csv_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_feed_csv_test_LDADD = $(FEED_LDADD)
endif
