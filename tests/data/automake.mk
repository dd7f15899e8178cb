EXTRA_DIST += %D%/commute/README.md %D%/commute/make-scenario %D%/commute/scenario.json %D%/commute/cards.csv \
	%D%/commute/apps.csv %D%/commute/traffic.csv %D%/commute/functions.json %D%/commute/demand.csv
