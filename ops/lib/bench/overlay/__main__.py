"""Measures traffic between containers of two hosts. Started by ops/bench, in a sandbox, as root."""

import argparse
import sys

import report
from measure import Failed, median, say
from overlay.ways import all_ways
from traffic.load import MEASURES
from traffic.servers import Servers
from traffic.table import MEASURES as TITLES
from turns import in_turn

# iperf3's options, and wrk's duration in seconds
FULL = {"rounds": 10, "iperf3": ["--time", "1"], "wrk": 1, "pings": 5000}
QUICK = {"rounds": 1, "iperf3": ["--bytes", "2M"], "wrk": 0.3, "pings": 200}

PROGRAMS = ("iperf3", "wrk", "nginx")
CANDIDATES = ("nebula", "vxlan")
# Datagrams of 1400 bytes do not fit an overlay's packets, so they would measure fragments.
LEFT_OUT = ("udp",)


def measure(raw, sizes):
    ways = all_ways()
    servers = [Servers(way) for way in ways]
    say(f"{sizes['rounds']} rounds of {', '.join(way.name for way in ways)}")
    for turn in range(sizes["rounds"]):
        for name, figure in MEASURES.items():
            if name not in LEFT_OUT:
                for way in in_turn(ways, turn):
                    raw.setdefault(f"{way.name} {name}", []).append(figure(way, "containers", sizes))
    for running in servers:
        running.stop()


def speed(raw, name, candidate):
    """As a part of plain veth's; of a time the inverse."""
    ours, theirs = (candidate, "plain") if name != "ping" else ("plain", candidate)
    return report.spread(report.ratios(raw, name, ours, theirs))


def table(raw):
    lines = [{"what": "what", "plain": "plain veth", **{name: f"{name} of it" for name in CANDIDATES}}]
    for name, (title, shown) in TITLES.items():
        if raw.get(f"plain {name}"):
            found = {"what": title, "plain": shown.format(median(raw[f"plain {name}"]))}
            lines.append(found | {candidate: speed(raw, name, candidate) for candidate in CANDIDATES})
    return report.markdown(lines)


def parse():
    parser = argparse.ArgumentParser(prog="ops/bench overlay", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, to see that all of it works")
    parser.add_argument("--rounds", type=int, help="rounds (10)")
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
        measure(raw, sizes)
    except Failed as failed:
        failure = failed
    versions = {name: report.first_line("dpkg-query", "-W", "-f", "${Version}", name) for name in PROGRAMS}
    about = report.machine("unused") | versions | {"nebula": report.first_line("nebula", "-version")}
    report.save(options.save, raw, sizes, about, "figures")
    if raw:
        print("; ".join(f"{key} {value}" for key, value in about.items()) + "\n")
        print(table(raw))
    if failure:
        sys.exit(f"\nbench: not all was measured, since this failed:\n\n{failure}")


main()
