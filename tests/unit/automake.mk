# A folder here mirrors the folder of the same name in lib/.
UNIT_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(CMOCKA_CFLAGS)
TESTS += %D%/layers_test.sh
EXTRA_DIST += %D%/layers_test.sh %D%/unit.h %D%/fail_malloc.h
FAIL_MALLOC_FLAGS = -Wl,--wrap=json_tokener_parse_ex
if HAVE_CMOCKA
include tests/unit/base/automake.mk
include tests/unit/rpc/automake.mk
include tests/unit/io/automake.mk
include tests/unit/feed/automake.mk
include tests/unit/stamp/automake.mk
include tests/unit/forecast/automake.mk
include tests/unit/allocate/automake.mk
include tests/unit/schedule/automake.mk
include tests/unit/migrate/automake.mk
include tests/unit/sim/automake.mk
include tests/unit/card/automake.mk
include tests/unit/cardd/automake.mk
include tests/unit/functions/automake.mk
include tests/unit/plugins/automake.mk
include tests/unit/path/automake.mk
include tests/unit/tools/automake.mk
include tests/unit/traffic/automake.mk
include tests/unit/ovs/automake.mk
endif
