# tests/unit/ovs: what of ovs-integration needs no switch.
OVS_UNIT_LDADD = ovs-integration/libintents.la lib/libio.la $(OFFLOAD_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/ovs/intent_test tests/unit/ovs/flows_test tests/unit/ovs/state_test
tests_unit_ovs_intent_test_SOURCES = %D%/intent_test.c
tests_unit_ovs_intent_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_ovs_intent_test_LDADD = $(OVS_UNIT_LDADD)
tests_unit_ovs_flows_test_SOURCES = %D%/flows_test.c
tests_unit_ovs_flows_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_ovs_flows_test_LDADD = $(OVS_UNIT_LDADD)
tests_unit_ovs_state_test_SOURCES = %D%/state_test.c
tests_unit_ovs_state_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_ovs_state_test_LDADD = $(OVS_UNIT_LDADD)

# json-c and libopenvswitch in one program, in both orders of linking: both have a json_object_put.
if HAVE_OPENVSWITCH
check_LTLIBRARIES += tests/unit/ovs/libclash.la
tests_unit_ovs_libclash_la_SOURCES = %D%/clash_ovs.c %D%/clash.h
tests_unit_ovs_libclash_la_CFLAGS = $(AM_CFLAGS) $(OVS_CFLAGS)
check_PROGRAMS += tests/unit/ovs/clash_jsonc_first_test tests/unit/ovs/clash_ovs_first_test
tests_unit_ovs_clash_jsonc_first_test_SOURCES = %D%/clash_test.c %D%/clash_jsonc.c %D%/clash.h
tests_unit_ovs_clash_jsonc_first_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_ovs_clash_jsonc_first_test_LDADD = $(JSON_LIBS) tests/unit/ovs/libclash.la $(OVS_LIBS) $(CMOCKA_LIBS)
tests_unit_ovs_clash_ovs_first_test_SOURCES = %D%/clash_test.c %D%/clash_jsonc.c
tests_unit_ovs_clash_ovs_first_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_ovs_clash_ovs_first_test_LDADD = tests/unit/ovs/libclash.la $(OVS_LIBS) $(JSON_LIBS) $(CMOCKA_LIBS)
endif
