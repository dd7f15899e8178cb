# tests/unit/io
