# tests/unit/schedule
