# One a line, so that two new ones do not collide.
EXTRA_DIST += %D%/card-api.md
EXTRA_DIST += %D%/packet-path.md
EXTRA_DIST += %D%/functions.md
EXTRA_DIST += %D%/flowd-api.md
EXTRA_DIST += %D%/manager-api.md
EXTRA_DIST += %D%/manager.md
EXTRA_DIST += %D%/bus.md
EXTRA_DIST += %D%/forecaster.md
EXTRA_DIST += %D%/operations.md
EXTRA_DIST += %D%/migration.md
EXTRA_DIST += %D%/benchmarks.md
EXTRA_DIST += %D%/offloadctl-json.md
EXTRA_DIST += %D%/run.svg
EXTRA_DIST += %D%/fan.svg

# Man pages of daemons, their files and the plugins: text, and the rows of the option tables in the C sources.
MAN_PAGES = %D%/man/offload-cardd.8 %D%/man/offload-flowd.8 %D%/man/offload-cardd.json.5 %D%/man/offload-flowd.json.5 \
	%D%/man/collectd-offload_card.5 %D%/man/collectd-offload_path.5 %D%/man/collectd-offload_forecast.5 \
	%D%/man/collectd-offload_manager.5 %D%/man/offload-site.json.5
man_MANS += $(MAN_PAGES)
MOSTLYCLEANFILES += $(MAN_PAGES)
$(MAN_PAGES): %D%/man/options.py dpdk-app/config.c ovs-integration/settings.c plugins/card/offload_card.c \
	plugins/path/offload_path.c plugins/forecast/config.c plugins/manager/config.c tools/site.c
SUFFIXES = .man5 .man8
.man5.5:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(srcdir)/doc/man/options.py $(srcdir) $< >$@.part && mv $@.part $@
.man8.8:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(srcdir)/doc/man/options.py $(srcdir) $< >$@.part && mv $@.part $@
EXTRA_DIST += %D%/man/options.py %D%/man/offload-cardd.man8 %D%/man/offload-flowd.man8 %D%/man/offload-cardd.json.man5 \
	%D%/man/offload-flowd.json.man5 %D%/man/collectd-offload_card.man5 %D%/man/collectd-offload_path.man5 \
	%D%/man/collectd-offload_forecast.man5 %D%/man/collectd-offload_manager.man5 %D%/man/offload-site.json.man5

# What offloadctl --json prints, for programs: made of the page for people.
pkgdata_DATA += %D%/offloadctl.schema.json
MOSTLYCLEANFILES += %D%/offloadctl.schema.json
EXTRA_DIST += %D%/man/json_schema.py
%D%/offloadctl.schema.json: %D%/offloadctl-json.md %D%/man/json_schema.py
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(srcdir)/%D%/man/json_schema.py $(srcdir)/%D%/offloadctl-json.md >$@.part && mv $@.part $@
