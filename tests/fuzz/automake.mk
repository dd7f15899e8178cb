# libFuzzer targets, built by ./configure CC=clang --enable-fuzzing and run as
# tests/fuzz/fuzz_json CORPUS tests/fuzz/seeds/json; those of the card's packet path, with libdpdk, likewise:
# tests/fuzz/fuzz_packet CORPUS tests/fuzz/seeds/packet -max_total_time=600.
FUZZ_SEEDS = %D%/seeds/json/config %D%/seeds/json/values %D%/seeds/json/key_twice %D%/seeds/json/numbers \
	%D%/seeds/rpc_request/good %D%/seeds/rpc_request/refused %D%/seeds/rpc_frame/requests %D%/seeds/rpc_frame/refused \
	%D%/seeds/packet/arp %D%/seeds/packet/fragment %D%/seeds/packet/ipv4 %D%/seeds/packet/ipv6_options \
	%D%/seeds/packet/qinq %D%/seeds/packet/vxlan %D%/seeds/rules/few %D%/seeds/rules/many
FUZZ_SEEDS += %D%/seeds/ical/zone %D%/seeds/ical/dates %D%/seeds/feed_json/columns %D%/seeds/feed_json/events \
	%D%/seeds/feed_json/rows %D%/seeds/csv/quoted %D%/seeds/csv/events %D%/seeds/feed_kept/two %D%/seeds/rrd/small %D%/seeds/checkpoint/small
EXTRA_DIST += $(FUZZ_SEEDS) %D%/fuzz_feed.h
EXTRA_DIST += %D%/seeds/import/nat44 %D%/seeds/import/acl %D%/seeds/import/lb %D%/seeds/import/ipfix %D%/seeds/import/esp
if HAVE_FUZZING
noinst_PROGRAMS += tests/fuzz/fuzz_json tests/fuzz/fuzz_rpc_frame tests/fuzz/fuzz_rpc_request
tests_fuzz_fuzz_rpc_request_SOURCES = %D%/fuzz_rpc_request.c
tests_fuzz_fuzz_rpc_request_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tests_fuzz_fuzz_rpc_request_LDADD = lib/librpc.la
tests_fuzz_fuzz_rpc_request_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
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
if HAVE_DPDK
# What each function takes as state from another card: tests/fuzz/fuzz_import_lb CORPUS tests/fuzz/seeds/import.
FUZZ_STATE = dpdk-app/functions/flow_table.c dpdk-app/functions/flow_file.c dpdk-app/functions/fn_state.c
noinst_PROGRAMS += tests/fuzz/fuzz_import_nat44
tests_fuzz_fuzz_import_nat44_SOURCES = %D%/fuzz_import.c dpdk-app/functions/fn_nat44.c $(FUZZ_STATE)
tests_fuzz_fuzz_import_nat44_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API -DFUZZ_FN=nat44 '-DFUZZ_PARAMS="{\"external\":\"198.51.100.0/28\",\"block_ports\":64}"'
tests_fuzz_fuzz_import_nat44_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(DPDK_CFLAGS)
tests_fuzz_fuzz_import_nat44_LDADD = lib/libbase.la $(DPDK_LIBS) $(JSON_LIBS)
tests_fuzz_fuzz_import_nat44_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
noinst_PROGRAMS += tests/fuzz/fuzz_import_acl
tests_fuzz_fuzz_import_acl_SOURCES = %D%/fuzz_import.c dpdk-app/functions/fn_acl.c $(FUZZ_STATE)
tests_fuzz_fuzz_import_acl_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API -DFUZZ_FN=acl '-DFUZZ_PARAMS="{\"default\":\"permit\"}"'
tests_fuzz_fuzz_import_acl_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(DPDK_CFLAGS)
tests_fuzz_fuzz_import_acl_LDADD = lib/libbase.la $(DPDK_LIBS) $(JSON_LIBS)
tests_fuzz_fuzz_import_acl_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
noinst_PROGRAMS += tests/fuzz/fuzz_import_lb
tests_fuzz_fuzz_import_lb_SOURCES = %D%/fuzz_import.c dpdk-app/functions/fn_lb.c dpdk-app/functions/maglev.c $(FUZZ_STATE)
tests_fuzz_fuzz_import_lb_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API -DFUZZ_FN=lb '-DFUZZ_PARAMS="{\"address\":\"10.0.0.1\",\"proto\":\"any\",\"backends\":[{\"address\":\"10.1.0.1\"},{\"address\":\"10.1.0.2\"}]}"'
tests_fuzz_fuzz_import_lb_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(DPDK_CFLAGS)
tests_fuzz_fuzz_import_lb_LDADD = lib/libbase.la $(DPDK_LIBS) $(JSON_LIBS)
tests_fuzz_fuzz_import_lb_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
noinst_PROGRAMS += tests/fuzz/fuzz_import_ipfix
tests_fuzz_fuzz_import_ipfix_SOURCES = %D%/fuzz_import.c dpdk-app/functions/fn_ipfix.c dpdk-app/functions/ipfix.c $(FUZZ_STATE)
tests_fuzz_fuzz_import_ipfix_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API -DFUZZ_FN=ipfix '-DFUZZ_PARAMS="{\"collector\":\"127.0.0.1\"}"'
tests_fuzz_fuzz_import_ipfix_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(DPDK_CFLAGS)
tests_fuzz_fuzz_import_ipfix_LDADD = lib/libbase.la $(DPDK_LIBS) $(JSON_LIBS)
tests_fuzz_fuzz_import_ipfix_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
noinst_PROGRAMS += tests/fuzz/fuzz_import_esp
tests_fuzz_fuzz_import_esp_SOURCES = %D%/fuzz_import.c dpdk-app/functions/fn_esp.c dpdk-app/functions/tunnel.c dpdk-app/parse.c $(FUZZ_STATE)
tests_fuzz_fuzz_import_esp_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API -DFUZZ_FN=esp -DFUZZ_EAL '-DFUZZ_PARAMS="{\"local\":\"192.0.2.1\",\"remote\":\"192.0.2.2\",\"spi_out\":256,\"spi_in\":257,\"key_out_file\":\"/tmp/fuzz_import.key\",\"key_in_file\":\"/tmp/fuzz_import.key\"}"'
tests_fuzz_fuzz_import_esp_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(DPDK_CFLAGS)
tests_fuzz_fuzz_import_esp_LDADD = lib/libbase.la $(DPDK_LIBS) $(JSON_LIBS)
tests_fuzz_fuzz_import_esp_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif
noinst_PROGRAMS += tests/fuzz/fuzz_checkpoint
tests_fuzz_fuzz_checkpoint_SOURCES = %D%/fuzz_checkpoint.c
tests_fuzz_fuzz_checkpoint_LDADD = lib/libio.la
tests_fuzz_fuzz_checkpoint_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
if HAVE_FEEDS
noinst_PROGRAMS += tests/fuzz/fuzz_ical tests/fuzz/fuzz_feed_json tests/fuzz/fuzz_csv tests/fuzz/fuzz_feed_kept
tests_fuzz_fuzz_ical_SOURCES = %D%/fuzz_ical.c
tests_fuzz_fuzz_ical_LDADD = lib/libfeed.la lib/libbase.la -lm
tests_fuzz_fuzz_ical_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_feed_json_SOURCES = %D%/fuzz_feed_json.c
tests_fuzz_fuzz_feed_json_LDADD = lib/libfeed.la lib/libbase.la -lm
tests_fuzz_fuzz_feed_json_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_csv_SOURCES = %D%/fuzz_csv.c
tests_fuzz_fuzz_csv_LDADD = lib/libfeed.la lib/libbase.la -lm
tests_fuzz_fuzz_csv_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_feed_kept_SOURCES = %D%/fuzz_feed_kept.c
tests_fuzz_fuzz_feed_kept_LDADD = lib/libfeed.la lib/libbase.la -lm
tests_fuzz_fuzz_feed_kept_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif
if HAVE_RRD
noinst_PROGRAMS += tests/fuzz/fuzz_rrd
tests_fuzz_fuzz_rrd_SOURCES = %D%/fuzz_rrd.c plugins/forecast/rrdhead.c
tests_fuzz_fuzz_rrd_CFLAGS = $(AM_CFLAGS) $(RRD_CFLAGS)
tests_fuzz_fuzz_rrd_LDADD = lib/libbase.la $(RRD_LIBS)
tests_fuzz_fuzz_rrd_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
endif
endif
