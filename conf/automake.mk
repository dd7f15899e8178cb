offloadtypesdir = $(datadir)/collectd
dist_offloadtypes_DATA = %D%/offload-types.db
