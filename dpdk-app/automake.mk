if HAVE_DPDK
# All but main(), for the benches too.
noinst_LIBRARIES = %D%/libcardd.a
dpdk_app_libcardd_a_SOURCES = %D%/cardd.h %D%/config.c %D%/config.h %D%/card.c %D%/card.h %D%/plan.c %D%/plan_file.c \
	%D%/port.c %D%/port.h %D%/hardware.c %D%/hardware.h %D%/worker.c %D%/worker.h %D%/packet.h %D%/parse.c %D%/parse.h \
	%D%/classify.c %D%/lanes.c %D%/lanes.h %D%/flow_cache.c %D%/flow_cache.h %D%/rules.c %D%/rules.h \
	%D%/admit.c %D%/schedule.c %D%/chain.c %D%/transmit.c %D%/sleep.c %D%/snapshot.c %D%/snapshot.h \
	%D%/functions/fn.h %D%/functions/functions.c %D%/functions/fn_forward.c %D%/functions/fn_burn.c \
	%D%/functions/fn_acl.c %D%/functions/fn_nat44.c %D%/functions/checksum.h \
	%D%/functions/fn_lb.c %D%/functions/maglev.c %D%/functions/maglev.h %D%/functions/rewrite.h \
	%D%/functions/fn_esp.c %D%/functions/replay.h %D%/functions/fn_vxlan.c %D%/functions/tunnel.c %D%/functions/tunnel.h \
	%D%/functions/fn_ipfix.c %D%/functions/ipfix.c %D%/functions/ipfix.h \
	%D%/functions/flow_table.c %D%/functions/flow_table.h %D%/functions/flow_file.c %D%/functions/flow_file.h \
	%D%/functions/fn_state.c %D%/functions/fn_state.h \
	%D%/stats.c %D%/events.c %D%/shadow.c %D%/profile.c %D%/profile.h %D%/params.c %D%/params.h \
	%D%/api.c %D%/api_schema.c %D%/api_card.c %D%/api_app.c %D%/api_allocation.c %D%/telemetry.c \
	%D%/migrate.c %D%/migrate.h %D%/handover.c %D%/handover.h
dpdk_app_libcardd_a_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API
dpdk_app_libcardd_a_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(DPDK_CFLAGS)
sbin_PROGRAMS += offload-cardd
offload_cardd_SOURCES = %D%/main.c
offload_cardd_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API
offload_cardd_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(DPDK_CFLAGS)
offload_cardd_LDADD = %D%/libcardd.a lib/libmigrate.la lib/libserver.la lib/libio.la lib/librpc.la lib/libbase.la $(DPDK_LIBS) $(JSON_LIBS) -lpthread
endif
