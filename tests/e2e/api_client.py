#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Asks a card API what it must answer and what it must refuse, by the schema that it gives itself.
#
#   api_client.py SOCKET examples DOC   runs the lines "--> REQUEST" of DOC in their order; each answer must hold what
#                                       "<-- ANSWER" says (keys that are not named there may be there)
#   api_client.py SOCKET answers        every read-only verb's answer is as its schema says
#   api_client.py SOCKET refusals       every verb refuses what is unknown, missing, of another type, out of range, not
#                                       finite or there twice, names the key, and nothing has changed
import json
import re
import socket
import sys

ZERO = {"string": "", "integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}


class Peer:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(path)
        self.rest = b""

    def ask_text(self, text):
        self.sock.sendall(text.encode() + b"\n")
        while b"\n" not in self.rest:
            got = self.sock.recv(1 << 16)
            if not got:
                sys.exit(f"the connection was closed at: {text[:200]}")
            self.rest += got
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def ask(self, verb, params):
        return self.ask_text(json.dumps({"jsonrpc": "2.0", "id": 1, "method": verb, "params": params}))

    def result(self, verb, params=None):
        answer = self.ask(verb, params or {})
        if "result" not in answer:
            sys.exit(f"{verb} {params}: {answer}")
        return answer["result"]


def is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}[name])


def faults(schema, value, defs, at):
    """What is wrong with 'value', as far as these schemas go."""
    if "$ref" in schema:
        schema = {**defs[schema["$ref"].split("/")[-1]]}
    if "anyOf" in schema:
        return [] if any(not list(faults(s, value, defs, at)) for s in schema["anyOf"]) else [f"{at}: {value}"]
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    found = []
    if types and not any(is_type(value, t) for t in types):
        return [f"{at}: {value!r} is no {types}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if isinstance(value, dict) and "properties" in schema:
        found += [f"{at}.{k}: is not told" for k in value if k not in schema["properties"]]
        found += [f"{at}.{k}: is missing" for k in schema["required"] if k not in value]
        for k, v in value.items():
            found += faults(schema["properties"].get(k, {}), v, defs, f"{at}.{k}")
    if isinstance(value, list) and "items" in schema:
        for i, v in enumerate(value):
            found += faults(schema["items"], v, defs, f"{at}[{i}]")
    return found


def contains(answer, wanted, at="answer"):
    if isinstance(wanted, dict) and isinstance(answer, dict):
        for key, value in wanted.items():
            if key not in answer:
                sys.exit(f"{at}.{key}: is missing in {answer}")
            contains(answer[key], value, f"{at}.{key}")
    elif isinstance(wanted, list) and isinstance(answer, list) and len(wanted) <= len(answer):
        for i, value in enumerate(wanted):
            contains(answer[i], value, f"{at}[{i}]")
    elif answer != wanted:
        sys.exit(f"{at}: is {answer!r}, the document says {wanted!r}")


def examples(peer, doc):
    answer, n = None, 0
    for line in open(doc, encoding="utf-8"):
        if line.startswith("--> "):
            answer = peer.ask_text(line[4:].strip())
            n += 1
        elif line.startswith("<-- "):
            contains(answer, json.loads(line[4:]))
    if n == 0:
        sys.exit(f"{doc}: holds no example")
    print(n)


def answers(peer):
    schema = peer.result("api.schema")
    wrong = []
    card = peer.result("card.list")["cards"][0]["card"]
    asked = 0
    for verb, row in schema["verbs"].items():
        if row["role"] != "read" or verb in ("events.subscribe", "profile.get"):
            continue
        params = {"card": card} if "card" in row["params"]["required"] else {}
        wrong += faults(row["result"], peer.result(verb, params), schema["$defs"], verb)
        asked += 1
    if wrong:
        sys.exit("\n".join(wrong[:20]))
    print(asked)


def bad_values(schema, defs):
    """Values that a key of this schema must not take."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].split("/")[-1]]
    if "enum" in schema:
        return [5, "no such word", None]
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    values = [ZERO[name] for name in ZERO if name not in types and not (name in ("integer", "number") and {"integer", "number"} & set(types))]
    if "integer" in types or "number" in types:
        values += [-1, 1e300, 2**63] if "maximum" in schema else [-1]
        values += [1.5] if "number" not in types else []
    if "pattern" in schema:
        values += ["", "a b", "x" * 33]
    if "maxLength" in schema:
        values.append("x" * (schema["maxLength"] + 1))
    if "properties" in schema:
        values.append({"no_such_key": 1})
    return [v for v in values if not (v == {} and "object" in types)] + [None]


def state(peer):
    cards = peer.result("card.list")["cards"]
    apps = peer.result("app.list")["apps"]
    return json.dumps([[(c["card"], c["workers"], c["apps"]) for c in cards],
                       [(a["app"], a["card"], a["match"], a["chain"], a["sla"], a["state"]) for a in apps],
                       peer.result("allocation.get"), peer.result("migration.status"), peer.result("hello")["term"]])


def refusals(peer):
    schema = peer.result("api.schema")
    defs, before, n = schema["$defs"], state(peer), 0

    def refused(text, key, why):
        nonlocal n
        answer = peer.ask_text(text)
        if "error" not in answer:
            sys.exit(f"accepted ({why}): {text[:300]}")
        error = answer["error"]
        told = error.get("data", {}).get("path", "") + " " + error["message"]
        if key not in told:
            sys.exit(f"the refusal of {why} does not name '{key}': {error}\n{text[:300]}")
        if error["code"] not in (-32602, -32700):
            sys.exit(f"{why}: code {error['code']} for {text[:300]}")
        n += 1

    for verb, row in schema["verbs"].items():
        def request(params):
            return json.dumps({"jsonrpc": "2.0", "id": 1, "method": verb, "params": params})
        keys, required = row["params"]["properties"], row["params"]["required"]
        refused(request({"no_such_key": 1}), "no_such_key", "an unknown key")
        refused(request([]), "params", "a list of parameters")
        for key in keys:
            for value in bad_values(keys[key], defs):
                # What comes first in the table must be right, or it would be named.
                params = {k: sample(keys[k], defs) for k in required if k != key}
                refused(request({**params, key: value}), key, f"{verb} with {key} = {str(value)[:40]!r}")
            text = request({}).replace("{}", f'{{"{key}": 1, "{key}": 1}}')
            refused(text, key, f"{verb} with {key} twice")
            refused(request({}).replace("{}", f'{{"{key}": NaN}}'), "NaN", f"{verb} with {key} = NaN")
        for key in required:
            refused(request({k: sample(keys[k], defs) for k in required if k != key}), key, f"{verb} without {key}")
    after = state(peer)
    if after != before:
        sys.exit(f"what was refused has changed something:\n{before}\n{after}")
    print(n)


def sample(schema, defs):
    if "$ref" in schema:
        schema = defs[schema["$ref"].split("/")[-1]]
    types = schema.get("type", "string")
    kind = types if isinstance(types, str) else types[0]
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "array":
        return [sample(schema["items"], defs)]
    if kind == "object":
        return {k: sample(schema["properties"][k], defs) for k in schema.get("required", [])}
    if kind == "string":
        return "x"
    return False if kind == "boolean" else schema.get("minimum", 0)


def main():
    peer = Peer(sys.argv[1])
    if sys.argv[2] == "examples":
        examples(peer, sys.argv[3])
    else:
        {"answers": answers, "refusals": refusals}[sys.argv[2]](peer)


main()
