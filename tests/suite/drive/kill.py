"""Kills ADD and DEL with SIGKILL at random moments, and then calls DEL as a runtime does.

Alternates between ADD and DEL, between the process alone and its process group, and between keeping and deleting the
namespace before DEL. Each container has a new ID, so that a leftover is not removed by the next call.
"""

import json
import os
import random
import signal
import statistics
import sys
import time

from plugin import call, look, netns, publish, start, succeed


def typical(container):
    """The current durations of ADD and DEL, in seconds."""
    netns("add", container)
    times = {"ADD": [], "DEL": []}
    for _ in range(5):
        for command, taken in times.items():
            taken.append(succeed(command, container)[1] / 1000)
    netns("del", container)
    return {command: statistics.median(taken) for command, taken in times.items()}


def kill(command, container, conf, tree, after):
    """Kills the call; returns whether it was still running."""
    process = start(command, container, conf, start_new_session=True)
    time.sleep(after)
    # The process ID is not reused before wait().
    (os.killpg if tree else os.kill)(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.stderr.close()
    return process.wait() == -signal.SIGKILL


def one(number, takes, times):
    command, tree, gone = ("ADD", "DEL")[number & 1], bool(number & 2), bool(number & 4)
    container, conf = f"kill{number}", publish(8080) if number % 3 == 0 else {}
    netns("add", container)
    if command == "DEL":
        succeed("ADD", container, conf)
    after = random.uniform(0, takes[command] * 1.15)
    killed = kill(command, container, conf, tree, after)
    if gone:
        netns("del", container)
    status, said, milliseconds = call("DEL", container, conf)
    times.append(round(milliseconds, 2))
    if not gone:
        netns("del", container)
    what = f"{command} killed after {after * 1000:.2f} ms, tree {tree}, namespace gone {gone}, killed {killed}"
    return command, killed, f"{container}: {what}; DEL: status {status} {said}", status != 0 or bool(said)


def main(plan):
    random.seed(plan["seed"])
    takes, before, times, wrong = typical("typical"), look(), [], []
    killed = {"ADD": 0, "DEL": 0}
    for number in range(plan["first"], plan["first"] + plan["runs"]):
        command, was_killed, what, failed = one(number, takes, times)
        killed[command] += was_killed
        after = look()
        if failed or after != before:
            wrong.append(f"{what}; left behind: {sorted(after - before)}, missing: {sorted(before - after)}")
            before = after
    print(json.dumps({"killed": killed, "times": times, "wrong": wrong}))


main(json.load(sys.stdin))
