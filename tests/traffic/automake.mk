# Sender and receiver of the demonstration and of the end-to-end tests; not installed.
noinst_LTLIBRARIES += tests/traffic/libtraffic.la
tests_traffic_libtraffic_la_SOURCES = \
	%D%/bursts.c %D%/bursts.h %D%/delays.c %D%/delays.h %D%/files.c %D%/files.h %D%/seqtrack.c %D%/seqtrack.h \
	%D%/trace.c %D%/trace.h %D%/wire.h
tests_traffic_libtraffic_la_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)

noinst_PROGRAMS += tests/traffic/traffic-gen tests/traffic/traffic-sink
tests_traffic_traffic_gen_SOURCES = %D%/gen.c
tests_traffic_traffic_gen_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tests_traffic_traffic_gen_LDADD = tests/traffic/libtraffic.la lib/libbase.la $(JSON_LIBS) -lm
tests_traffic_traffic_sink_SOURCES = %D%/sink.c
tests_traffic_traffic_sink_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tests_traffic_traffic_sink_LDADD = tests/traffic/libtraffic.la lib/libbase.la $(JSON_LIBS) -lm
