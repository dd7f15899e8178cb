#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One minute of tests/soak: offload-cardd while everything about it changes. The whole of it takes half an hour.
# Limit: 180 s
exec bash "$(dirname "$0")/../soak/soak" 60
