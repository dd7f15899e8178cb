# tests/unit/card
