"""Candidates take turns, so that each runs under the same load."""

import os
import statistics
import time

from measure import Failed, adopting, measured, say, timed_at_once

# The number of the container that is attached and detached; those with lower numbers stay attached.
TURN = 3
FIRST_OF_MANY = 4
# The kernel has finished a call after this time. Seconds.
SETTLES = 2
# Figures whose middle half is wider than this share of the median are measured again, until there are so many times the rounds.
WIDE = 0.5
MOST = 3


def expect(candidate, count):
    """Checks in the kernel that the call succeeded: a fast failure is not a result. On a busy machine a link stays in /sys for
    some milliseconds after it is gone."""
    end = time.monotonic() + SETTLES
    found = candidate.attached()
    while found != count and time.monotonic() < end:
        time.sleep(0.01)
        found = candidate.attached()
    if found != count:
        raise Failed(f"{candidate.name} has {found} containers attached, not {count}")


def in_turn(candidates, turn):
    """Every second round reverses the order, and the first candidate changes with each pair of rounds."""
    first = turn // 2 % len(candidates)
    return (candidates[first:] + candidates[:first])[:: -1 if turn % 2 else 1]


def are_wide(raw, names):
    """Those of the figures that scatter, because the machine did something else too."""
    for name in names:
        low, middle, high = statistics.quantiles(raw[name], n=4)
        if high - low > WIDE * middle:
            yield name


def record(raw, name, took):
    raw.setdefault(name, []).append(took.wall)
    raw.setdefault(f"{name}, cpu", []).append(took.cpu)


def alternating(raw, candidates, rounds, suffix, present):
    """ADD and DEL of one container, by each candidate in turn, with `present` others."""
    turn, end = 0, rounds
    while turn < end:
        for candidate in in_turn(candidates, turn):
            with candidate.host, adopting():
                record(raw, f"{candidate.name} add{suffix}", measured(candidate.add(TURN)))
                expect(candidate, present + 1)
                record(raw, f"{candidate.name} delete{suffix}", measured(candidate.delete(TURN)))
                expect(candidate, present)
        turn += 1
        if turn == end and 4 <= rounds and end < MOST * rounds:
            names = [f"{candidate.name} {verb}{suffix}" for candidate in candidates for verb in ("add", "delete")]
            wide = list(are_wide(raw, names))
            if wide:
                say(f"{rounds} more rounds, because these scatter: {', '.join(wide)}")
                end += rounds


def at_once(raw, candidates, rounds, count, present, suffix=", at once"):
    """`count` ADDs at once, then as many DELs."""
    numbers = range(FIRST_OF_MANY, FIRST_OF_MANY + count)
    for turn in range(rounds):
        for candidate in in_turn(candidates, turn):
            add = timed_at_once([candidate.add(number) for number in numbers])
            expect(candidate, present + count)
            delete = timed_at_once([candidate.delete(number) for number in numbers])
            expect(candidate, present)
            raw.setdefault(f"{candidate.name} add{suffix}", []).append(add)
            raw.setdefault(f"{candidate.name} delete{suffix}", []).append(delete)


def attach_many(candidate, count, present=1):
    """Attaches containers until there are `count`, unmeasured and without pauses."""
    with candidate.host:
        for number in range(FIRST_OF_MANY, FIRST_OF_MANY + count - present):
            call = candidate.add(number)
            call.refuse(os.waitpid(call.start(), 0)[1])
        expect(candidate, count)
