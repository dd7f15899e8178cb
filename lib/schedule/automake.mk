EXTRA_DIST += %D%/bucket.h %D%/share.h %D%/drr.h %D%/quota.h %D%/histogram.h %D%/codel.h %D%/turns.h
