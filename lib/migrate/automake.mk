# noinst_LTLIBRARIES += lib/libmigrate.la
