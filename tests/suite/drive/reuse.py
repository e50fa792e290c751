"""An address passes from one container to the next, and is pinged at once from the host and from another container."""

import json
import subprocess
import sys

from plugin import netns, succeed

ADDRESS, PEER = "10.87.1.77", "10.87.1.78"


def ping(where):
    """The round-trip time of one ping in milliseconds; None if it was lost."""
    done = subprocess.run([*where, "ping", "-n", "-c1", "-W1", ADDRESS], capture_output=True, text=True, check=False)
    return float(done.stdout.split("time=")[1].split()[0]) if done.returncode == 0 else None


def attach(container, wanted):
    netns("add", container)
    succeed("ADD", container, {"runtimeConfig": {"ips": [wanted + "/24"]}})


def main(plan):
    attach("peer", PEER)
    askers = {"host": [], "container": ["ip", "netns", "exec", "peer"]}
    times = {asker: [] for asker in askers}
    for number in range(plan["runs"] + 1):
        container = f"reuse{number}"
        attach(container, ADDRESS)
        # The order alternates, because only the first ping meets leftovers of the last holder.
        for asker in sorted(askers, reverse=number % 2 == 0):
            took = ping(askers[asker])
            if number > 0:
                times[asker].append(took)
        succeed("DEL", container)
        netns("del", container)
    succeed("DEL", "peer")
    netns("del", "peer")
    print(json.dumps(times))


main(json.load(sys.stdin))
