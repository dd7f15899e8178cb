#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# The examples of README and doc/, one a line: FILE:LINE <tab> KIND <tab> TEXT. An example is a line of a fence ```sh, a fence ```json or ```conf
# as a whole (its lines joined by \n), or a code span that begins with a command and has words behind it; 'path': a code span that
# names a file of the source. Fences without a language and indented blocks are faults: they could hide examples.
# usage: examples.py TOP FILE...
import re
import sys

COMMAND = re.compile(r"(sudo |DEMO_\w+=|offloadctl |offload-(cardd|flowd) |make |ovs-\w+ |ovsdb-\w+ |collectd(ctl)? |apt |apt-get |dpkg-\S+ |"
                     r"systemctl |rrdtool |debconf|\./(bootstrap|configure|quickstart|check)\b|tests/\S+ |export |ip |sysctl |promtool )")
PATH = re.compile(r"(tests|conf|doc|plugins|lib|dpdk-app|ovs-integration|tools|debian|include)/[\w./-]*\w/?")
LANGUAGES = {"sh", "json", "conf", "text"}


def without_comment(line):
    return re.sub(r"\s+#\s.*$", "", line).strip()


def examples(name, text):
    fence, block, start = None, [], 0
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{name}:{number}"
        if line.startswith("```"):
            if fence is None:
                fence, block, start = line[3:].strip(), [], number
                if fence not in LANGUAGES:
                    sys.exit(f"{where}: a fence of language '{fence}'; use one of {', '.join(sorted(LANGUAGES))}")
            else:
                if fence in ("json", "conf"):
                    yield f"{name}:{start}", fence, "\\n".join(block)
                fence = None
        elif fence == "sh":
            block.append(line)
            if not line.endswith("\\"):
                command = without_comment(" ".join(part.rstrip("\\").strip() for part in block))
                block = []
                if command:
                    yield where, "run", re.sub(r"\s+", " ", command)
        elif fence is not None:
            block.append(line)
        elif re.match(r" {4,}\S", line):
            sys.exit(f"{where}: an indented block; put it into a fence")
        else:
            for span in re.findall(r"`([^`]+)`", line):
                span = span.replace("\\|", "|")
                if COMMAND.match(span):
                    yield where, "run", span
                elif PATH.fullmatch(span):
                    yield where, "path", span


top = sys.argv[1]
for file in sys.argv[2:]:
    for row in examples(file, open(f"{top}/{file}", encoding="utf-8").read()):
        print("\t".join(row))
