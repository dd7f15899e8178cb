pkginclude_HEADERS = %D%/err.h %D%/units.h %D%/card_api.h
pkginclude_HEADERS += %D%/allocate.h
