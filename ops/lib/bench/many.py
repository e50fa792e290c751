"""More containers on one host than a bridge has ports."""

import os
import subprocess
import time

from candidates import configure, flatnet, make_namespaces, netns
from hosts import Host
from measure import Failed, median, say, sh
from report import markdown
from turns import expect

# The number of containers that count as first and as last. The subnet has room for 4,093.
AT_EACH_END = 100


def call(raw, name, wanted):
    begin = time.perf_counter_ns()
    status = os.waitpid(wanted.start(), 0)[1]
    raw.setdefault(name, []).append((time.perf_counter_ns() - begin) / 1e6)
    wanted.refuse(status)


def addresses(count):
    """The addresses in the containers, according to the kernel."""
    script = "for n in $(seq 0 $1); do ip -n bench$n -4 -o addr show dev eth0; done"
    printed = sh(f"set -- {count - 1}; {script}")
    return [line.split()[3].split("/")[0] for line in printed.splitlines()]


def unanswered(targets, prefix):
    """The targets that do not answer one ping within two seconds."""
    waiting = []
    for target in targets:
        argv = [*prefix, "ping", "-q", "-c", "1", "-W", "2", target]
        waiting.append((target, subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)))
        # A few at a time, because more would delay one another.
        if len(waiting) == 8:
            yield from silent(waiting)
    yield from silent(waiting)


def silent(waiting):
    while waiting:
        target, process = waiting.pop()
        if process.wait() != 0:
            yield target


def measure(raw, sizes):
    count = sizes["many"]
    configure("network: flatnet\nsubnet: 10.87.0.0/20\n")
    with Host() as host:
        sh("flatnet up")
        make_namespaces(count)
        ours = flatnet("many")
        say(f"attaching {count} containers")
        for number in range(count):
            call(raw, "many add", ours.add(number))
        if ours.attached() != count:
            raise Failed(f"{ours.attached()} of {count} containers are attached")
        say("ping from the host, from the first container")
        # The first container pings itself too, over `lo`, which a runtime would set up.
        sh(f"ip -n {netns(0)} link set lo up")
        targets = addresses(count)
        for where, prefix in (("host", []), ("container", ["ip", "netns", "exec", netns(0)])):
            silent_ones = list(unanswered(targets, prefix))
            raw[f"many answered, {where}"] = [len(targets) - len(silent_ones)]
            if silent_ones or len(set(targets)) != count:
                raise Failed(f"from the {where}, {len(silent_ones)} of {count} did not answer: {silent_ones[:20]}")
        say(f"detaching {count} containers")
        for number in range(count):
            call(raw, "many delete", ours.delete(number))
        expect(ours, 0)
    host.close()


def table(raw, sizes):
    count = sizes["many"]
    if len(raw.get("many delete", [])) < count:
        return ""
    lines = [{"what": f"{count:,} containers, one after the other", "all": "all", "first": "first ones, each", "last": "last ones, each"}]
    for title, name in (("ADD", "many add"), ("DEL", "many delete")):
        took = raw[name]
        lines.append({
            "what": title,
            "all": f"{sum(took) / 1000:.1f} s",
            "first": f"{median(took[:AT_EACH_END]):.1f} ms",
            "last": f"{median(took[-AT_EACH_END:]):.1f} ms",
        })
    answered = ", ".join(f"{raw[f'many answered, {where}'][0]:,} from {whom}" for where, whom in
                         (("host", "the host"), ("container", "one container")))
    return f"{markdown(lines)}\n\nOne ping to each was answered: {answered}."
