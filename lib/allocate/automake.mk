noinst_LTLIBRARIES += lib/liballocate.la
lib_liballocate_la_SOURCES = %D%/state.c %D%/fill.c %D%/fill.h %D%/value.c %D%/value.h %D%/lean.c %D%/lean.h %D%/move.c %D%/reward.c %D%/agent_static.c \
	%D%/agent_reactive.c %D%/agent_proportional.c %D%/agent_drf.c %D%/agent_newsvendor.c %D%/agent_q_learning.c %D%/agent_dqn.c %D%/network.c %D%/network.h %D%/agents.c %D%/shield.c \
	%D%/plan.c %D%/calibrate.c %D%/calibrate.h %D%/explain.c %D%/record.c %D%/guard.c
lib_liballocate_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
lib_liballocate_la_LIBADD = $(JSON_LIBS) -lm
