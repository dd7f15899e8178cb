offloadtypesdir = $(datadir)/collectd
dist_offloadtypes_DATA = %D%/offload-types.db

# Snippets to be copied into /etc/collectd/collectd.conf.d: what is not asked for is not switched on.
offloadsnippetsdir = $(pkgdatadir)/collectd.conf.d
dist_offloadsnippets_DATA = %D%/collectd.conf.d/offload_card.conf %D%/collectd.conf.d/offload_path.conf %D%/collectd.conf.d/offload_manager.conf \
	%D%/collectd.conf.d/offload_forecast.conf %D%/collectd.conf.d/offload_feeds.conf \
	%D%/collectd.conf.d/offload_network_signals.conf %D%/collectd.conf.d/offload_types.conf

# Examples of the daemons' configurations, to be copied into /etc/offload.
dist_pkgdata_DATA += %D%/flowd.json %D%/cardd.json
# The database by which several managers agree on one.
dist_pkgdata_DATA += %D%/offload.ovsschema

# What agents have learned before they come to a site. 'make train-agents' makes it anew, to the bit, from generated
# demand alone; it takes some minutes.
offloadweightsdir = $(pkgdatadir)/weights
dist_offloadweights_DATA = %D%/weights/q_learning.checkpoint %D%/weights/dqn.checkpoint %D%/weights/lstm.checkpoint
# lstm.checkpoint: 'offloadctl train lstm --out FILE', from generated series alone.
.PHONY: train-agents
train-agents: tools/offloadctl$(EXEEXT)
	for agent in q_learning dqn; do \
		rm -f $(srcdir)/conf/weights/$$agent.checkpoint && \
		OPENBLAS_NUM_THREADS=1 tools/offloadctl$(EXEEXT) train agent $$agent --generated 5 --seed 1 \
			--out $(srcdir)/conf/weights/$$agent.checkpoint || exit 1; \
	done

completionsdir = $(datadir)/bash-completion/completions
dist_completions_DATA = %D%/completion/offloadctl

# For Grafana and Prometheus, beside collectd's write_prometheus or rrdtool plugin.
offloaddashboardsdir = $(pkgdatadir)/dashboards
dist_offloaddashboards_DATA = %D%/dashboards/offload-prometheus.json %D%/dashboards/offload-rrd.json
offloadalertsdir = $(pkgdatadir)/alerts
dist_offloadalerts_DATA = %D%/alerts/offload.rules.yml

# For the packages, and for those who install by hand: units, users, folders.
EXTRA_DIST += %D%/systemd/offload-cardd.service %D%/systemd/offload-flowd.service %D%/systemd/collectd.service.d/offload.conf \
	%D%/systemd/offload-cardd.sysusers %D%/systemd/offload-flowd.sysusers %D%/systemd/offload-collectd.sysusers \
	%D%/systemd/offload.tmpfiles %D%/systemd/offload.logrotate
