# noinst_LTLIBRARIES += lib/libstamp.la
