include tests/unit/automake.mk
include tests/traffic/automake.mk
include tests/e2e/automake.mk
include tests/bench/automake.mk
include tests/fuzz/automake.mk
include tests/data/automake.mk
include tests/soak/automake.mk
include tests/demo/automake.mk
