"""Measures processes: reads {"seconds", "nginx": pid, "watch": pid, "metrics": URL}, prints one sample a second.

Of nginx (master and workers) and `flatnet gateway watch`: memory in KiB, and descriptors. Of each nginx worker: memory of
Lua. Counts anonymous pages in full, not proportionally like PSS: until exec, a new child shares all pages of its parent.
"""

import json
import os
import re
import sys
import time
import urllib.request

plan = json.load(sys.stdin)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
        return file.read().split()


def memory(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return sum(map(int, re.findall(r"^(?:Anonymous|Pss_Shmem): +(\d+) kB", file.read(), re.M)))


def weigh(name, pids):
    return {f"{name} KiB": sum(map(memory, pids)), f"{name} descriptors": sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)}


def lua():
    """Each worker reports its own memory, so this asks until all have answered."""
    found = {}
    for _ in range(20):
        with urllib.request.urlopen(plan["metrics"], timeout=10) as answer:
            found.update(re.findall(r'^flatnet_lua_bytes\{worker="(\d+)"\} (\d+)', answer.read().decode(), re.M))
    return {f"Lua {worker} KiB": int(size) // 1024 for worker, size in found.items()}


samples = []
end = time.monotonic() + plan["seconds"]
while time.monotonic() < end:
    nginx = [plan["nginx"], *children(plan["nginx"])]
    samples.append(weigh("nginx", nginx) | weigh("watch", [plan["watch"]]) | lua())
    time.sleep(1)
print(json.dumps(samples))
