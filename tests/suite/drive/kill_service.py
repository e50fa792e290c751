"""Kills the process that serves a user at random moments of ADD and DEL, or lets the user leave before the answer. Whatever is
called next (DEL, ADD and DEL, repair and DEL) must leave nothing. Reads a plan of JSON from stdin: seed, runs, and the ID of a process in
the user's network namespace. Runs as root; `as alice` runs a command as the user."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

ASKER = ["python3", "-B", "/usr/local/lib/drive/asker.py"]
LOCK = os.stat("/run/flatnet-serve/lock")


def listener():
    for line in pathlib.Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and int(fields[5].split(":")[2]) == LOCK.st_ino:
            return int(fields[4])
    sys.exit("nobody listens")


LISTENER = listener()


def serving():
    text = pathlib.Path(f"/proc/{LISTENER}/task/{LISTENER}/children").read_text()
    return [int(pid) for pid in text.split() if not is_zombie(pid)]


def is_zombie(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def message(call):
    return json.dumps({"version": 1, "network": "flatnet", "call": call})


def start(plan, name, call, *options):
    identity = {"container_id": name, "if_name": "eth0"}
    attach = {"id": identity, "netns": "/run/user/1/netns/x", "descriptor": 0, "name": name, "aliases": ["www"], "ips": []}
    text = message({"attach": attach} if call == "attach" else {"detach": identity})
    text = text.replace('"descriptor": 0', '"descriptor": DESCRIPTOR')
    paths = ["/proc/self/ns/net"] if call == "attach" else []
    enter = ["nsenter", "--preserve-credentials", "-U", "-n", "-t", str(plan["pid"])]
    return subprocess.Popen(["as", "alice", *enter, *ASKER, *options, text, *paths],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ask(plan, name, call, wrong):
    out, err = start(plan, name, call).communicate(timeout=60)
    if ("attached" if call == "attach" else "done") not in out:
        wrong.append(f"{name} {call}: {out}{err}")


# How long a call is served, as far as it is known: the last one that was not killed.
usual = {"attach": 0.03, "detach": 0.03}


def kill_it(what, asked, dice):
    """Whether the serving process was killed: at a random moment within the usual time."""
    began = after = None
    while asked.poll() is None:
        pids = serving()
        if pids and began is None:
            began, after = time.monotonic(), dice.uniform(0, usual[what])
        if began is not None and not pids:
            usual[what] = time.monotonic() - began
            break
        if pids and time.monotonic() >= began + after:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            asked.communicate(timeout=60)
            return True
        time.sleep(0.0005)
    asked.communicate(timeout=60)
    return False


def left():
    links = [name for name in os.listdir("/sys/class/net") if name.startswith("fn") and name != "flatnet-br0"]
    receipts = [str(path) for path in pathlib.Path("/var/lib/flatnet/flatnet").rglob("*kill*")]
    return links + receipts


def main():
    plan = json.load(sys.stdin)
    dice = random.Random(plan["seed"])
    killed = {"attach": 0, "detach": 0, "left": 0}
    wrong = []
    for run in range(plan["runs"]):
        name = f"kill{run}"
        what = dice.choice(["attach", "attach", "detach", "left"])
        if what == "left":
            start(plan, name, "attach", "--leave").communicate(timeout=60)
            killed["left"] += 1
            while serving():
                time.sleep(0.001)
        else:
            if what == "detach":
                ask(plan, name, "attach", wrong)
            killed[what] += kill_it(what, start(plan, name, what), dice)
        after = dice.choice(["detach", "attach", "repair"])
        if after == "repair":
            subprocess.run(["flatnet", "repair"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        elif after == "attach":
            ask(plan, name, "attach", wrong)
        ask(plan, name, "detach", wrong)
        deadline = time.monotonic() + 2
        while left() and time.monotonic() < deadline:
            time.sleep(0.01)
        if left():
            wrong.append(f"{name}: {what}, then {after}: {left()}")
    print(json.dumps({"killed": killed, "wrong": wrong}))


main()
