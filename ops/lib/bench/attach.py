"""Measures attaching and detaching containers. Started by ops/bench, in a sandbox, as root."""

import argparse
import sys

import designs
import many
import report
import rivals
import rootless
from candidates import Netavark
from measure import Failed, load, say

FULL = {"rounds": 40, "rounds_at_once": 5, "rounds_few": 20, "few": 8, "rounds_podman": 20, "at_once": 100, "present": 900, "flows": 200_000}
QUICK = {"rounds": 2, "rounds_at_once": 1, "rounds_few": 1, "few": 8, "rounds_podman": 2, "at_once": 10, "present": 20, "flows": 2_000}

# The parts of the benchmark; --only selects one.
PARTS = {"rivals": rivals, "old": designs, "many": many, "rootless": rootless}


def parse():
    parser = argparse.ArgumentParser(prog="ops/bench attach", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds, to see that all of it works")
    parser.add_argument("--rounds", type=int, help="rounds of ADD and DEL (40)")
    parser.add_argument("--cpu", action="store_true", help="print the processor time of each call as well")
    parser.add_argument("--old", action="store_true", help="another flatnet as well (ops/bench takes its path)")
    parser.add_argument("--many", type=int, default=0, metavar="N", help="N containers on one host: all answer")
    parser.add_argument("--rootless", action="store_true", help="`podman run` of a user without root as well")
    parser.add_argument("--only", choices=PARTS, help="this part alone; rivals is what is measured without an option")
    parser.add_argument("--save", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = (QUICK if options.quick else FULL) | {"many": options.many}
    if options.rounds:
        sizes["rounds"] = options.rounds
    parts = [options.only] if options.only else ["rivals"] + ["old"] * bool(options.old) + ["many"] * bool(options.many) + ["rootless"] * options.rootless
    return options, sizes, parts


def main():
    options, sizes, parts = parse()
    raw, failure = {}, None
    before = load()
    say(f"the machine: {before}")
    try:
        for part in parts:
            PARTS[part].measure(raw, sizes)
    except Failed as failed:
        failure = failed
    about = report.machine(Netavark().version) | {"before": before, "after": load()}
    report.save(options.save, raw, sizes, about)
    print("; ".join(f"{key} {value}" for key, value in about.items()))
    for part in parts:
        print(f"\n{PARTS[part].table(raw, sizes)}")
    if options.cpu:
        print(f"\n{report.cpu_table(raw, sizes)}")
    if failure:
        # Earlier results are shown, because they took minutes; the exit status shows that some are missing.
        sys.exit(f"\nbench: not all was measured, since this failed:\n\n{failure}")


main()
