# tests/unit/stamp
