pkginclude_HEADERS = %D%/err.h %D%/units.h
