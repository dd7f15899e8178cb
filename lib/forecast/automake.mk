# noinst_LTLIBRARIES += lib/libforecast.la
