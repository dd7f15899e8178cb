EXTRA_DIST += %D%/soak
