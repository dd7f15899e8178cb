# libFuzzer targets, built by ./configure CC=clang --enable-fuzzing and run as
# tests/fuzz/fuzz_json CORPUS tests/fuzz/seeds/json.
FUZZ_SEEDS = %D%/seeds/json/config %D%/seeds/json/values %D%/seeds/json/key_twice %D%/seeds/json/numbers \
	%D%/seeds/rpc_frame/requests %D%/seeds/rpc_frame/refused
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
endif
