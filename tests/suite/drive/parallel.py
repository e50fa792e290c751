"""Calls ADD of many containers at once, then DEL: finds errors, and addresses that were assigned twice."""

import json
import sys
import time

from plugin import address, call, netns, start


def at_once(command, containers, wrong):
    """The output of each call, and the milliseconds that all took together."""
    began = time.monotonic()
    processes = [(container, start(command, container)) for container in containers]
    answers = []
    for container, process in processes:
        stdout, stderr = process.communicate()
        if process.returncode or stderr:
            wrong.append(f"{command} of {container}: status {process.returncode}: {stdout}{stderr}")
        else:
            answers.append((container, stdout))
    return answers, round((time.monotonic() - began) * 1000)


def main(plan):
    containers, wrong = [f"c{number}" for number in range(plan["containers"])], []
    for container in containers:
        netns("add", container)
    added, add_time = at_once("ADD", containers, wrong)
    holders = {}
    for container, result in added:
        holders.setdefault(address(result), []).append(container)
    wrong += [f"{given} was given to {' and '.join(to)}" for given, to in holders.items() if len(to) > 1]
    for container, result in added[::10]:
        status, said, _ = call("CHECK", container, {"prevResult": json.loads(result)})
        if status:
            wrong.append(f"CHECK of {container}: {said}")
    _, del_time = at_once("DEL", containers, wrong)
    for container in containers:
        netns("del", container)
    print(json.dumps({"wrong": wrong, "add": add_time, "del": del_time}))


main(json.load(sys.stdin))
