"""Hostile calls: each must return a result or a well-formed error, and must not change objects of others."""

import collections
import json
import os
import random
import re
import shutil
import subprocess
import sys

from hostile_calls import LAB, down, next_call
from plugin import FLATNET, look

SECONDS = 60  # limit of one call
HERE = "/tmp/here"  # the working directory of calls
# If Flatnet used a search path or a shell, it would run these programs, which leave a trace.
TRAPS = {"PATH": "/tmp/traps", "BASH_ENV": "/tmp/traps/mark", "ENV": "/tmp/traps/mark", "IFS": "/", "HOME": HERE}
TRAPPED = ["ip", "nft", "bridge", "sysctl", "nsenter", "unshare", "sh", "bash", "env", "podman", "touch"]
# Errors of a program that was run, and internal errors: hostile input must be rejected earlier.
TOO_DEEP = re.compile(r"(?:error\[|\()(?:FLAT-E\d\d\d, )*FLAT-E(063|064|065|066|071|072|073|074|099)\b")
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]


class Wrong(Exception):
    """A call did what it must not do."""


def last_process():
    """The ID of the sandbox's newest process or thread."""
    with open("/proc/loadavg", encoding="ascii") as file:
        return int(file.read().split()[-1])


def run(call):
    """Exit status, standard output and error, and how many processes and threads it started."""
    variables = {**{name: value.encode() for name, value in TRAPS.items()}, **call.variables}
    before = last_process()
    try:
        done = subprocess.run([FLATNET, *call.words], input=call.stdin, capture_output=True, env=variables, cwd=HERE,
                              timeout=SECONDS, check=False)  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Wrong(f"it takes longer than {SECONDS} s") from error
    return done.returncode, done.stdout, done.stderr, last_process() - before - 1


def text(raw, longest):
    """Decodes output for people: UTF-8 of limited length, without control characters for terminals."""
    try:
        shown = raw.decode()
    except UnicodeDecodeError as error:
        raise Wrong("what it prints is no UTF-8") from error
    if len(shown) > longest or STEERS.search(shown):
        raise Wrong(f"what it prints is too long, or steers a terminal: {shown[:300]!r}")
    return shown


def one_json(raw):
    try:
        return json.loads(raw) if raw else None
    except ValueError as error:
        raise Wrong(f"standard output is no JSON: {error}") from error


def judge(call, status, stdout, stderr):
    """Whether the call succeeded; an error must have a Flatnet code."""
    said = text(stderr, 20_000)
    if call.face == "cli":
        text(stdout, 500_000)
        if status not in (0, 1, 2) or "panicked" in said:
            raise Wrong("it died")
        is_usage = "try '--help'" in said or "Usage:" in said
        if status and not (stdout or is_usage or "FLAT-E" in said):
            raise Wrong("it fails without a code")
        refuse_depth(said)
        return status == 0
    if status not in (0, 1):
        raise Wrong("it died")
    answer = one_json(stdout)
    if status == 0:
        is_asked = call.verb in ("ADD", "VERSION", "setup", "create", "info")
        if is_asked != isinstance(answer, dict):
            raise Wrong("that is no result")
        return True
    keys = {"cni": {"cniVersion", "code", "details", "msg"}, "netavark": {"error"}}[call.face]
    if not isinstance(answer, dict) or set(answer) != keys or not stdout.endswith(b"\n"):
        raise Wrong("that is no error of the protocol")
    message = text(answer.get("msg", answer.get("error", "")).encode(), 2000)
    if "\n" in message or not re.search(r"\(FLAT-E\d\d\d(, FLAT-E\d\d\d)*\)$", message):
        raise Wrong("its error has no code, or is more than a line")
    if call.face == "cni" and (answer["cniVersion"] not in VERSIONS or not isinstance(answer["code"], int)):
        raise Wrong("that is no error of the protocol")
    refuse_depth(message)
    return False


def refuse_depth(said):
    if TOO_DEEP.search(said):
        raise Wrong("it came as far as a program, which refused it")


def files():
    """All files that a hostile path could lead to, except Flatnet's own state, locks and log."""
    own = {"/var/lib/flatnet", "/run/flatnet", "/run/flatnet-dns", "/run/flatnet-dns-state", "/var/log/flatnet", LAB}
    # The machine's files show through the overlay in these folders, and others may change them meanwhile.
    tops = ("", "/root", "/home", "/var/lib", "/var/log", "/usr/local/bin")
    found = {f"{top}/{name}" for top in tops for name in os.listdir(top or "/") if not top or "owned" in name}
    for top in ("/etc", "/tmp", "/run", "/opt/cni"):
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if f"{folder}/{name}" not in own]
            paths = [f"{folder}/{name}" for name in folders + names]
            found |= {f"{path} {s.st_mode} {s.st_size} {s.st_mtime_ns}" for path, s in zip(paths, map(os.lstat, paths))}
    return {fact for fact in found if fact not in own}


class Run:
    """The calls of one batch, and their results."""

    def __init__(self, plan):
        self.dice, self.wanted = random.Random(plan["seed"]), plan["calls"]
        self.before, self.files = look(), files()
        self.counts, self.wrong, self.has_changed = collections.Counter(), [], False

    def call(self, call):
        """Makes one call; returns whether it succeeded."""
        self.counts["calls"] += 1
        status, stdout, stderr, started, succeeded = None, b"", b"", 0, False
        try:
            status, stdout, stderr, started = run(call)
            succeeded = judge(call, status, stdout, stderr)
            if call.is_valid and not succeeded:
                raise Wrong("nothing about it is wrong, and it is refused")
        except Wrong as wrong:
            self.wrong.append(f"{wrong}: {call}\nstatus {status}: {stdout[:1500]!r} {stderr[:1500]!r}")
        # ADD inspects the namespace in a thread; everything else that it starts is a program.
        reached = started > (1 if call.verb in ("ADD", "setup") else 0)
        self.has_changed |= reached or bool(self.wrong)
        self.counts["came to a program"] += reached
        self.counts["succeeded" if succeeded else "refused"] += 1
        self.counts[call.face] += 1
        return succeeded

    def one(self):
        """Makes one call and the calls that undo it; then everything must be as before."""
        call, file = next_call(self.dice, valid=self.dice.random() < 0.03)
        if file:
            os.makedirs(LAB, exist_ok=True)
            with open(file[0], "wb") as opened:
                opened.write(file[1])
        self.has_changed = False
        succeeded = self.call(call)
        # A runtime calls DEL also after a failed ADD.
        if call.undo and (succeeded or self.dice.random() < 0.1):
            self.call(call.undoing(is_valid=succeeded))
        if file and call.verb in ("up", "ADD"):
            self.call(down(file[0]))
        if file or call.verb == "init":
            shutil.rmtree(LAB, ignore_errors=True)
        if self.has_changed:
            self.compare(call)

    def compare(self, call):
        after = look()
        if after != self.before:
            self.wrong.append(f"left behind {sorted(after - self.before)}, missing {sorted(self.before - after)}: {call}")
            self.before = after

    def all(self):
        while self.counts["calls"] < self.wanted and len(self.wrong) < 5:
            self.one()
        after = files()
        if after != self.files:
            self.wrong.append(f"files: new {sorted(after - self.files)}, gone {sorted(self.files - after)}")
        print(json.dumps({"counts": self.counts, "wrong": self.wrong}))


def lay_traps():
    os.makedirs(HERE + "/folder", exist_ok=True)
    os.makedirs(TRAPS["PATH"], exist_ok=True)
    for name in [*TRAPPED, "mark"]:
        path = f"{TRAPS['PATH']}/{name}"
        if not os.path.exists(path):
            with open(path, "w", encoding="ascii") as file:
                file.write("#!/bin/sh\n: >>/tmp/owned-by-a-trap\n")
            os.chmod(path, 0o755)


lay_traps()
Run(json.load(sys.stdin)).all()
