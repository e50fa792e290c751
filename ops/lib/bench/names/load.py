"""Questions by dnsperf, from the client."""

import re
import statistics
import subprocess

from candidates import write
from measure import Failed
from names.network import CLIENT
from web.network import cores

# dnsperf's default.
OUTSTANDING = 100
# dnsperf waits for lost questions. Seconds.
SLACK = 30


def dnsperf(server, core, seconds, *options):
    """All questions must have been answered with data."""
    path = write(f"{server.name}.questions", server.questions())
    argv = ["ip", "netns", "exec", CLIENT, "taskset", "--cpu-list", core,
            "dnsperf", "-s", server.subnet.server, "-d", path, "-l", str(seconds), "-W", *options]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=seconds + SLACK
        )
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{' '.join(argv)}\n  did not end in {seconds + SLACK} s") from late
    codes = re.search(r"Response codes: +(.*)", done.stdout)
    lost = re.search(r"Queries lost: +(\d+)", done.stdout)
    if done.returncode != 0 or not codes or not lost:
        raise Failed(f"{' '.join(argv)}\n  ended with {done.returncode} and printed:\n{done.stdout[-2000:]}{done.stderr}")
    if lost[1] != "0" or not re.fullmatch(r"NOERROR \d+ \(100\.00%\)", codes[1].strip()):
        raise Failed(f"{server.name}: {lost[1]} questions were lost, and the answers are: {codes[1]}")
    return done.stdout


def rate(server, seconds):
    """Answers per second with many questions outstanding, sent from another core."""
    printed = dnsperf(server, cores()[1], seconds, "-q", str(OUTSTANDING))
    return float(re.search(r"Queries per second: +([\d.]+)", printed)[1])


def latencies(server, seconds):
    """Microseconds of each question, one after the other, sent from the server's core: on two cores this is mostly the time in which
    an idle core of a virtual machine wakes up."""
    printed = dnsperf(server, cores()[0], seconds, "-q", "1", "-v")
    found = [float(seconds) * 1e6 for seconds in re.findall(r"^> NOERROR \S+ A ([\d.]+)$", printed, re.MULTILINE)]
    if len(found) < 2:
        raise Failed(f"{server.name}: dnsperf printed {len(found)} latencies:\n{printed[-2000:]}")
    return found


def measured(server, seconds):
    percentiles = statistics.quantiles(latencies(server, seconds), n=100)
    return {"queries/s": rate(server, seconds), "p50": percentiles[49], "p99": percentiles[98]}
