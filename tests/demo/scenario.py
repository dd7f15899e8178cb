#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the demonstration makes out of a scenario folder (tests/data/commute).

usage: scenario.py static  FOLDER             the shares of the static pass, and why, as JSON
       scenario.py apps    FOLDER SHARES      cardd.json's "apps"; SHARES: a file that 'static' wrote, or equal
       scenario.py intents FOLDER             flowd's intents, as JSON
       scenario.py manager FOLDER             offload_manager's <Card> and <Application> blocks
       scenario.py history FOLDER DIR HOST T  RRD files of the days before the run, which begins at T (epoch)
       scenario.py figure  FOLDER NAME        one number of scenario.json, or first_step, send_steps, manager_step_s, burst_bytes

A share is what an application gets of its card. 'static' weighs the two ways in which shares are set today, equal parts and
parts by each application's highest demand, by the card model: what exceeds a reserved share is lost.
"""
import csv
import json
import os
import subprocess
import sys

CLIENT = "10.9.0.1"
MEMORY_BYTES = 2 << 20  # of packet buffers and tables, for each application
EXTERNAL_NAT = "external"


# Of the manager, unless the scenario's pass.json says otherwise.
MANAGER_KEYS = {"MigrationCooldownS": 12, "MigrateAbovePct": 105, "MigrateBelowPct": 145}


class Scenario:
    def __init__(self, folder):
        self.folder = folder
        self.meta = self._json("scenario.json")
        self.how = {"step_s": 1, "burst_bytes": 0, "manager": MANAGER_KEYS}
        if os.path.exists(os.path.join(folder, "pass.json")):
            self.how.update(self._json("pass.json"))
        self.functions = self._json("functions.json")
        self.cards = {row["card"]: row for row in self._rows("cards.csv")}
        self.apps = {row["app"]: row for row in self._rows("apps.csv")}
        self.traffic = {row["app"]: row for row in self._rows("traffic.csv")}
        self.demand = {app: [] for app in self.apps}
        for row in self._rows("demand.csv"):
            self.demand[row["app"]].append(float(row["offered_bps"]))

    def _rows(self, name):
        with open(os.path.join(self.folder, name), newline="", encoding="utf-8") as f:
            return list(csv.DictReader(f))

    def _json(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as f:
            return json.load(f)

    @property
    def lead_step(self):
        """The first step that is sent; from train_steps on it counts."""
        return self.meta["train_steps"] - self.meta["lead_steps"]

    def carried(self, app, step):
        """Mean bit/s of a step as the sender ramps it (trace_rate in tests/traffic/trace.c)."""
        v = self.demand[app]
        return (v[max(step - 1, 0)] + 6 * v[step] + v[min(step + 1, len(v) - 1)]) / 8

    def on_card(self, card):
        return [app for app in self.apps if self.apps[app]["card"] == card]


def share_out(scenario, weights):
    """Shares in bit/s: each card's bandwidth in proportion to its applications' weights."""
    shares = {}
    for card, row in scenario.cards.items():
        total = sum(weights[app] for app in scenario.on_card(card))
        for app in scenario.on_card(card):
            shares[app] = int(float(row["bandwidth_bps"]) * weights[app] / total)
    return shares


def breaches(scenario, shares, steps):
    """Steps in which an application would lose more than its limit allows."""
    n = 0
    for app, row in scenario.apps.items():
        for step in steps:
            offered = scenario.carried(app, step)
            n += max(0.0, offered - shares[app]) > float(row["max_loss"]) * offered
    return n


def static_shares(scenario):
    """Decided on history alone, as an operator would."""
    history = range(scenario.lead_step)
    peaks = {app: max(scenario.demand[app][k] for k in history) for app in scenario.apps}
    ways = {"equal": share_out(scenario, {app: 1 for app in scenario.apps}), "peaks": share_out(scenario, peaks)}
    cost = {way: breaches(scenario, shares, history) for way, shares in ways.items()}
    chosen = min(cost, key=cost.get)
    return {"chosen": chosen, "breaches_in_history": cost, "shares": ways[chosen]}


def match_of(scenario, app):
    row = scenario.traffic[app]
    return [{"src": CLIENT, "dst": row["dst"], "proto": "udp", "dport": int(row["dport"])}]


def cardd_apps(scenario, shares, sharing):
    apps = []
    for app, row in scenario.apps.items():
        card = scenario.cards[row["card"]]
        part = shares[app] / float(card["bandwidth_bps"])
        apps.append({
            "app": app, "card": row["card"], "match": match_of(scenario, app), "chain": scenario.functions[app],
            "sla": {"class": row["class"], "min_bps": 0, "max_bps": int(card["bandwidth_bps"]),
                    "max_delay_ns": int(float(row["max_delay_ms"]) * 1e6), "max_loss_frac": float(row["max_loss"]),
                    "on_card_down": "closed"},
            "allocation": {"cpu_pct": int(part * 1000) / 10, "bandwidth_bps": shares[app],
                           "ceiling_bps": shares[app] if sharing == "reserved" else int(card["bandwidth_bps"]),
                           "memory_bytes": MEMORY_BYTES, "sharing": sharing},
        })
    return apps


def intents(scenario):
    numbers = {card: i for i, card in enumerate(scenario.cards)}
    out = []
    for app, row in scenario.apps.items():
        n = numbers[row["card"]]
        intent = {"app": app, "match": match_of(scenario, app), "in_port": "w1", "out_port": "w2",
                  "card_port": f"c{n}in", "card_port_out": f"c{n}out", "on_card_down": "closed"}
        nat = [fn["params"][EXTERNAL_NAT] for fn in scenario.functions[app] if EXTERNAL_NAT in fn["params"]]
        if nat:
            intent["return_dst"] = nat
        out.append(intent)
    return out


def collectd_block(name, label, keys, indent):
    """A block of collectd.conf; lists of objects become blocks of the singular name (rules: <Rule>)."""
    head = f'{indent}<{name}' + (f' "{label}"' if label else "") + ">"
    lines = [head]
    for key, value in keys.items():
        camel = "".join(word.capitalize() for word in key.split("_"))
        if isinstance(value, list):
            lines += [collectd_block(camel.removesuffix("s"), "", one, indent + "  ") for one in value]
        elif isinstance(value, str):
            lines.append(f'{indent}  {camel} "{value}"')
        else:
            lines.append(f"{indent}  {camel} {value}")
    return "\n".join([*lines, f"{indent}</{name}>"])


def manager_blocks(scenario, run, host, sharing):
    out = [f"  {key} {value}" for key, value in scenario.how["manager"].items()]
    for n, card in enumerate(scenario.cards):
        out.append(collectd_block("Card", card, {"socket": run + "/cardd.sock", "server": host, "inside_port": f"c{n}in",
                                                 "outside_port": f"c{n}out"}, "  "))
    for app, intent in zip(scenario.apps, intents(scenario)):
        row = scenario.apps[app]
        keys = {"card": row["card"], "class": row["class"], "max_delay_ms": float(row["max_delay_ms"]), "max_loss": float(row["max_loss"]),
                "in_port": intent["in_port"], "out_port": intent["out_port"], "sharing": sharing}
        if scenario.how["burst_bytes"]:
            keys["burst_bytes"] = scenario.how["burst_bytes"]
        if "return_dst" in intent:
            keys["return_dst"] = intent["return_dst"][0]
        inner = [collectd_block("Match", "", match, "    ") for match in intent["match"]]
        inner += [collectd_block("Function", fn["fn"], fn["params"], "    ") if fn["params"] else f'    Function "{fn["fn"]}"'
                  for fn in scenario.functions[app]]
        lines = collectd_block("Application", app, keys, "  ").split("\n")
        out.append("\n".join([*lines[:-1], *inner, lines[-1]]))
    return "\n".join(out)


def rrd_create(path, start, sources):
    """As collectd's rrdtool plugin lays a file out with StepSize 1, HeartBeat 2 and its own archives: 1200 rows for each
    time span of an hour, a day, a week, a month, a year; average, least, most."""
    archives = []
    for span in (3600, 86400, 604800, 2678400, 31622400):
        each = max(1, span // 1200) if span != 3600 else 1
        for kind in ("AVERAGE", "MIN", "MAX"):
            archives.append(f"RRA:{kind}:0.1:{each}:{-(-span // each)}")
    subprocess.run(["rrdtool", "create", path, "--start", str(start), "--step", "1",
                    *[f"DS:{name}:GAUGE:2:0:U" for name in sources], *archives], check=True)


def write_history(scenario, folder, host, begin):
    shares = share_out(scenario, {app: 1 for app in scenario.apps})
    n = scenario.lead_step
    for card in scenario.cards:
        lines = [[0.0, 0.0, 0.0] for _ in range(n)]
        os.makedirs(f"{folder}/{host}/offload_card-{card}", exist_ok=True)
        for app in [*scenario.on_card(card), "card"]:
            path = f"{folder}/{host}/offload_card-{card}/offload_bandwidth-{app}.rrd"
            rows = lines
            if app != "card":
                rows = [(v, min(v, shares[app]), shares[app]) for v in (scenario.carried(app, k) for k in range(n))]
                lines = [[a + b for a, b in zip(line, row)] for line, row in zip(lines, rows)]
            rrd_create(path, begin - n, ("offered", "used", "allocated"))
            subprocess.run(["rrdtool", "update", path,
                            *[f"{begin - n + k + 1}:{a:.0f}:{b:.0f}:{c:.0f}" for k, (a, b, c) in enumerate(rows)]], check=True)


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("static", "apps", "intents", "manager", "history", "figure"):
        sys.exit(__doc__)
    verb, scenario = sys.argv[1], Scenario(sys.argv[2])
    if verb == "static":
        print(json.dumps(static_shares(scenario)))
    elif verb == "apps":
        shares = share_out(scenario, {app: 1 for app in scenario.apps})
        if sys.argv[3] != "equal":
            with open(sys.argv[3], encoding="utf-8") as f:
                shares = json.load(f)["shares"]
        print(json.dumps(cardd_apps(scenario, shares, sys.argv[4] if len(sys.argv) > 4 else "reserved")))
    elif verb == "intents":
        print(json.dumps(intents(scenario)))
    elif verb == "manager":
        print(manager_blocks(scenario, os.environ["RUN"], os.environ["HOST"], os.environ.get("DEMO_SHARING", "reserved")))
    elif verb == "history":
        write_history(scenario, sys.argv[3], sys.argv[4], int(sys.argv[5]))
    else:
        figures = dict(scenario.meta, first_step=scenario.lead_step, manager_step_s=scenario.how["step_s"], burst_bytes=scenario.how["burst_bytes"],
                       send_steps=scenario.meta["lead_steps"] + scenario.meta["run_steps"])
        print(figures[sys.argv[3]])


if __name__ == "__main__":
    main()
