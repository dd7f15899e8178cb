# noinst_LTLIBRARIES += lib/liballocate.la
