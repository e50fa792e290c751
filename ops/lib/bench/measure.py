"""Programs, all started and timed in the same way: posix_spawn, waitpid, the clock around both."""

import contextlib
import ctypes
import os
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

# A program's output, which is read if it fails. On a tmpfs for every candidate.
SCRATCH = "/run/bench.out"

# A pause after each measured call: Flatnet returns as soon as a link is gone, while `ip` still waits for the kernel's
# clean-up, which must not slow down the next call.
REST = 0.06

# How long to wait for the end of the programs that a call left running. Seconds.
PATIENCE = 2
PR_SET_CHILD_SUBREAPER = 36


def say(text):
    print(text, file=sys.stderr, flush=True)


class Failed(Exception):
    """A candidate failed, so its time is invalid."""


class Call:
    """A program with its arguments, its environment, and the file that it reads."""

    def __init__(self, argv, env=None, stdin="/dev/null"):
        self.argv = argv
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **(env or {})}
        self.stdin = stdin

    def start(self, scratch=SCRATCH):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        files = [
            (os.POSIX_SPAWN_OPEN, 0, self.stdin, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, scratch, flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        return os.posix_spawn(self.argv[0], self.argv, self.env, file_actions=files)

    def refuse(self, status, scratch=SCRATCH):
        if status == 0:
            return
        with open(scratch, encoding="utf-8", errors="replace") as printed:
            tail = printed.read()[-2000:]
        code = os.waitstatus_to_exitcode(status)
        raise Failed(f"{' '.join(self.argv)}\n  ended with {code} and printed:\n{tail}")


class Took(NamedTuple):
    """Milliseconds: from before the start of a call until after its end, and of processors, for all programs that it ran."""

    wall: float
    cpu: float


@contextlib.contextmanager
def adopting():
    """Programs that outlive a call become this process's children meanwhile, so that their time can be counted."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for adopts in (1, 0):
        if prctl(PR_SET_CHILD_SUBREAPER, adopts, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        if adopts:
            yield


def processor_seconds(used):
    return used.ru_utime + used.ru_stime


def children():
    """This process's children: servers that are measured, and what was adopted."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return set(map(int, file.read().split()))


def adopted(before):
    """Processor seconds of the programs that outlived a call, which were not children `before`. Waits for their end."""
    seconds, end = 0, time.monotonic() + PATIENCE
    while time.monotonic() < end and (left := children() - before):
        for child in left:
            pid, _, used = os.wait4(child, os.WNOHANG)
            seconds += processor_seconds(used) if pid else 0
        time.sleep(0.001)
    return seconds


def measured(call):
    """What `call` took. Of programs that outlive it only [`adopting`] counts the processor time."""
    before = children()
    begin = time.perf_counter_ns()
    pid = call.start()
    _, status, used = os.wait4(pid, 0)
    wall = (time.perf_counter_ns() - begin) / 1e6
    call.refuse(status)
    time.sleep(REST)
    return Took(wall, (processor_seconds(used) + adopted(before)) * 1e3)


def timed(call):
    """Milliseconds from before the start of `call` until after its end."""
    return measured(call).wall


def load():
    """How busy the machine is, and how much of it other virtual machines take."""
    def ticks():
        with open("/proc/stat", encoding="ascii") as file:
            return [int(word) for word in file.readline().split()[1:9]]

    before = ticks()
    time.sleep(1)
    spent = [after - earlier for earlier, after in zip(before, ticks())]
    share = [100 * part / max(sum(spent), 1) for part in spent]
    idle, waiting, stolen = share[3], share[4], share[7]
    return f"{100 - idle - waiting:.0f} % busy, {stolen:.0f} % of it taken by other machines, load {os.getloadavg()[0]:.2f}"


def timed_at_once(calls):
    """Milliseconds from before the first start until after the last end."""
    scratch = [f"{SCRATCH}.{number}" for number in range(len(calls))]
    begin = time.perf_counter_ns()
    started = [call.start(file) for call, file in zip(calls, scratch)]
    ended = [os.waitpid(pid, 0)[1] for pid in started]
    took = (time.perf_counter_ns() - begin) / 1e6
    for call, status, file in zip(calls, ended, scratch):
        call.refuse(status, file)
        os.unlink(file)
    time.sleep(1)
    return took


def peak_kib(bare, call):
    """Peak memory of `call`, or of a program that it ran if that needed more."""
    # Not with Python's fork, whose child starts with Python's memory.
    with open(call.stdin, "rb") as stdin:
        done = subprocess.run(
            [bare, "peak", *call.argv], env=call.env, stdin=stdin, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise Failed(f"{' '.join(call.argv)}\n  failed and printed:\n{done.stdout}{done.stderr}")
    time.sleep(REST)
    return int(done.stderr.split()[-1])


def sh(script, stdin=None):
    """Runs a preparation: not measured, must succeed."""
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{script}\n  ended with {done.returncode} and printed:\n{done.stdout}{done.stderr}")
    return done.stdout


median = statistics.median
