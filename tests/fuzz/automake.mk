# libFuzzer targets, built by ./configure CC=clang --enable-fuzzing and run as
# tests/fuzz/fuzz_json CORPUS tests/fuzz/seeds/json; those of the card's packet path, with libdpdk, likewise:
# tests/fuzz/fuzz_packet CORPUS tests/fuzz/seeds/packet -max_total_time=600.
FUZZ_SEEDS = %D%/seeds/json/config %D%/seeds/json/values %D%/seeds/json/key_twice %D%/seeds/json/numbers \
	%D%/seeds/rpc_frame/requests %D%/seeds/rpc_frame/refused \
	%D%/seeds/packet/arp %D%/seeds/packet/fragment %D%/seeds/packet/ipv4 %D%/seeds/packet/ipv6_options \
	%D%/seeds/packet/qinq %D%/seeds/packet/vxlan %D%/seeds/rules/few %D%/seeds/rules/many
EXTRA_DIST += $(FUZZ_SEEDS)
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
endif
