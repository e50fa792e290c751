"""Measures traffic to a container. Started by ops/bench, in a sandbox, as root."""

import argparse
import sys

import report
from candidates import Netavark
from measure import Failed, say
from traffic.load import MEASURES
from traffic.servers import Servers
from traffic.table import table
from traffic.ways import PATHS, all_ways
from turns import in_turn

# iperf3's options, and wrk's duration in seconds
FULL = {"rounds": 10, "iperf3": ["--time", "1"], "wrk": 1, "pings": 20_000}
QUICK = {"rounds": 1, "iperf3": ["--bytes", "8M"], "wrk": 0.3, "pings": 500}

PROGRAMS = ("iperf3", "wrk", "nginx")


def measure(raw, sizes, has_old):
    ways = all_ways(has_old)
    servers = [Servers(way) for way in ways]
    say(f"{sizes['rounds']} rounds of {', '.join(way.name for way in ways)}")
    for turn in range(sizes["rounds"]):
        for path in PATHS:
            for name, figure in MEASURES.items():
                for way in in_turn(ways, turn):
                    raw.setdefault(f"{way.name} {path} {name}", []).append(figure(way, path, sizes))
    for running in servers:
        running.stop()


def parse():
    parser = argparse.ArgumentParser(prog="ops/bench traffic", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, to see that all of it works")
    parser.add_argument("--rounds", type=int, help="rounds (10)")
    parser.add_argument("--old", action="store_true", help="another flatnet as well (ops/bench takes its path)")
    parser.add_argument("--save", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = dict(QUICK if options.quick else FULL)
    if options.rounds:
        sizes["rounds"] = options.rounds
    return options, sizes


def main():
    options, sizes = parse()
    raw, failure = {}, None
    try:
        measure(raw, sizes, options.old)
    except Failed as failed:
        failure = failed
    versions = {name: report.first_line("dpkg-query", "-W", "-f", "${Version}", name) for name in PROGRAMS}
    about = report.machine(Netavark().version) | versions
    report.save(options.save, raw, sizes, about, "figures")
    if raw:
        print("; ".join(f"{key} {value}" for key, value in about.items()) + "\n")
        print(table(raw))
    if failure:
        # Earlier results are shown, because they took minutes; the exit status shows that some are missing.
        sys.exit(f"\nbench: not all was measured, since this failed:\n\n{failure}")


main()
