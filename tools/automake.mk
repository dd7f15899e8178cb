bin_PROGRAMS += tools/offloadctl
tools_offloadctl_SOURCES = %D%/offloadctl.c %D%/ctl.h %D%/cmd_status.c %D%/cmd_plan.c %D%/cmd_migrate.c %D%/cmd_top.c %D%/top_frame.c %D%/top_screen.c %D%/top.h \
	%D%/cmd_profile.c %D%/cmd_request.c %D%/cmd_replay.c %D%/cmd_import.c %D%/cmd_doctor.c %D%/planlog.h %D%/source.c %D%/source.h %D%/watch.c %D%/watch.h %D%/progress.c %D%/progress.h %D%/rows.c %D%/rows.h \
	%D%/fields.c %D%/fields.h %D%/table.c %D%/table.h %D%/format.c %D%/format.h %D%/chart.c %D%/chart.h %D%/svg_chart.c %D%/svg_chart.h
tools_offloadctl_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tools_offloadctl_LDADD =
if HAVE_RRD
tools_offloadctl_SOURCES += %D%/cmd_graph.c %D%/cmd_report.c %D%/history.c %D%/history.h
tools_offloadctl_CFLAGS += -DHAVE_RRD $(RRD_CFLAGS)
tools_offloadctl_LDADD += $(RRD_LIBS)
endif
if HAVE_ENGINE
tools_offloadctl_SOURCES += %D%/cmd_simulate.c %D%/cmd_train.c %D%/foresight.c %D%/foresight.h %D%/cmd_backtest.c %D%/benchmark.c %D%/benchmark.h %D%/csv.c %D%/csv.h %D%/ownseries.c %D%/ownseries.h %D%/fan_svg.c %D%/fan_svg.h \
	%D%/train_lstm.c %D%/train_lstm.h %D%/weights.c %D%/weights.h
tools_offloadctl_CPPFLAGS = $(AM_CPPFLAGS) -DOFFLOAD_DATADIR='"$(pkgdatadir)"'
tools_offloadctl_CFLAGS += -DHAVE_ENGINE
tools_offloadctl_LDADD += lib/libforesee.la lib/libsim.la lib/libforecast.la -lpthread
else
tools_offloadctl_LDADD += lib/liballocate.la
endif
tools_offloadctl_LDADD += lib/libio.la $(OFFLOAD_LIBS) -lm
if HAVE_ENGINE
if HAVE_RRD
tools_offloadctl_SOURCES += %D%/cmd_whatif.c %D%/site.c %D%/site.h %D%/oconfig.c %D%/oconfig.h
endif
endif
if HAVE_CURSES
tools_offloadctl_CFLAGS += -DHAVE_CURSES $(CURSES_CFLAGS)
tools_offloadctl_LDADD += $(CURSES_LIBS)
endif
dist_man_MANS += %D%/offloadctl.1
