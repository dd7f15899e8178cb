EXTRA_DIST += %D%/card-api.md %D%/flowd-api.md %D%/manager-api.md %D%/manager.md %D%/bus.md %D%/forecaster.md %D%/benchmarks.md %D%/run.svg
