#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a JSON Schema out of the tables of doc/offloadctl-json.md: '$defs' holds one entry a section (a command, or a form of one)
and one for each row type. usage: json_schema.py PAGE.md > SCHEMA"""
import json
import re
import sys

PLAIN = {"text": {"type": "string"}, "number": {"type": "number"}, "whole": {"type": "integer", "minimum": 0},
         "bool": {"type": "boolean"}, "any": {}}


def schema_of(kind, where):
    if kind.endswith("?"):
        return {"anyOf": [schema_of(kind[:-1], where), {"type": "null"}]}
    if kind.startswith("["):
        return {"type": "array", "items": schema_of(kind[1:-1], where)}
    if kind.startswith("{"):
        return {"type": "object", "additionalProperties": schema_of(kind[1:-1], where)}
    if kind in PLAIN:
        return PLAIN[kind]
    if re.fullmatch("[A-Z]+", kind):
        return {"$ref": f"#/$defs/{kind}"}
    if re.fullmatch(r"[a-z]+(, [a-z]+)+", kind):
        return {"enum": kind.split(", ")}
    sys.exit(f"{where}: '{kind}' is no type")


def read(page):
    defs, name = {}, None
    for number, line in enumerate(open(page, encoding="utf-8"), 1):
        heading = re.match("#{2,3} (.*)", line)
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if heading:
            name = heading[1]
            defs[name] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
        elif name and line.startswith("An array"):
            defs[name + " row"] = defs[name]
            defs[name] = {"type": "array", "items": {"$ref": f"#/$defs/{name} row"}}
            name += " row"
        elif name and len(cells) == 3 and cells[0] not in ("key", "---"):
            key, kind, text = cells
            value = schema_of(kind, f"{page}:{number}")
            defs[name]["properties"][key.rstrip("?")] = {**value, "description": text} if text else value
            if not key.endswith("?"):
                defs[name]["required"].append(key)
    return defs


print(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "offloadctl --json", "$defs": read(sys.argv[1])}, indent=1))
