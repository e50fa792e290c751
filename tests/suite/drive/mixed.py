"""ADD, CHECK and DEL of changing containers, together with all commands that people and timers run."""

import json
import random
import subprocess
import sys
import threading
import time

from plugin import FLATNET, address, call, netns, publish

# Commands with their permitted exit statuses. `status` may find an unfinished attachment, and then exits with 1.
OTHERS = {"gc": [0], "up": [0], "rules --live": [0], "ps": [0], "status": [0, 1], "repair": [0]}


class Storm:
    def __init__(self, seconds):
        self.end = time.monotonic() + seconds
        self.lock = threading.Lock()
        self.holders, self.wrong = {}, []
        self.counts = {"ADD": 0, "CHECK": 0, "DEL": 0, "other commands": 0}

    def goes_on(self):
        return time.monotonic() < self.end and len(self.wrong) < 20

    def call(self, command, container, conf):
        status, said, _ = call(command, container, conf)
        with self.lock:
            self.counts[command] += 1
            if status or (said and command != "ADD"):
                self.wrong.append(f"{command} of {container}: status {status}: {said}")
        return None if status else said

    def hold(self, container, result):
        with self.lock:
            other = self.holders.setdefault(address(result), container)
            if other != container:
                self.wrong.append(f"{address(result)} of {container} is held by {other}")

    def live(self, worker, number, chance):
        """The calls of one container. Some publish a port; of some, the namespace is deleted before DEL."""
        container = f"w{worker}x{number}"
        conf = publish(8000 + worker) if chance.random() < 0.5 else {}
        netns("add", container)
        result = self.call("ADD", container, conf)
        gone = chance.random() < 0.3
        if result:
            self.hold(container, result)
            self.call("CHECK", container, {**conf, "prevResult": json.loads(result)})
            # From here on, another container may get the address.
            with self.lock:
                self.holders.pop(address(result), None)
        if gone:
            netns("del", container)
        self.call("DEL", container, conf)
        if not gone:
            netns("del", container)

    def work(self, worker, seed):
        chance, number = random.Random(seed * 1000 + worker), 0
        while self.goes_on():
            self.live(worker, number, chance)
            number += 1

    def look_on(self, worker):
        while self.goes_on():
            for words, fine in sorted(OTHERS.items(), reverse=worker % 2 == 0):
                done = subprocess.run([FLATNET, *words.split()], capture_output=True, text=True, check=False)
                with self.lock:
                    self.counts["other commands"] += 1
                    if done.returncode not in fine:
                        self.wrong.append(f"flatnet {words}: status {done.returncode}: {done.stdout}{done.stderr}")


def main(plan):
    storm = Storm(plan["seconds"])
    threads = [threading.Thread(target=storm.work, args=(worker, plan["seed"])) for worker in range(6)]
    threads += [threading.Thread(target=storm.look_on, args=(worker,)) for worker in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"wrong": storm.wrong, "counts": storm.counts}))


main(json.load(sys.stdin))
