"""Load by wrk, and the CPU time that a server needed for it."""

import json
import os
import subprocess

from measure import Failed, sh
from web.network import BOX, GATEWAY, cores
from web.servers import DIRECTORY, HOST

SCRIPT = os.path.join(os.path.dirname(__file__), "wrk.lua")


def wrk(seconds, connections, port=80, host=HOST, path="/"):
    """Starts wrk; `finish` waits for it."""
    return subprocess.Popen(
        ["ip", "netns", "exec", "lan", "taskset", "--cpu-list", cores()[1], "wrk", "--threads", "1", "--timeout", "30s",
         "--connections", str(connections), "--duration", f"{seconds}s", "--latency", "--script", SCRIPT,
         "--header", f"Host: {host}", f"http://{GATEWAY}:{port}{path}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )


def finish(process):
    printed = process.communicate()[0]
    if process.returncode != 0:
        raise Failed(f"wrk ended with {process.returncode} and printed:\n{printed}")
    found = json.loads(printed.splitlines()[-1])
    if found["requests"] == 0:
        raise Failed(f"nothing was answered:\n{printed}")
    return found


def measured(server, seconds, connections):
    """Requests per second, latencies in milliseconds, microseconds of CPU per request."""
    before = server.cpu()
    found = finish(wrk(seconds, connections, server.port))
    used = server.cpu() - before
    if found["failed"]:
        raise Failed(f"{server.name}: {found['failed']} of {found['requests']} requests failed")
    return {
        "requests/s": found["requests"] / found["microseconds"] * 1e6,
        "p50": found["p50"] / 1000,
        "p99": found["p99"] / 1000,
        "cpu": used / found["requests"] * 1e6,
        "busy": used / found["microseconds"] * 1e6,
    }


def in_turns(raw, servers, rounds, seconds, connections):
    """Measures the servers in turns; each round begins with another one."""
    for server in servers:
        finish(wrk(1, connections, server.port))
    for turn in range(rounds):
        first = turn % len(servers)
        for server in servers[first:] + servers[:first]:
            for what, value in measured(server, seconds, connections).items():
                raw.setdefault(f"{server.name} {what}, {connections}", []).append(value)


def endpoint(port=3000, address=BOX):
    return {"container": "web", "id": "0123456789ab", "address": address, "port": port, "state": "running",
            "since": "2026-11-01T00:00:00Z"}


def route(name, hosts, **changes):
    return {"name": name, "hosts": hosts, "path": "/", "strip": False, "scheme": "http", "stream": False, "hold": 10,
            "health": None, "endpoints": [endpoint()]} | changes


class Routes:
    """Writes the gateway's routes table."""

    def __init__(self):
        self.generation = 0

    def publish(self, routes):
        self.generation += 1
        document = {
            "version": 1, "generation": self.generation, "written": "2026-11-23T12:00:00Z",
            "host": {"name": "bench", "network": "flatnet", "subnet": "10.87.1.0/24"},
            "routes": routes, "unrouted": [], "end": self.generation,
        }
        path = f"{DIRECTORY}/state/routes.json"
        with open(f"{path}.next", "w", encoding="utf-8") as file:
            json.dump(document, file)
        os.rename(f"{path}.next", path)

    @staticmethod
    def remove():
        sh(f"rm -f {DIRECTORY}/state/routes*.json")
