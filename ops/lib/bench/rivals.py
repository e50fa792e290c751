"""Flatnet compared with other plugins, and with the bare commands that it runs."""

import os

from candidates import BARE, FLATNET, Floor, Netavark, configure, flatnet, make_namespaces, reference
from measure import Call, median, peak_kib, say, sh, timed
from report import table as compared
from turns import FIRST_OF_MANY, TURN, alternating, at_once, attach_many, in_turn

CONFLIST = """{"cniVersion": "1.0.0", "name": "flatnet", "plugins": [
  {"type": "flatnet", "config": "/etc/flatnet/flatnet.yaml", "capabilities": {"portMappings": true, "ips": true, "aliases": true}}
]}
"""


def set_up(count):
    configure("network: flatnet\nsubnet: 10.87.0.0/20\n")
    os.makedirs("/etc/cni/net.d", exist_ok=True)
    with open("/etc/cni/net.d/flatnet.conflist", "w", encoding="utf-8") as file:
        file.write(CONFLIST)
    sh(f"ln -sf {FLATNET} /opt/cni/bin/flatnet; flatnet up")
    make_namespaces(count)


def podman(raw, rounds):
    kinds = [("podman run on flatnet", "flatnet"), ("podman run without network", "none")]
    for turn in range(rounds):
        for name, network in in_turn(kinds, turn):
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


def measure(raw, sizes):
    set_up(FIRST_OF_MANY + max(sizes["present"], sizes["at_once"]))
    ours, theirs, netavark = flatnet(), reference(), Netavark()
    floor = Floor(ours)
    # Each has one container all the time, so that no bridge is added or removed while measuring.
    for number, candidate in enumerate((ours, theirs, netavark)):
        timed(candidate.add(number))
    floor.learn(TURN, timed)
    say(f"ADD and DEL, {sizes['rounds']} rounds of flatnet, reference, netavark, floor")
    alternating(raw, [ours, theirs, netavark, floor], sizes["rounds"], "", 1)
    say("VERSION, memory, podman run")
    versions(raw, ours, sizes["rounds"])
    peaks(raw, ours, min(sizes["rounds"], 10))
    podman(raw, sizes["rounds_podman"])
    say(f"{sizes['few']} at once, {sizes['rounds_few']} rounds of flatnet, reference")
    at_once(raw, [ours, theirs], sizes["rounds_few"], sizes["few"], 1, ", few at once")
    say(f"{sizes['at_once']} at once, {sizes['rounds_at_once']} rounds of flatnet, reference")
    at_once(raw, [ours, theirs], sizes["rounds_at_once"], sizes["at_once"], 1)
    say(f"attaching {sizes['present']} containers")
    attach_many(ours, sizes["present"])
    floor.learn(TURN, timed)
    say(f"ADD and DEL beside them, {sizes['rounds']} rounds of flatnet, floor")
    alternating(raw, [ours, floor], sizes["rounds"], ", many", sizes["present"])
    raw["flatnet peak, many"] = [peak_kib(BARE, ours.add(TURN)) / 1024]


def table(raw, sizes):
    peak = [f"Peak memory with {sizes['present']} attached: {median(value):.1f} MiB."
            for name, value in raw.items() if name == "flatnet peak, many"]
    return "\n\n".join([compared(raw, sizes), *peak])
