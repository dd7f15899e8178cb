# tests/traffic
