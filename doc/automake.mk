EXTRA_DIST += %D%/card-api.md %D%/packet-path.md %D%/flowd-api.md %D%/manager-api.md %D%/manager.md %D%/bus.md %D%/forecaster.md %D%/operations.md %D%/migration.md %D%/benchmarks.md %D%/run.svg %D%/fan.svg

# Man pages of daemons, their files and the plugins: text, and the rows of the option tables in the C sources.
MAN_PAGES = %D%/man/offload-cardd.8 %D%/man/offload-flowd.8 %D%/man/offload-cardd.json.5 %D%/man/offload-flowd.json.5 \
	%D%/man/collectd-offload_card.5 %D%/man/collectd-offload_path.5 %D%/man/collectd-offload_forecast.5 \
	%D%/man/collectd-offload_manager.5
man_MANS += $(MAN_PAGES)
MOSTLYCLEANFILES += $(MAN_PAGES)
$(MAN_PAGES): %D%/man/options.py
SUFFIXES = .man5 .man8
.man5.5:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(srcdir)/doc/man/options.py $(srcdir) $< >$@.part && mv $@.part $@
.man8.8:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(srcdir)/doc/man/options.py $(srcdir) $< >$@.part && mv $@.part $@
EXTRA_DIST += %D%/man/options.py %D%/man/offload-cardd.man8 %D%/man/offload-flowd.man8 %D%/man/offload-cardd.json.man5 \
	%D%/man/offload-flowd.json.man5 %D%/man/collectd-offload_card.man5 %D%/man/collectd-offload_path.man5 \
	%D%/man/collectd-offload_forecast.man5 %D%/man/collectd-offload_manager.man5
