#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Holds the JSON values on standard input to one definition of a schema file; the first fault is told, exit status 1. usage: json_valid.py SCHEMA NAME
import json
import sys

import jsonschema

schema = json.load(open(sys.argv[1]))
validator = jsonschema.Draft202012Validator({"$defs": schema["$defs"], "$ref": "#/$defs/" + sys.argv[2].replace(" ", "%20")})
text, at, n = sys.stdin.read(), 0, 0
decoder = json.JSONDecoder(parse_constant=lambda word: sys.exit(f"{sys.argv[2]}: {word} is not JSON"))
while text[at:].strip():
    at += len(text[at:]) - len(text[at:].lstrip())
    value, at = decoder.raw_decode(text, at)
    n += 1
    for error in validator.iter_errors(value):
        # Of alternatives the deepest fault is what a person wants to see.
        error = max([error, *(error.context or [])], key=lambda e: len(e.absolute_path))
        sys.exit(f"{sys.argv[2]}: {'/'.join(map(str, error.absolute_path)) or 'the whole'}: {error.message[:300]}")
sys.exit(0 if n else f"{sys.argv[2]}: nothing was printed")
