"""Measures attaching and detaching containers. Started by ops/bench, in a sandbox, as root."""

import argparse
import os
import sys

import report
from candidates import BARE, FLATNET, INPUTS, Floor, Netavark, flatnet, make_namespaces, reference
from measure import Call, Failed, median, peak_kib, sh, timed, timed_at_once

# One container of each candidate stays attached all the time: numbers 0 to 2. With number 3 they take turns.
TURN = 3
FIRST_OF_MANY = 4

CONFIG = "network: flatnet\nsubnet: 10.87.0.0/20\n"
CONFLIST = """{"cniVersion": "1.0.0", "name": "flatnet", "plugins": [
  {"type": "flatnet", "config": "/etc/flatnet/flatnet.yaml", "capabilities": {"portMappings": true, "ips": true, "aliases": true}}
]}
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


def set_up(count):
    os.makedirs(INPUTS, exist_ok=True)
    os.makedirs("/etc/flatnet", exist_ok=True)
    for path, text in (("/etc/flatnet/flatnet.yaml", CONFIG), ("/etc/cni/net.d/flatnet.conflist", CONFLIST)):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    sh(f"ln -sf {FLATNET} /opt/cni/bin/flatnet; flatnet up")
    make_namespaces(count)


def expect(candidate, count):
    """That the job was done is looked up in the kernel: a fast failure is no result."""
    found = candidate.attached()
    if found != count:
        raise Failed(f"{candidate.name} has {found} containers attached, not {count}")


def alternating(raw, candidates, rounds, suffix, present):
    """ADD and DEL of one container, each candidate in its turn; who is first changes with each round."""
    for turn in range(rounds):
        first = turn % len(candidates)
        for candidate in candidates[first:] + candidates[:first]:
            before = present.get(candidate.name, 0)
            raw.setdefault(f"{candidate.name} add{suffix}", []).append(timed(candidate.add(TURN)))
            expect(candidate, before + 1)
            raw.setdefault(f"{candidate.name} delete{suffix}", []).append(timed(candidate.delete(TURN)))
            expect(candidate, before)


def at_once(raw, candidates, rounds, count, present):
    numbers = range(FIRST_OF_MANY, FIRST_OF_MANY + count)
    for turn in range(rounds):
        for candidate in candidates if turn % 2 == 0 else candidates[::-1]:
            before = present.get(candidate.name, 0)
            add = timed_at_once([candidate.add(number) for number in numbers])
            expect(candidate, before + count)
            delete = timed_at_once([candidate.delete(number) for number in numbers])
            expect(candidate, before)
            raw.setdefault(f"{candidate.name} add, at once", []).append(add)
            raw.setdefault(f"{candidate.name} delete, at once", []).append(delete)


def podman(raw, rounds):
    for turn in range(rounds):
        kinds = [("podman run on flatnet", "flatnet"), ("podman run without network", "none")]
        for name, network in kinds if turn % 2 == 0 else kinds[::-1]:
            argv = ["/usr/bin/podman", "run", "--rm", "--network", network, "flatnet-test/busybox", "true"]
            raw.setdefault(name, []).append(timed(Call(argv, {"HOME": "/root"})))


def versions(raw, candidate, rounds):
    for _ in range(rounds):
        raw.setdefault("flatnet version", []).append(timed(candidate.call("VERSION", TURN)))
        raw.setdefault("true", []).append(timed(Call(["/usr/bin/true"])))


def peaks(raw, candidate, rounds):
    for _ in range(rounds):
        raw.setdefault("flatnet peak", []).append(peak_kib(BARE, candidate.add(TURN)) / 1024)
        timed(candidate.delete(TURN))


def measure(raw, sizes, netavark):
    ours, theirs = flatnet(), reference()
    floor = Floor(ours)
    # Each has one container all the time: nobody makes or removes a bridge while it is measured.
    for number, candidate in enumerate((ours, theirs, netavark)):
        timed(candidate.add(number))
    floor.learn(TURN, timed)
    present = {"flatnet": 1, "floor": 1, "reference": 1, "netavark": 1}
    say(f"ADD and DEL, {sizes['rounds']} rounds of flatnet, reference, netavark, floor")
    alternating(raw, [ours, theirs, netavark, floor], sizes["rounds"], "", present)
    say("VERSION, memory, podman run")
    versions(raw, ours, sizes["rounds"])
    peaks(raw, ours, min(sizes["rounds"], 10))
    podman(raw, sizes["rounds_podman"])
    say(f"{sizes['at_once']} at once, {sizes['rounds_at_once']} rounds of flatnet, reference")
    at_once(raw, [ours, theirs], sizes["rounds_at_once"], sizes["at_once"], present)
    say(f"attaching {sizes['present']} containers")
    for number in range(FIRST_OF_MANY, FIRST_OF_MANY + sizes["present"] - 1):
        # Not timed: no rest between them.
        call = ours.add(number)
        call.refuse(os.waitpid(call.start(), 0)[1])
    present = {"flatnet": sizes["present"], "floor": sizes["present"]}
    floor.learn(TURN, timed)
    say(f"ADD and DEL beside them, {sizes['rounds']} rounds of flatnet, floor")
    alternating(raw, [ours, floor], sizes["rounds"], ", many", present)
    raw["flatnet peak, many"] = [peak_kib(BARE, ours.add(TURN)) / 1024]


def main():
    parser = argparse.ArgumentParser(prog="ops/bench attach", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds, to see that all of it works")
    parser.add_argument("--rounds", type=int, default=40, help="rounds of ADD and DEL (40)")
    parser.add_argument("--save", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = {"rounds": options.rounds, "rounds_at_once": 5, "rounds_podman": 20, "at_once": 100, "present": 900}
    if options.quick:
        sizes = {"rounds": 2, "rounds_at_once": 1, "rounds_podman": 2, "at_once": 10, "present": 20}
    raw, failure = {}, None
    try:
        set_up(FIRST_OF_MANY + max(sizes["present"], sizes["at_once"]))
        netavark = Netavark()
        measure(raw, sizes, netavark)
    except Failed as failed:
        failure = failed
    if raw:
        about = report.machine(netavark.version)
        report.save(options.save, raw, sizes, about)
        print("; ".join(f"{key} {value}" for key, value in about.items()) + "\n")
        print(report.table(raw, sizes))
    if failure:
        # What came before it is shown, since it took minutes; the exit status says that it is not all.
        sys.exit(f"\nbench: not all was measured, since this failed:\n\n{failure}")
    print(f"\nPeak memory with {sizes['present']} attached: {median(raw['flatnet peak, many']):.1f} MiB.")


main()
