"""Measures the resolver. Started by ops/bench, in a sandbox, as root."""

import argparse

import report
from measure import say
from names import attaching, servers, table
from names.load import measured
from names.network import set_up
from names.registering import register
from turns import in_turn

FULL = {"rounds": 12, "seconds": 2, "names": 900, "registered": 300, "rounds_attach": 40, "present": 900}
QUICK = {"rounds": 1, "seconds": 1, "names": 20, "registered": 5, "rounds_attach": 2, "present": 20}


def ask(raw, running, sizes):
    say(f"questions, {sizes['rounds']} rounds of {', '.join(server.name for server in running)}")
    for turn in range(sizes["rounds"]):
        for server in in_turn(running, turn):
            for what, value in measured(server, sizes["seconds"]).items():
                raw.setdefault(f"{server.name} {what}", []).append(value)
    for server in running:
        raw[f"{server.name} memory"] = [server.memory()]


def add_names(raw, running, sizes):
    say(f"{sizes['registered']} names, each asked for at once")
    for turn in range(sizes["registered"]):
        for server in in_turn(running, turn):
            register(raw, server, sizes["names"] + turn)


def measure(raw, sizes):
    set_up()
    running = [server(sizes["names"]) for server in servers.ALL]
    ask(raw, running, sizes)
    add_names(raw, running, sizes)
    say(f"ADD and DEL, {sizes['rounds_attach']} rounds with names and without, alone and beside {sizes['present']} containers")
    attaching.measure(raw, sizes)


def about():
    return report.system() | {name: report.first_line(*argv).split(" Copyright")[0].split()[-1]
                              for name, argv in servers.VERSIONS.items()}


def main():
    parser = argparse.ArgumentParser(prog="ops/bench names", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, to see that all of it works")
    parser.add_argument("--rounds", type=int, help="rounds of questions (12)")
    parser.add_argument("--save", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = dict(QUICK if options.quick else FULL)
    if options.rounds:
        sizes["rounds"] = options.rounds
    raw = {}
    report.measure_and_save(lambda: measure(raw, sizes), options.save, raw, sizes, about)
    print(table.servers(raw) + "\n")
    print(table.goals(raw, sizes))


main()
