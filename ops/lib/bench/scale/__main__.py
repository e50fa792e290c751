"""Measures what grows with the number of hosts, with real Nebula on each. Started by ops/bench, in a sandbox, as root."""

import argparse
import json
import os
import subprocess
import sys
import time

import report
from measure import Failed, median, say

SIZES = (3, 30, 254)
HERE = os.path.dirname(os.path.abspath(__file__))
HOST = "/hosts/h1"
# What host 1's watch prints.
WATCH = "/tmp/watch"
# How long messages are counted, and how long hosts may take to know one another. Seconds.
WINDOW, PATIENCE = 20, 120
TICKS = os.sysconf("SC_CLK_TCK")


def run(*argv, may_fail=False):
    """The output of a step of hosts.sh. Through files, because programs that it starts go on and would keep pipes open."""
    with open("/tmp/out", "w+", encoding="utf-8") as out:
        script = [os.path.join(HERE, "hosts.sh"), *map(str, argv)]
        ended = subprocess.run(script, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
        out.seek(0)
        printed = out.read()
    if ended != 0 and not may_fail:
        raise Failed(f"{' '.join(script)} ended with {ended} and printed:\n{printed[-2000:]}")
    return printed


def pid_of(network, words):
    """The process in the network namespace whose command line begins with these words."""
    for pid in subprocess.check_output(["ip", "netns", "pids", network], text=True).split():
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            if file.read().replace("\0", " ").startswith(words):
                return pid
    raise Failed(f"no process in {network} begins with {words}")


def memory(pid):
    """Resident, without shared pages of files: MiB."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["RssAnon"].split()[0]) / 1024


def ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def traffic(network):
    shown = json.loads(subprocess.check_output(["ip", "-n", network, "-s", "-j", "link", "show", "eth0"]))[0]["stats64"]
    return {f"{way} {what}": shown[way][what] for way in ("rx", "tx") for what in ("packets", "bytes")}


def over_time(network, pids):
    """Packets and bytes a second, and percent of a processor of each process."""
    before, used, began = traffic(network), [ticks(pid) for pid in pids], time.monotonic()
    time.sleep(WINDOW)
    seconds = time.monotonic() - began
    rates = {what: (count - before[what]) / seconds for what, count in traffic(network).items()}
    return rates, [100 * (ticks(pid) - start) / TICKS / seconds for pid, start in zip(pids, used)]


def milliseconds(*argv, host="h1"):
    def once():
        began = time.monotonic()
        run("on", host, *argv, may_fail=True)
        return 1000 * (time.monotonic() - began)
    return median([once() for _ in range(3)])


def size(path):
    return os.path.getsize(path)


def wait_for_hosts(count):
    """Until host 1 has the routes of all others."""
    path, end = f"{HOST}/var/lib/flatnet/gateway/state/routes.json", time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with open(path, encoding="utf-8") as file:
                if len(json.load(file)["routes"]) >= 10 * (count - 1):
                    return size(path)
        except (FileNotFoundError, ValueError):
            pass
        time.sleep(0.5)
    with open(WATCH, encoding="utf-8") as file:
        raise Failed(f"host 1 did not get the routes of {count - 1} hosts in {PATIENCE} s; its watch printed:\n{file.read()[-2000:]}")


def quiet(count):
    """While hosts only tell the lighthouse where they are."""
    light = pid_of("l1", "nebula")
    time.sleep(10)
    rates, (busy,) = over_time("l1", [light])
    return {
        "lighthouse: packets in, a second": rates["rx packets"],
        "lighthouse: packets out, a second": rates["tx packets"],
        "lighthouse: bytes in and out, a second": rates["rx bytes"] + rates["tx bytes"],
        "lighthouse: percent of a processor": busy,
        "lighthouse: MiB": memory(light),
        "invitation: bytes": size(f"/tmp/h{count}.invitation"),
        "nebula.yml: bytes": size(f"{HOST}/etc/flatnet/overlay/nebula.yml"),
        "host 1: routes": len(run("on", "h1", "ip", "route").splitlines()),
        "host 1: rules of nft": sum(" counter " in line for line in run("on", "h1", "nft", "list", "ruleset").splitlines()),
        "host 1: Nebula, MiB": memory(pid_of("h1", "nebula")),
    }


def exchanging(count):
    """While host 1 has a tunnel to each other host, asks each for its routes, and is asked by each, every second."""
    with open(WATCH, "w", encoding="utf-8") as log, \
            subprocess.Popen([sys.executable, "-B", os.path.join(HERE, "tables.py"), str(count)], stdout=subprocess.PIPE) as others:
        others.stdout.readline()
        watch = subprocess.Popen([os.path.join(HERE, "hosts.sh"), "on", "h1", "flatnet", "gateway", "watch"],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        began = time.monotonic()
        try:
            table = wait_for_hosts(count)
            known = time.monotonic() - began
            time.sleep(10)
            pids = [pid_of("h1", "flatnet gateway watch"), pid_of("h1", "nebula"), pid_of("h1", "/usr/local/bin/flatnet dns")]
            _, busy = over_time("h1", pids)
            mib = [memory(pid) for pid in pids]
            times = {f"flatnet {' '.join(words)}: ms": milliseconds("flatnet", *words)
                     for words in (("overlay", "status"), ("up",), ("doctor",))}
        finally:
            watch.kill()
            watch.wait()
            others.kill()
    return {
        "routes.json, ten containers a host: bytes": table,
        "host 1 knows all routes after: s": known,
        "host 1, tunnels to all: watch, MiB": mib[0],
        "host 1, tunnels to all: watch, percent of a processor": busy[0],
        "host 1, tunnels to all: Nebula, MiB": mib[1],
        "host 1, tunnels to all: Nebula, percent of a processor": busy[1],
        "host 1, tunnels to all: resolver, MiB": mib[2],
        **times,
    }


def vxlan(count):
    run("peers", count)
    return {
        "VXLAN, peers.yaml: bytes": size("/hosts/v1/etc/flatnet/overlay/peers.yaml"),
        "VXLAN: routes": len(run("on", "v1", "ip", "route").splitlines()),
        "VXLAN: entries of forwarding": len(run("on", "v1", "bridge", "fdb", "show", "dev", "flatnet-ov0").splitlines()),
        "VXLAN, flatnet up: ms": milliseconds("flatnet", "up", host="v1"),
    }


def shown(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2g}" if value < 10 else f"{value:.0f}"


def table(raw, counts):
    lines = [{"what": "what", **{str(count): f"{count} hosts" for count in counts}}]
    for what in raw[str(counts[-1])]:
        lines.append({"what": what, **{str(count): shown(raw[str(count)][what]) for count in counts}})
    return report.markdown(lines)


def main():
    parser = argparse.ArgumentParser(prog="ops/bench overlay-scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 hosts, to see that all of it works")
    parser.add_argument("--save", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    counts, raw = SIZES[:1] if options.quick else SIZES, {}

    def measure():
        run("begin")
        there = 0
        for count in counts:
            say(f"{count} hosts")
            run("grow", there + 1, count)
            there = count
            raw[str(count)] = quiet(count) | exchanging(count) | vxlan(count)

    report.measure_and_save(measure, options.save, raw, {"hosts": counts},
                            lambda: report.system() | {"nebula": report.first_line("nebula", "-version").split()[-1]})
    print(table(raw, counts))


main()
