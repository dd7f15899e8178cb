#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges the demonstration: tables, charts, values.csv, and whether every part did its work.

usage: report.py RESULT SCENARIO        RESULT holds the folders adaptive, static, lent that tests/demo/pass left

Exit 0 if every check holds, 1 if one fails. What is counted where:
  offered, delivered, loss, delay   by the packets: what traffic-gen sent and traffic-sink received in each step
  queueing delay                    by the card: difference of its counters from step to step
  SLA breach                        an application's step with mean queueing delay in the card, or loss there, above its limit
What overflowed a ring before the cards is in 'loss', is counted apart below the table, and breaches no SLA: it is this machine's.
"""
import csv
import json
import os
import subprocess
import sys

from scenario import Scenario


def rows(path):
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


class Pass:
    def __init__(self, folder, scenario, span=1):
        """'span': seconds that a step is judged over, from each on."""
        self.folder, self.scenario, self.span = folder, scenario, span
        self.final = load(folder + "/final.json")
        self.sent = load(folder + "/gen.json")
        self.received = load(folder + "/sink.json")
        with open(folder + "/samples.jsonl", encoding="utf-8") as f:
            self.samples = {line["step"]: line for line in map(json.loads, f)}
        self.step = {}  # (step, app) -> figures
        for row in rows(folder + "/gen.csv"):
            self.step[int(row["step"]), row["app"]] = {"sent": int(row["sent_pkts"]), "offered_bps": int(row["sent_bytes"]) * 8,
                                                      "received": 0, "delivered_bps": 0, "p50_ms": 0.0, "p99_ms": 0.0}
        for row in rows(folder + "/sink.csv"):
            cell = self.step.get((int(row["step"]), row["app"]))
            if cell is not None:
                cell.update(received=int(row["received_pkts"]), delivered_bps=int(row["received_bytes"]) * 8,
                            p50_ms=int(row["delay_p50_ns"]) / 1e6, p99_ms=int(row["delay_p99_ns"]) / 1e6)
        for (step, app), cell in self.step.items():
            cell["loss"] = 1 - cell["received"] / cell["sent"] if cell["sent"] else 0.0
            cell["queue_ms"] = self.queue_ms(step, app)
            limits = scenario.apps[app]
            cell["card_loss"] = self.card_loss(step, app, cell["loss"])
            cell["breach"] = cell["queue_ms"] > float(limits["max_delay_ms"]) or cell["card_loss"] > float(limits["max_loss"])
            cell.update(self.allocation(step, app))

    def app_rows(self, step, app):
        line = self.samples.get(step) or {}
        return [row for row in (line.get("apps") or {}).get("apps", []) if row["app"] == app]

    def queue_ms(self, step, app):
        """Mean queueing delay in the step, over the cards that it was on."""
        before = {row["card"]: row["stats"] for row in self.app_rows(step, app)}
        total = pkts = 0
        for row in self.app_rows(step + self.span, app):
            old = before.get(row["card"], {"queue_delay_ns_sum": 0, "queue_delay_pkts": 0})
            total += row["stats"]["queue_delay_ns_sum"] - old["queue_delay_ns_sum"]
            pkts += row["stats"]["queue_delay_pkts"] - old["queue_delay_pkts"]
        return total / pkts / 1e6 if pkts > 0 else 0.0

    def card_loss(self, step, app, by_packets):
        """Dropped of offered, by the card's counters; by the packets where the application changes cards in the step, since
        the card that it leaves forgets its counters."""
        before, after = self.app_rows(step, app), self.app_rows(step + self.span, app)
        if len(before) != 1 or len(after) != 1 or before[0]["card"] != after[0]["card"]:
            return by_packets
        old, new = before[0]["stats"], after[0]["stats"]
        offered = new["offered_pkts"] - old["offered_pkts"]
        dropped = sum(new["drops"].values()) - sum(old["drops"].values())
        return dropped / offered if offered > 0 else 0.0

    def allocation(self, step, app):
        """What the application had in the step's middle, and what was forecast for it: of the next line, which ends the step."""
        out = {"card": "", "allocated_bps": 0, "need_p50_bps": None, "need_p90_bps": None}
        for row in self.app_rows(step + 1, app):
            if row.get("allocation") and row["state"] != "destination":
                out.update(card=row["card"], allocated_bps=row["allocation"]["bandwidth_bps"])
        manager = (self.samples.get(step) or {}).get("manager") or {}
        for row in manager.get("apps", []):
            if row["app"] == app:
                out.update(need_p50_bps=row.get("need_p50_bps"), need_p90_bps=row.get("need_p90_bps"))
        return out

    def total(self, app, steps):
        cells = [self.step[k, app] for k in steps]
        sent, received = sum(c["sent"] for c in cells), sum(c["received"] for c in cells)
        n = len(cells)
        return {"offered_mbps": sum(c["offered_bps"] for c in cells) / n / 1e6,
                "delivered_mbps": sum(c["delivered_bps"] for c in cells) / n / 1e6,
                "loss_pct": 100 * (1 - received / sent) if sent else 0.0,
                "p50_ms": sorted(c["p50_ms"] for c in cells)[n // 2], "p99_ms": sorted(c["p99_ms"] for c in cells)[int(n * 0.99)],
                "breaches": sum(c["breach"] for c in cells)}

    def breaches(self, steps):
        return sum(self.step[k, app]["breach"] for k in steps for app in self.scenario.apps)

    def loss_pct(self, steps):
        cells = [self.step[k, app] for k in steps for app in self.scenario.apps]
        return 100 * (1 - sum(c["received"] for c in cells) / sum(c["sent"] for c in cells))

    # ---- where every packet went ----

    def balance(self):
        """Each flow's repeated last packets are in it, since the cards count them too. The rings' counters also count what
        is not the sender's (probes of paths), so they bound what may be missing without another cause."""
        sent = sum(app["sent_pkts"] + app["end_pkts"] for app in self.sent["apps"])
        received = sum(app["received_pkts"] + app["end_pkts"] for app in self.received["apps"])
        drops = {}
        for card in self.final["cards"]["cards"]:
            for cause, n in card["stats"]["drops"].items():
                drops[cause] = drops.get(cause, 0) + n
        rings = sum(port.get("rx_missed", 0) for card in self.final["cards"]["cards"] for port in card["ports"])
        rings += self.received["socket_overflow_pkts"] + self.switch_drops() + self.final["socket_drops"]
        missing = sent - received - sum(drops.values())
        return {"sent": sent, "received": received, "drops": drops, "rings": min(missing, rings),
                "unaccounted": missing - min(missing, rings)}

    def switch_drops(self):
        """Overflow of the rings between the cards and their neighbours, by the switch's own counters."""
        n = 0
        for name, statistics in self.final["ports"]["data"]:
            counters = dict(statistics[1])
            if name in ("w1", "w2"):
                n += counters.get("xsk_queue_0_rx_dropped", counters.get("rx_dropped", 0))
            if name != "br0":
                n += counters.get("tx_dropped", 0) + counters.get("tx_errors", 0)
        return n

    # ---- migrations ----

    def migrations(self):
        reasons = {row["id"]: row for row in (self.final.get("moves") or {}).get("migrations", [])}
        out = []
        for row in self.final["migrations"]["migrations"]:
            window = self.window_of(row["id"])
            late = sum(1 for event in rows(self.folder + "/events.csv") if event["app"] == row["app"] and
                       event["kind"] != "gap" and window[0] <= int(event["rx_ns"]) / 1e9 <= window[1])
            out.append(dict(row, reordered=late, reason=reasons.get(row["id"], {}).get("reason", ""), window=window,
                            swap_ns=reasons.get(row["id"], {}).get("swap_ns", 0)))
        return list(reversed(out))

    def window_of(self, migration):
        """From the last line without it to the first in which it is over, and a second more."""
        times = [(line["time"], m["step"]) for line in self.samples.values()
                 for m in (line.get("migrations") or {}).get("migrations", []) if m["id"] == migration]
        if not times:
            return (0.0, float("inf"))
        over = [t for t, step in times if step in ("committed", "aborted")]
        return (min(t for t, _ in times) - 1, (min(over) if over else max(t for t, _ in times)) + 1)


# ---- what is printed ----

def print_apps(scenario, adaptive, static, steps, way):
    print(f"\n  {'':7}{'':8}{'':>8}  {'adaptive':^43}  {'static (' + way + ' shares)':^43}")
    head = f"{'Mbit/s':>8}{'loss %':>8}{'P50 ms':>8}{'P99 ms':>9}{'SLA':>6}    "
    print(f"  {'app':7}{'class':8}{'offered':>8}  {head}  {head}")
    for app, row in scenario.apps.items():
        a, s = adaptive.total(app, steps), static.total(app, steps)
        line = f"  {app:7}{row['class']:8}{a['offered_mbps']:8.2f}  "
        for t in (a, s):
            line += f"{t['delivered_mbps']:8.2f}{t['loss_pct']:8.2f}{t['p50_ms']:8.2f}{t['p99_ms']:9.2f}{t['breaches']:6d}      "
        print(line.rstrip())
    print(f"  {'all':7}{'':8}{'':>8}  {'':8}{adaptive.loss_pct(steps):8.2f}{'':17}{adaptive.breaches(steps):6d}      "
          f"{'':8}{static.loss_pct(steps):8.2f}{'':17}{static.breaches(steps):6d}")
    print(f"  Delays from sender to receiver, P99 of the worst of a hundred steps; SLA: steps of {len(steps)} with loss or queueing"
          " delay in the card above the limit.")


def print_migrations(migrations):
    print(f"\n  {'migration':10}{'way':>16}{'step':>11}{'entries':>9}{'pause ms':>10}{'held':>7}{'lost':>6}{'reordered':>11}  reason")
    for m in migrations:
        way = m["from"] + " > " + m["to"]
        print(f"  {m['app']:10}{way:>16}{m['step']:>11}{m['entries']:9d}{m['pause_ns'] / 1e6:10.1f}{m['held_pkts']:7d}"
              f"{m['lost_pkts']:6d}{m['reordered']:11d}  {m['reason']}")
    if not migrations:
        print("  none")


def print_deciders(folder):
    """Who decided: the agent, or the baseline that the manager falls back to where the agent does worse."""
    counts = {}
    with open(folder + "/plans.jsonl", encoding="utf-8") as f:
        for line in f:
            agent = json.loads(line)["agent"]
            counts[agent] = counts.get(agent, 0) + 1
    print("\n  Who decided: " + ", ".join(f"{agent} {n} plans" for agent, n in counts.items()))


def print_balance(name, balance):
    drops = " ".join(f"{cause} {n}" for cause, n in balance["drops"].items() if n) or "none"
    print(f"  {name:9} sent {balance['sent']} = received {balance['received']} + dropped by the cards' rule ({drops})"
          f" + lost in rings before them {balance['rings']} + unaccounted {balance['unaccounted']}")


def write_values(path, passes, steps):
    keys = ["card", "offered_bps", "delivered_bps", "loss", "p50_ms", "p99_ms", "queue_ms", "breach", "allocated_bps",
            "need_p50_bps", "need_p90_bps", "card_loss"]
    with open(path, "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["pass", "step", "app", *keys])
        for name, one in passes.items():
            for (step, app), cell in sorted(one.step.items()):
                if step in steps or name == "lent":
                    values = [round(v, 4) if isinstance(v, float) else int(v) if isinstance(v, bool) else v
                              for v in (cell[key] for key in keys)]
                    out.writerow([name, step, app, *values])


def write_picture(result, scenario, adaptive, static, steps):
    """Demand, forecast and allocation of each application, and each card's demand, as SVG by gnuplot."""
    data = []
    for app in scenario.apps:
        lines = []
        for k in steps:
            a, s = adaptive.step[k, app], static.step[k, app]
            fields = [k - steps[0], a["offered_bps"], a["need_p90_bps"], a["allocated_bps"], s["allocated_bps"],
                      a["delivered_bps"], s["delivered_bps"]]
            lines.append(" ".join("nan" if v is None else f"{v if i == 0 else v / 1e6:.3f}" for i, v in enumerate(fields)))
        data.append("$" + app + " << EOD\n" + "\n".join(lines) + "\nEOD\n")
    card_lines = {}
    for card, row in scenario.cards.items():
        lines = []
        for k in steps:
            now = sum(adaptive.step[k, app]["offered_bps"] for app in scenario.apps if adaptive.step[k, app]["card"] == card)
            was = sum(static.step[k, app]["offered_bps"] for app in scenario.on_card(card))
            lines.append(f"{k - steps[0]} {now / 1e6:.3f} {was / 1e6:.3f} {float(row['bandwidth_bps']) / 1e6}")
        card_lines[card] = "$" + card + " << EOD\n" + "\n".join(lines) + "\nEOD\n"
    plots = []
    for card in scenario.cards:
        plots.append(f"set title '{card}: demand on it, Mbit/s'\nplot ${card} u 1:3 w l lc '#bbbbbb' lw 2 t 'static',"
                     f" '' u 1:2 w l lc '#1f77b4' lw 2 t 'adaptive', '' u 1:4 w l lc '#d62728' dt 2 t 'capacity'\n")
    for app, row in scenario.apps.items():
        plots.append(f"set title '{app} ({row['class']}), Mbit/s'\nplot ${app} u 1:4 w steps lc '#2ca02c' lw 2 t 'allocated',"
                     f" '' u 1:5 w steps lc '#bbbbbb' t 'static share', '' u 1:3 w l lc '#ff7f0e' dt 2 t 'forecast P90',"
                     f" '' u 1:2 w l lc '#1f77b4' lw 1.5 t 'demand'\n")
    script = ("set terminal svg size 1100,1000 font 'sans,11' background 'white'\nset output '" + result + "/run.svg'\n"
              + "".join(data) + "".join(card_lines.values())
              + "set multiplot layout 4,2\nset key top left horizontal samplen 2 font ',9'\nset yrange [0:*]\nset offsets 0,0,graph 0.25,0\n"
              + "set xtics 24\nset mxtics 4\nset grid x\nset xlabel 'hours (one a second)' offset 0,0.6\n" + "".join(plots) + "unset multiplot\n")
    with open(result + "/run.gnuplot", "w", encoding="utf-8") as f:
        f.write(script)
    subprocess.run(["gnuplot", result + "/run.gnuplot"], check=True)


# ---- what must hold ----

def checks(result, adaptive, static, steps, migrations):
    folder = adaptive.folder
    with open(folder + "/bus.txt", encoding="utf-8") as f:
        bus = f.read()
    balance = adaptive.balance()
    done = [m for m in migrations if m["step"] == "committed"]
    clean = [m for m in done if m["lost_pkts"] == 0 and m["reordered"] == 0]
    plan = adaptive.final["manager"]["plan"]
    applied = {line["apps"]["apps"][0]["generation"] for line in adaptive.samples.values() if line.get("apps")}
    yield "scores are on collectd's bus", "offload_forecast/offload_score-card" in bus and os.path.getsize(folder + "/score.txt") > 1
    yield f"plans are applied ({plan} so far, {len(applied)} generations seen at the cards)", plan > 0 and len(applied) > 1
    yield f"{len(done)} migrations, {len(clean)} of them with nothing lost and nothing reordered", len(clean) >= 1 and len(clean) == len(done)
    yield "no packet dropped by a migration", balance["drops"].get("migration", 0) == 0
    yield f"every packet accounted for (adaptive {balance['unaccounted']}, static {static.balance()['unaccounted']})", \
        balance["unaccounted"] == 0 and static.balance()["unaccounted"] == 0
    yield "both passes sent the same", abs(balance["sent"] - static.balance()["sent"]) <= 0.001 * balance["sent"]
    a, s = adaptive.breaches(steps), static.breaches(steps)
    yield f"fewer SLA violations than static ({a} against {s})", a < s


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    result, scenario = sys.argv[1], Scenario(sys.argv[2])
    first = scenario.meta["train_steps"]
    steps = range(first, first + scenario.meta["run_steps"] - 1)  # the last ends with the run and has no line after it
    names = [name for name in ("adaptive", "static", "lent") if os.path.exists(f"{result}/{name}/final.json")]
    passes = {name: Pass(f"{result}/{name}", scenario) for name in names}
    adaptive, static = passes["adaptive"], passes["static"]
    migrations = adaptive.migrations()
    way = load(result + "/static/static.json")["chosen"]

    print_apps(scenario, adaptive, static, steps, way)
    if "lent" in passes:
        day = range(first, first + scenario.meta["season_steps"])
        lent = passes["lent"]
        print(f"\n  The same static shares, but unused parts lent to the others, in a real pass over the first {len(day)} steps:"
              f" {lent.breaches(day)} violations, {lent.loss_pct(day):.2f} % lost (reserved: {static.breaches(day)},"
              f" {static.loss_pct(day):.2f} %; adaptive: {adaptive.breaches(day)}, {adaptive.loss_pct(day):.2f} %).")
    print_migrations(migrations)
    print_deciders(adaptive.folder)
    print("\n  Where the packets went:")
    for name, one in passes.items():
        print_balance(name, one.balance())
    write_values(result + "/values.csv", passes, steps)
    write_picture(result, scenario, adaptive, static, steps)
    print("\n  Checks:")
    good = True
    for text, holds in checks(result, adaptive, static, steps, migrations):
        print(f"    {'ok  ' if holds else 'FAIL'}  {text}")
        good = good and holds
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
