# The passes, figures and charts of ./quickstart.
EXTRA_DIST += %D%/pass %D%/collectd-conf %D%/scenario.py %D%/sample.py %D%/report.py
