# noinst_LTLIBRARIES += lib/libsim.la
