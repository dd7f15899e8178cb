#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Agents on scenarios over several training seeds, as a table for doc/benchmarks.md.
#   tests/bench/agents.py OFFLOADCTL SCENARIO_DIR... [--seeds N] [--generated N] [--keep DIR]
# Learning agents are trained anew for each seed, on generated fleets alone; the others know no seed.
import argparse
import json
import os
import statistics
import subprocess
import tempfile

LEARNING = ["dqn", "q_learning"]
OTHERS = ["newsvendor", "proportional", "drf", "reactive", "static"]
FIGURES = ["violation_pct", "loss_pct", "violation_pct_gold", "changes_per_app_hour", "moves_per_app_day"]


def simulate(ctl, scenario, agent, checkpoint=None):
    words = [ctl, "simulate", "--scenario", scenario, "--agent", agent, "--json"]
    if checkpoint:
        words += ["--checkpoint", checkpoint]
    return json.loads(subprocess.run(words, check=True, capture_output=True).stdout)


def train(ctl, agent, seed, generated, folder):
    path = os.path.join(folder, f"{agent}-{seed}.checkpoint")
    if not os.path.exists(path) or os.path.exists(path + ".progress"):
        subprocess.run([ctl, "train", "agent", agent, "--seed", str(seed), "--generated", str(generated),
                        "--out", path], check=True, stdout=subprocess.DEVNULL)
    return path


def cell(values):
    mean = statistics.fmean(values)
    return f"{mean:.2f}" if len(values) == 1 else f"{mean:.2f} ± {statistics.stdev(values):.2f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("offloadctl")
    parser.add_argument("scenario", nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--generated", type=int, default=12)
    parser.add_argument("--keep", help="folder for the checkpoints; those that are there are used")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or scratch
        paths = {agent: [train(args.offloadctl, agent, seed, args.generated, folder)
                         for seed in range(1, args.seeds + 1)] for agent in LEARNING}
        print("| scenario | agent | violation | loss | gold violation | changes/app-hour | moves/app-day |")
        print("|---|---|---|---|---|---|---|")
        for scenario in args.scenario:
            for agent in LEARNING + OTHERS:
                runs = [simulate(args.offloadctl, scenario, agent, path) for path in paths.get(agent, [None])]
                assert all(run["infeasible_card_steps"] == 0 for run in runs)
                cells = [cell([run[figure] for run in runs]) for figure in FIGURES]
                print(f"| {os.path.basename(scenario.rstrip('/'))} | {agent} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
