# tests/unit/allocate
