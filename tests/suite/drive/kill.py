"""SIGKILL of ADD and of DEL at random moments, and the runtime's DEL at once after it.

By turns ADD or DEL is killed, alone or with all that it started, and its namespace stays or goes before the DEL. Each
container has an ID of its own, so that what one leaves behind is not taken away by the next.
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
    """How long ADD and DEL take here and now, in seconds."""
    netns("add", container)
    times = {"ADD": [], "DEL": []}
    for _ in range(5):
        for command, taken in times.items():
            taken.append(succeed(command, container)[1] / 1000)
    netns("del", container)
    return {command: statistics.median(taken) for command, taken in times.items()}


def kill(command, container, conf, tree, after):
    """Whether it was killed before it ended."""
    process = start(command, container, conf, start_new_session=True)
    time.sleep(after)
    # Until it is waited for, its ID is nobody else's.
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
