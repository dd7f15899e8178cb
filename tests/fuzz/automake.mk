# libFuzzer targets, built by ./configure CC=clang --enable-fuzzing and run as
# tests/fuzz/fuzz_json CORPUS tests/fuzz/seeds/json; those of the card's packet path, with libdpdk, likewise:
# tests/fuzz/fuzz_packet CORPUS tests/fuzz/seeds/packet -max_total_time=600.
FUZZ_SEEDS = %D%/seeds/json/config %D%/seeds/json/values %D%/seeds/json/key_twice %D%/seeds/json/numbers \
	%D%/seeds/rpc_frame/requests %D%/seeds/rpc_frame/refused \
	%D%/seeds/packet/arp %D%/seeds/packet/fragment %D%/seeds/packet/ipv4 %D%/seeds/packet/ipv6_options \
	%D%/seeds/packet/qinq %D%/seeds/packet/vxlan %D%/seeds/rules/few %D%/seeds/rules/many
FUZZ_SEEDS += %D%/seeds/ical/zone %D%/seeds/ical/dates %D%/seeds/feed_json/columns %D%/seeds/feed_json/events \
	%D%/seeds/feed_json/rows %D%/seeds/csv/quoted %D%/seeds/csv/events %D%/seeds/rrd/small %D%/seeds/checkpoint/small
EXTRA_DIST += $(FUZZ_SEEDS) %D%/fuzz_feed.h
if HAVE_FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz_json tests/fuzz/fuzz_rpc_frame
tests_fuzz_fuzz_json_SOURCES = %D%/fuzz_json.c
tests_fuzz_fuzz_json_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tests_fuzz_fuzz_json_LDADD = lib/libbase.la
tests_fuzz_fuzz_json_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_rpc_frame_SOURCES = %D%/fuzz_rpc_frame.c
tests_fuzz_fuzz_rpc_frame_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tests_fuzz_fuzz_rpc_frame_LDADD = lib/librpc.la
tests_fuzz_fuzz_rpc_frame_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
if HAVE_DPDK
noinst_PROGRAMS += tests/fuzz/fuzz_packet tests/fuzz/fuzz_rules
tests_fuzz_fuzz_packet_SOURCES = %D%/fuzz_packet.c dpdk-app/parse.c
tests_fuzz_fuzz_packet_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API
tests_fuzz_fuzz_packet_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS)
tests_fuzz_fuzz_packet_LDADD = $(DPDK_LIBS)
tests_fuzz_fuzz_packet_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_rules_SOURCES = %D%/fuzz_rules.c dpdk-app/rules.c dpdk-app/flow_cache.c
tests_fuzz_fuzz_rules_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API
tests_fuzz_fuzz_rules_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS)
tests_fuzz_fuzz_rules_LDADD = lib/libbase.la $(DPDK_LIBS)
tests_fuzz_fuzz_rules_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif
noinst_PROGRAMS += tests/fuzz/fuzz_checkpoint
tests_fuzz_fuzz_checkpoint_SOURCES = %D%/fuzz_checkpoint.c
tests_fuzz_fuzz_checkpoint_LDADD = lib/libio.la
tests_fuzz_fuzz_checkpoint_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
if HAVE_FEEDS
noinst_PROGRAMS += tests/fuzz/fuzz_ical tests/fuzz/fuzz_feed_json tests/fuzz/fuzz_csv
tests_fuzz_fuzz_ical_SOURCES = %D%/fuzz_ical.c
tests_fuzz_fuzz_ical_LDADD = lib/libfeed.la lib/libbase.la -lm
tests_fuzz_fuzz_ical_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_feed_json_SOURCES = %D%/fuzz_feed_json.c
tests_fuzz_fuzz_feed_json_LDADD = lib/libfeed.la lib/libbase.la -lm
tests_fuzz_fuzz_feed_json_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_csv_SOURCES = %D%/fuzz_csv.c
tests_fuzz_fuzz_csv_LDADD = lib/libfeed.la lib/libbase.la -lm
tests_fuzz_fuzz_csv_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif
if HAVE_RRD
noinst_PROGRAMS += tests/fuzz/fuzz_rrd
tests_fuzz_fuzz_rrd_SOURCES = %D%/fuzz_rrd.c plugins/forecast/rrdhead.c
tests_fuzz_fuzz_rrd_CFLAGS = $(AM_CFLAGS) $(RRD_CFLAGS)
tests_fuzz_fuzz_rrd_LDADD = lib/libbase.la $(RRD_LIBS)
tests_fuzz_fuzz_rrd_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif
endif
