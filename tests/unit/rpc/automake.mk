# tests/unit/rpc
