"""Repeats ADD and DEL, each time with a new container ID."""

import glob
import json
import os
import sys
import time

from plugin import STATE, netns, succeed


def open_files():
    """Open files of all other processes in this sandbox. The minimum of several samples, as some processes are about to end."""
    looks = []
    for _ in range(20):
        time.sleep(0.05)
        looks.append(open_files_now())
    return min(looks)


def open_files_now():
    count = 0
    for folder in glob.glob("/proc/[0-9]*/fd"):
        if folder != f"/proc/{os.getpid()}/fd":
            try:
                count += len(os.listdir(folder))
            except OSError:
                pass  # it has ended
    return count


def state_bytes():
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(STATE) for name in names)


def kibibytes(name):
    with open("/proc/meminfo", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))


def main(plan):
    times = []
    netns("add", "cycle")
    for number in range(plan["first"], plan["first"] + plan["runs"]):
        # IDs have the same length, so that the size of the state can be compared.
        both = [succeed(command, f"cycle{number:08}", namespace="cycle")[1] for command in ("ADD", "DEL")]
        times.append(round(sum(both), 2))
    netns("del", "cycle")
    with open("/proc/sys/fs/file-nr", encoding="utf-8") as file:
        system_files = int(file.read().split()[0])
    print(json.dumps({
        "times": times, "state": state_bytes(), "files": open_files(), "system files": system_files,
        "slab": kibibytes("Slab"), "unreclaimable slab": kibibytes("SUnreclaim"),
    }))


main(json.load(sys.stdin))
