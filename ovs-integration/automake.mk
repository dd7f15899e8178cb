# ovs-integration
EXTRA_DIST += %D%/build-openvswitch

# What needs neither JSON's nor OVS's side of the fence is built and tested without OVS.
noinst_LTLIBRARIES += %D%/libintents.la
ovs_integration_libintents_la_SOURCES = %D%/intent.c %D%/intent.h %D%/flows.c %D%/flows.h \
	%D%/settings.c %D%/settings.h %D%/state.c %D%/state.h
ovs_integration_libintents_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)

# Units that include OVS's headers, and no other: OVS_CFLAGS rename json_object_put, which json-c has too.
if HAVE_OPENVSWITCH
noinst_LTLIBRARIES += %D%/libflowd_ovs.la
ovs_integration_libflowd_ovs_la_SOURCES = %D%/bridge.c %D%/bridge.h %D%/bridge_ovs.h %D%/bundle.c %D%/bundle.h \
	%D%/fence.c %D%/fence.h %D%/server.c %D%/server.h %D%/loop.c %D%/loop.h
ovs_integration_libflowd_ovs_la_CFLAGS = $(AM_CFLAGS) $(OVS_CFLAGS)
sbin_PROGRAMS += offload-flowd
offload_flowd_SOURCES = %D%/main.c %D%/flowd.h %D%/api.c %D%/api.h %D%/repair.c %D%/repair.h %D%/change.c %D%/change.h \
	%D%/reroute.c %D%/reroute.h
offload_flowd_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
offload_flowd_LDADD = %D%/libflowd_ovs.la %D%/libintents.la lib/libio.la $(OFFLOAD_LIBS) $(OVS_LIBS)
endif
