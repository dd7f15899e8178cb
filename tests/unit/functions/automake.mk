if HAVE_DPDK
check_PROGRAMS += %D%/flow_table_test %D%/nat44_test %D%/acl_test %D%/lb_test %D%/vxlan_test %D%/ipfix_test %D%/esp_test
FN_CFLAGS = $(UNIT_CFLAGS) $(DPDK_CFLAGS)
FN_STATE = dpdk-app/functions/flow_table.c dpdk-app/functions/flow_file.c dpdk-app/functions/fn_state.c
FN_LIBS = lib/libbase.la $(DPDK_LIBS) $(JSON_LIBS) $(CMOCKA_LIBS)

tests_unit_functions_flow_table_test_SOURCES = %D%/flow_table_test.c dpdk-app/functions/flow_table.c dpdk-app/functions/flow_file.c
tests_unit_functions_flow_table_test_CFLAGS = $(UNIT_CFLAGS)
tests_unit_functions_flow_table_test_LDADD = $(CMOCKA_LIBS)

tests_unit_functions_nat44_test_SOURCES = %D%/nat44_test.c %D%/fake_packet.h dpdk-app/functions/fn_nat44.c $(FN_STATE)
tests_unit_functions_nat44_test_CFLAGS = $(FN_CFLAGS)
tests_unit_functions_nat44_test_LDADD = $(FN_LIBS)

tests_unit_functions_acl_test_SOURCES = %D%/acl_test.c %D%/fake_packet.h dpdk-app/functions/fn_acl.c $(FN_STATE)
tests_unit_functions_acl_test_CFLAGS = $(FN_CFLAGS)
tests_unit_functions_acl_test_LDADD = $(FN_LIBS)

tests_unit_functions_lb_test_SOURCES = %D%/lb_test.c %D%/fake_packet.h %D%/fake_fn.h dpdk-app/functions/fn_lb.c dpdk-app/functions/maglev.c $(FN_STATE)
tests_unit_functions_lb_test_CFLAGS = $(FN_CFLAGS)
tests_unit_functions_lb_test_LDADD = $(FN_LIBS)

tests_unit_functions_vxlan_test_SOURCES = %D%/vxlan_test.c %D%/fake_packet.h %D%/fake_fn.h dpdk-app/functions/fn_vxlan.c dpdk-app/functions/tunnel.c dpdk-app/parse.c
tests_unit_functions_vxlan_test_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API
tests_unit_functions_vxlan_test_CFLAGS = $(FN_CFLAGS)
tests_unit_functions_vxlan_test_LDADD = $(FN_LIBS)

tests_unit_functions_ipfix_test_SOURCES = %D%/ipfix_test.c %D%/fake_packet.h %D%/fake_fn.h dpdk-app/functions/fn_ipfix.c dpdk-app/functions/ipfix.c $(FN_STATE)
tests_unit_functions_ipfix_test_CFLAGS = $(FN_CFLAGS)
tests_unit_functions_ipfix_test_LDADD = $(FN_LIBS)

tests_unit_functions_esp_test_SOURCES = %D%/esp_test.c %D%/fake_packet.h %D%/fake_fn.h dpdk-app/functions/fn_esp.c dpdk-app/functions/tunnel.c dpdk-app/parse.c $(FN_STATE)
tests_unit_functions_esp_test_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API
tests_unit_functions_esp_test_CFLAGS = $(FN_CFLAGS)
tests_unit_functions_esp_test_LDADD = $(FN_LIBS)
else
EXTRA_DIST += %D%/flow_table_test.c %D%/nat44_test.c %D%/acl_test.c %D%/fake_packet.h %D%/fake_fn.h %D%/lb_test.c %D%/vxlan_test.c %D%/ipfix_test.c %D%/esp_test.c
endif
