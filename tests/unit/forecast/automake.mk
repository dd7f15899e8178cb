# tests/unit/forecast
