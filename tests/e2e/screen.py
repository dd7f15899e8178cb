#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Runs a program on a terminal of its own, after some seconds presses keys, half a second apart, and prints the screen that was there
# before the last.
#   screen.py LINES COLUMNS SECONDS KEYS PROGRAM [ARGUMENT]...     exit status: the program's; 1 if it does not end
# Knows the control sequences of TERM=ansi-like terminals that curses uses; others are skipped.
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

lines, columns, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
    os.execv(sys.argv[5], sys.argv[5:])

output, shown, keys, press = b"", None, sys.argv[4].encode(), time.monotonic() + seconds
end = press + len(keys) / 2 + 10
while time.monotonic() < end:
    if select.select([fd], [], [], 0.1)[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b""
        if not data:
            break
        output += data
    if keys and time.monotonic() > press:
        shown = output
        os.write(fd, keys[:1])
        keys, press = keys[1:], time.monotonic() + 0.5
else:
    os.kill(pid, 9)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

screen = [[" "] * columns for _ in range(lines)]
top, bottom = 0, lines # of what scrolls
text = (shown or output).decode("utf-8", "replace")
row = column = at = 0
last = " "
while at < len(text):
    found = re.compile(r"\x1b\[([?0-9;]*)([@-~])|\x1b[()].|\x1b[=>78]").match(text, at)
    if not found:
        char, at = text[at], at + 1
        if char == "\r":
            column = 0
        elif char == "\n":
            if row + 1 == bottom:
                screen[top:bottom] = screen[top + 1:bottom] + [[" "] * columns]
            else:
                row = min(row + 1, lines - 1)
        elif char == "\b":
            column = max(column - 1, 0)
        elif char >= " " and column < columns:
            screen[row][column] = last = char
            column += 1
        continue
    at = found.end()
    numbers = [int(n) if n.isdigit() else 0 for n in (found[1] or "").split(";")]
    first, kind = max(numbers[0], 1), found[2]
    if kind == "H":
        row, column = first - 1, max(numbers[1] if len(numbers) > 1 else 1, 1) - 1
    elif kind == "d":
        row = first - 1
    elif kind == "G":
        column = first - 1
    elif kind == "C":
        column += first
    elif kind == "K":
        screen[row][column:] = [" "] * (columns - column)
    elif kind == "J":
        for r in range(row, lines):
            screen[r][column if r == row else 0:] = [" "] * (columns - (column if r == row else 0))
    elif kind == "r":
        top, bottom, row, column = first - 1, numbers[1] if len(numbers) > 1 else lines, 0, 0
    elif kind == "M":
        screen[row:bottom] = (screen[row + first:bottom] + [[" "] * columns for _ in range(first)])[:bottom - row]
    elif kind == "L":
        screen[row:bottom] = ([[" "] * columns for _ in range(first)] + screen[row:bottom])[:bottom - row]
    elif kind == "P":
        screen[row][column:] = screen[row][column + first:] + [" "] * min(first, columns - column)
    elif kind == "@":
        screen[row][column:] = ([" "] * first + screen[row][column:])[:columns - column]
    elif kind == "X":
        screen[row][column:column + first] = [" "] * min(first, columns - column)
    elif kind == "b":
        for _ in range(min(first, columns - column)):
            screen[row][column] = last
            column += 1
print("\n".join("".join(r).rstrip() for r in screen))
sys.exit(status)
