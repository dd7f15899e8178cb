# plugins/forecast
