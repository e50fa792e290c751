"""Restarts and removes containers: reads {"seconds", "seed", "held": [name], "gone": name, "run": {name: command}}.

Stops, kills or restarts one of `held` at a time, and starts it again soon. Removes `gone` and creates it again. Prints the
number of each.
"""

import json
import random
import subprocess
import sys
import time

plan = json.load(sys.stdin)
chance = random.Random(plan["seed"])
counts = {"restarts": 0, "stops": 0, "kills": 0, "removals": 0}


def podman(*arguments):
    subprocess.run(["podman", *arguments], check=True, stdout=subprocess.DEVNULL)


def restart(name):
    podman("restart", "-t", "0", name)


def stop(name):
    podman("stop", "-t", "0", name)
    time.sleep(chance.uniform(0, 2))
    podman("start", name)


def kill(name):
    podman("kill", name)
    time.sleep(chance.uniform(0, 1))
    # Podman notices the exit a moment later.
    podman("wait", name)
    podman("start", name)


def remove(name):
    podman("rm", "-f", "-t", "0", name)
    time.sleep(chance.uniform(0, 1))
    subprocess.run(plan["run"][name], shell=True, check=True, stdout=subprocess.DEVNULL)


end = time.monotonic() + plan["seconds"]
while time.monotonic() < end:
    kind, act = chance.choice([("restarts", restart), ("stops", stop), ("kills", kill), ("removals", remove)])
    act(plan["gone"] if kind == "removals" else chance.choice(plan["held"]))
    counts[kind] += 1
    time.sleep(chance.uniform(0.2, 1))
print(json.dumps(counts))
