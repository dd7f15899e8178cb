#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a man page out of PAGE.manN: a line '@options FILE TABLE' becomes the rows of an option table in FILE's C source,
so that the page cannot forget a key. usage: options.py TOP PAGE.manN > PAGE"""
import re
import sys

KINDS = {
    "BOOL": "true or false", "U64": "a whole number", "F64": "a number", "STRING": "a string", "NAME": "a name",
    "ENUM": "a word", "OBJECT": "a block", "ARRAY": "may be repeated",
}


def strings(text):
    """C's adjacent string literals as one."""
    return "".join(s.encode().decode("unicode_escape") for s in re.findall(r'"((?:[^"\\]|\\.)*)"', text))


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in ".'" else text


def rows_of(source, table):
    found = re.search(r"struct offload_opt %s\[\] = \{\n(.*?)\n\s*(?:OFFLOAD_OPT_END|\};)" % table, source, re.S)
    if not found:
        sys.exit(f"no option table {table}")
    # Tables' own macros: FILE_OPT(key) opens a row, TEXT_OPT(key, default, help) is a whole one.
    literal = r'(?:"(?:[^"\\]|\\.)*"\s*)+'
    body = re.sub(r"\bTEXT_OPT\((\w+),\s*(%s),\s*(%s)\)" % (literal, literal),
                  r'{.key = "\1", .type = OFFLOAD_OPT_STRING, .default_text = \2, .help = \3}', found.group(1))
    body = re.sub(r"\bCAPACITY_OPT\((\w+),\s*(%s),\s*(%s)\)" % (literal, literal),
                  r'{.key = "\1", .type = OFFLOAD_OPT_U64, .default_text = "0", .unit = \2, .help = \3}', body)
    body = re.sub(r"\{\w+_(?:OPT|TEXT)\((\w+)\)", r'{.key = "\1"', body)
    # A row begins with {.key = or {"key", OFFLOAD_OPT_...
    for row in re.split(r"\n?\s*\{(?=\.key|\")", "\n" + body)[1:]:
        named = dict(re.findall(r"\.(key|type|least|most|default_text|unit|help|flags|names)\s*=\s*"
                                r"((?:\"(?:[^\"\\]|\\.)*\"\s*)+|[^,}]+)", row))
        if "key" not in named:
            sys.exit(f"{table}: a row that is not written with names: {row[:60]}")
        yield named


def page_rows(source, table):
    out = []
    for row in rows_of(source, table):
        kind = KINDS[row.get("type", "STRING").strip().replace("OFFLOAD_OPT_", "")]
        if "names" in row:
            names = re.search(r"%s\[[^]]*\]\s*=\s*\{(.*?)\}" % re.escape(row["names"].strip()), source, re.S)
            if names:
                kind = " | ".join(re.findall(r'"([^"]+)"', names.group(1)))
        unit = strings(row.get("unit", ""))
        default = strings(row.get("default_text", ""))
        tail = ", required" if "REQUIRED" in row.get("flags", "") else f", default {default}" if default not in ("", '""') else ""
        out.append(".TP")
        out.append(f".B {escape(strings(row['key']))}")
        out.append(escape(f"{kind}{' (' + unit + ')' if unit else ''}{tail}: {strings(row.get('help', ''))}."))
    return out


def main():
    top, page = sys.argv[1:]
    for line in open(page, encoding="utf-8").read().splitlines():
        if line.startswith("@options "):
            _, path, table = line.split()
            print("\n".join(page_rows(open(f"{top}/{path}", encoding="utf-8").read(), table)))
        else:
            print(line)


main()
