"""Runs rows of tests in rounds until each has its long count, and shows the table. Called by ops/soak."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

from rows import ROWS, quick
from table import done_of, table


class Book:
    """The completed rounds of each row: one file for each row, one line for each round."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, row):
        return self.folder / f"{row.name}.jsonl"

    def rounds(self, row):
        try:
            lines = self.path(row).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def add(self, row, one):
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.path(row), "a", encoding="utf-8") as file:
            file.write(json.dumps(one) + "\n")


def run_round(row, number, count, suite, build, book):
    """Runs the test binary once. If it takes too long, it is killed, which ends its sandboxes too."""
    report = book.folder / f"{row.name}.report"
    log = book.folder / f"{row.name}.log"
    book.folder.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    began = time.monotonic()
    settings = {"COUNT": count, "SEED": number, "REPORT": report.resolve()}
    environment = {**os.environ, **{f"FLATNET_SOAK_{name}": str(value) for name, value in settings.items()}}
    with open(log, "w", encoding="utf-8") as output:
        try:
            tests = subprocess.run(
                [suite, row.tests], env=environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, timeout=row.minutes * 60, check=False,
            )
            why = None if tests.returncode == 0 else "a test failed"
        except subprocess.TimeoutExpired:
            why = f"it took longer than {row.minutes} minutes"
    reports = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()] if report.exists() else []
    if why is None and not reports:
        why = f"no test whose name begins with {row.tests} reported anything"
    report.unlink(missing_ok=True)
    one = {"seed": number, "count": count, "passed": why is None, "seconds": round(time.monotonic() - began, 1)}
    book.add(row, {**one, "build": build, "reports": reports})
    return why, log


def soak(row, suite, build, book):
    """Continues the row. Returns whether it is complete."""
    while True:
        rounds = book.rounds(row)
        done = done_of(rounds)
        show(row, done, rounds)
        if done >= row.wanted:
            return True
        seed = 1 + max((one["seed"] for one in rounds), default=0)
        count = min(row.a_round, row.wanted - done)
        why, log = run_round(row, seed, count, suite, build, book)
        if why:
            print(f"{row.name}: round {seed} FAILED: {why}; its output is in {log}. To repeat it:", file=sys.stderr)
            print(f"  FLATNET_SOAK_COUNT={count} FLATNET_SOAK_SEED={seed} {suite} {row.tests}", file=sys.stderr)
            return False


def show(row, done, rounds):
    passed = [one for one in rounds if one["passed"]]
    left = ""
    if passed and done < row.wanted:
        seconds = sum(one["seconds"] for one in passed) / done * (row.wanted - done)
        left = f", about {duration(seconds)} left"
    print(f"{row.name}: {done:,} of {row.wanted:,} {row.unit}{left}", file=sys.stderr, flush=True)


def duration(seconds):
    minutes = int(seconds) // 60
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {int(seconds) % 60:02} s"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite")
    parser.add_argument("--build", default="")
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("rows", nargs="*")
    return parser.parse_args()


def main():
    wanted = arguments()
    known = [row.name for row in ROWS]
    for name in wanted.rows:
        if name not in known:
            sys.exit(f'ops/soak: unknown row "{name}".\nKnown rows: {", ".join(known)}')
    every = [quick(row) for row in ROWS] if wanted.quick else ROWS
    rows = [row for row in every if not wanted.rows or row.name in wanted.rows]
    book = Book(wanted.folder / "quick" if wanted.quick else wanted.folder)
    if wanted.suite and wanted.fresh:
        for row in rows:
            book.path(row).unlink(missing_ok=True)
    # A failed row does not stop the others.
    ended = [soak(row, wanted.suite, wanted.build, book) for row in rows if wanted.suite]
    print(table(rows, book.rounds))
    return 0 if all(ended) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nops/soak: stopped. Run it again to go on from the last whole round.")
