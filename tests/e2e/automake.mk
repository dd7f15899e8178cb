# Run as root by ./check, not by 'make check': they start real daemons in network namespaces.
EXTRA_DIST += %D%/lib.sh %D%/harness_test.sh %D%/traffic_test.sh %D%/collectd_killed_test.sh %D%/packages_test.sh %D%/dashboards_test.sh %D%/doctor_test.sh \
	%D%/site.sh %D%/examples_test.sh %D%/examples.py %D%/examples.tsv %D%/tour_test.sh \
	%D%/path_test.sh %D%/stamp_peer.py %D%/card_plugin_test.sh %D%/offloadctl_test.sh %D%/offloadctl_manager_test.sh %D%/screen.py %D%/offloadctl_json_test.sh %D%/json_valid.py %D%/switch_plugin_test.sh
EXTRA_DIST += %D%/whatif_test.sh %D%/backtest_test.sh %D%/forecast_test.sh %D%/feed_test.sh %D%/feed_server.py %D%/signals_test.sh
EXTRA_DIST += %D%/cardd_test.sh %D%/steering_test.sh %D%/soak_test.sh %D%/odd_packets.py
EXTRA_DIST += %D%/flowd_test.sh %D%/flowd_others_test.sh %D%/flowd_card_down_test.sh
EXTRA_DIST += %D%/manager_test.sh %D%/manager_bad_input_test.sh %D%/lying_card.py %D%/manager_migrate_test.sh %D%/manager_requests_test.sh %D%/manager_leader_test.sh %D%/manager_card_down_test.sh %D%/import_test.sh %D%/manager_hosts_test.sh
EXTRA_DIST += %D%/migrate_test.sh %D%/migrate_lib.sh %D%/migrate_killed_test.sh %D%/migrate_faults_test.sh %D%/echo.py
EXTRA_DIST += %D%/api_test.sh %D%/api_client.py %D%/api_tls_test.sh %D%/api_tls_client.py %D%/api_flood_test.sh %D%/api_flood.py
EXTRA_DIST += %D%/functions.sh %D%/functions_nat_test.sh %D%/functions_lb_test.sh %D%/functions_tunnels_test.sh %D%/functions_ipfix_test.sh %D%/esp_peer.py
