"""One figure of one candidate: by iperf3, wrk or ping, from one of the three sides."""

import json
import os
import re
import subprocess

import web
from flows import flush
from measure import Failed
from web.network import cores

WRK = os.path.join(os.path.dirname(web.__file__), "wrk.lua")
CONNECTIONS = 16
# A program that takes longer hangs. Seconds.
LONGEST = 30


def run(way, path, argv):
    """Runs a client with an empty conntrack table, on another core than the server's, with a time limit."""
    argv = [*way.enter(path), "taskset", "--cpu-list", cores()[1], *argv]
    with way.host:
        flush()
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=LONGEST)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{way.name}, {path}: {' '.join(argv)}\n  did not end in {LONGEST} s") from late
    if done.returncode != 0:
        raise Failed(f"{way.name}, {path}: {' '.join(argv)}\n  ended with {done.returncode} and printed:\n{done.stdout}{done.stderr}")
    return done.stdout


def iperf3(way, path, sizes, *options):
    argv = ["iperf3", "--client", way.target(path), "--json", "--connect-timeout", "3000", *sizes["iperf3"], *options]
    return json.loads(run(way, path, argv))["end"]


def tcp(way, path, sizes):
    """Received Gbit/s."""
    return iperf3(way, path, sizes)["sum_received"]["bits_per_second"] / 1e9


def udp(way, path, sizes):
    """Received Gbit/s of datagrams that fit a frame, sent as fast as one core can."""
    found = iperf3(way, path, sizes, "--udp", "--bitrate", "0", "--length", "1400")["sum"]
    return (found["packets"] - found["lost_packets"]) * 1400 * 8 / found["seconds"] / 1e9


def wrk(way, path, sizes, *options):
    """wrk accepts only whole seconds, but prints its results when interrupted."""
    argv = ["timeout", "--preserve-status", "--signal", "INT", str(sizes["wrk"]),
            "wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", "1m", "--timeout", "10s", "--script", WRK,
            *options, f"http://{way.target(path)}/"]
    found = json.loads(run(way, path, argv).splitlines()[-1])
    if found["failed"] or not found["requests"]:
        raise Failed(f"{way.name}, {path}: {found['failed']} of {found['requests']} requests failed")
    return found["requests"] / found["microseconds"] * 1e6


def requests(way, path, sizes):
    """GETs of 1 KiB per second over connections that stay open."""
    return wrk(way, path, sizes)


def connections(way, path, sizes):
    """GETs of 1 KiB per second, each over a new connection."""
    return wrk(way, path, sizes, "--header", "Connection: close")


def ping(way, path, sizes):
    """Microseconds between echo requests; each is sent after the reply to the previous one."""
    printed = run(way, path, ["ping", "-q", "-f", "-c", str(sizes["pings"]), way.target(path)])
    sent, received, took = map(int, re.search(r"(\d+) packets transmitted, (\d+) received, .*time (\d+)ms", printed).groups())
    if received != sent:
        raise Failed(f"{way.name}, {path}: {sent - received} of {sent} pings were not answered")
    return took * 1000 / sent


MEASURES = {"tcp": tcp, "udp": udp, "requests": requests, "connections": connections, "ping": ping}
