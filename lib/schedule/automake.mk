# noinst_LTLIBRARIES += lib/libschedule.la
