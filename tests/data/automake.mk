EXTRA_DIST += %D%/commute/README.md %D%/commute/make-scenario %D%/commute/scenario.json %D%/commute/cards.csv \
	%D%/commute/apps.csv %D%/commute/traffic.csv %D%/commute/functions.json %D%/commute/demand.csv
EXTRA_DIST += %D%/textbook/README.md %D%/textbook/air_passengers.csv %D%/textbook/us_acc_deaths.csv \
	%D%/textbook/nottem.csv %D%/textbook/co2.csv %D%/textbook/nile.csv %D%/textbook/www_usage.csv \
	%D%/textbook/lake_huron.csv %D%/textbook/us_pop.csv %D%/textbook/lynx.csv
EXTRA_DIST += %D%/alerts/offload_test.yml
