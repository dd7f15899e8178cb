# tests/unit/migrate
