pkginclude_HEADERS = %D%/err.h %D%/units.h
pkginclude_HEADERS += %D%/allocate.h
