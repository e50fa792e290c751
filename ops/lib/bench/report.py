"""The table: figures, goals, and whether they were reached."""

import json
import os
import platform
import statistics
import subprocess
import sys

from measure import Failed, median

# title, measured, compared with ("" for an absolute figure), kind of comparison, upper limit
TARGETS = [
    ("ADD", "flatnet add", "reference add", "ratio", 0.38),
    ("ADD", "flatnet add", "netavark add", "ratio", 0.27),
    ("ADD", "flatnet add", "floor add", "ratio", 1.5),
    ("DEL", "flatnet delete", "reference delete", "ratio", 0.15),
    ("DEL", "flatnet delete", "netavark delete", "ratio", 0.35),
    ("DEL", "flatnet delete", "floor delete", "ratio", 1.7),
    ("ADD, {present} attached", "flatnet add, many", "floor add, many", "ratio", None),
    ("ADD, {present} attached", "flatnet add, many", "flatnet add", "ratio", 1.2),
    ("DEL, {present} attached", "flatnet delete, many", "floor delete, many", "ratio", None),
    ("{few} ADDs at once", "flatnet add, few at once", "reference add, few at once", "ratio", None),
    ("{few} DELs at once", "flatnet delete, few at once", "reference delete, few at once", "ratio", 0.25),
    ("{at_once} ADDs at once", "flatnet add, at once", "reference add, at once", "ratio", 0.45),
    ("{at_once} DELs at once", "flatnet delete, at once", "reference delete, at once", "ratio", 0.45),
    ("podman run", "podman run on flatnet", "podman run without network", "over", 30.0),
    ("VERSION", "flatnet version", "true", "over", 0.3),
    ("peak memory of ADD", "flatnet peak", "", "below", 12.0),
]


def candidate_of(figure):
    return figure.split(" add")[0].split(" delete")[0]


def rows(raw, sizes):
    for title, measured, against, how, most in TARGETS:
        if measured not in raw or (against and against not in raw):
            continue
        value = median(raw[measured])
        other = median(raw[against]) if against else None
        compared = {"ratio": lambda: value / other, "over": lambda: value - other, "below": lambda: value}[how]()
        unit = {"ratio": "", "over": " ms", "below": " MiB"}[how]
        yield {
            "what": title.format(**sizes),
            "flatnet": f"{value:.1f} MiB" if how == "below" else f"{value:.1f} ms",
            "against": f"{candidate_of(against)} {other:.1f} ms" if against else "",
            "compared": f"{compared:.2f}{unit}" if how == "ratio" else f"{compared:.1f}{unit}",
            "target": "" if most is None else f"{most:g}{unit}",
            "reached": "" if most is None else ("yes" if compared <= most else "no"),
        }


HEAD = {
    "what": "what",
    "flatnet": "Flatnet",
    "against": "against",
    "compared": "ratio or difference",
    "target": "at most",
    "reached": "reached",
}


def table(raw, sizes):
    return markdown([HEAD, *rows(raw, sizes)])


def cpu_table(raw, sizes):
    """Processor time of the same calls, with that of the programs which outlive them."""
    lines = [{"what": "processor time of", "flatnet": "Flatnet", "against": "against", "compared": "ratio"}]
    for title, measured, against, how, _ in TARGETS:
        ours, theirs = raw.get(f"{measured}, cpu"), raw.get(f"{against}, cpu")
        if how == "ratio" and ours and theirs:
            lines.append({
                "what": title.format(**sizes),
                "flatnet": f"{median(ours):.1f} ms",
                "against": f"{candidate_of(against)} {median(theirs):.1f} ms",
                "compared": f"{median(ours) / median(theirs):.2f}",
            })
    return markdown(lines)


def ratios(raw, what, ours, theirs):
    """Compared round by round, under the same load."""
    return [a / b for a, b in zip(raw[f"{ours} {what}"], raw[f"{theirs} {what}"])]


def spread(values):
    """The median and the interquartile range."""
    if len(values) < 4:
        return f"{median(values):.2f}"
    low, _, high = statistics.quantiles(values, n=4)
    return f"{median(values):.2f} ({low:.2f} to {high:.2f})"


def reached(ratio, most=None, least=None):
    """Compares the displayed figures, with two digits."""
    if most is None and least is None:
        return ""
    shown = round(ratio, 2)
    return "yes" if (most is None or shown <= most) and (least is None or shown >= least) else "no"


def markdown(lines):
    """A table of lines with the same keys, with its header first."""
    head = lines[0]
    widths = {key: max(len(line[key]) for line in lines) for key in head}
    shown = ["| " + " | ".join(line[key].ljust(widths[key]) for key in head) + " |" for line in lines]
    shown.insert(1, "|" + "|".join("-" * (widths[key] + 2) for key in head) + "|")
    return "\n".join(shown)


def first_line(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError as missing:
        return str(missing)
    return (done.stdout or done.stderr).splitlines()[0].strip()


def system():
    with open("/etc/os-release", encoding="utf-8") as file:
        release = dict(line.strip().split("=", 1) for line in file if "=" in line)
    return {
        "system": release.get("PRETTY_NAME", "").strip('"'),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "flatnet": first_line("flatnet", "--version").split()[1],
        "podman": first_line("podman", "--version").split()[-1],
    }


def bridged_packets():
    """With 1, bridged packets also pass IP rules, which takes time: the default of the module and of WSL2."""
    try:
        with open("/proc/sys/net/bridge/bridge-nf-call-iptables", encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return "not there"


def machine(netavark):
    return system() | {
        "nftables": first_line("nft", "--version").split()[1],
        "iproute2": first_line("ip", "-V").split("-")[-1].split(",")[0],
        "bridge-nf-call-iptables": bridged_packets(),
        "netavark": netavark.split()[-1],
        "reference": first_line("dpkg-query", "-W", "-f", "${Version}", "containernetworking-plugins"),
    }


def measure_and_save(measure, path, raw, sizes, about):
    """Calls `measure`, which fills `raw`, and prints what machine it was, which `about` returns. Ends the program if something could not be measured."""
    failure = None
    try:
        measure()
    except Failed as failed:
        failure = failed
    # Even after a failure, because earlier results took minutes; the exit status shows that some are missing.
    machine = about()
    save(path, raw, sizes, machine, "figures")
    if failure:
        sys.exit(f"\nbench: not all was measured, since this failed:\n\n{failure}")
    print("; ".join(f"{key} {value}" for key, value in machine.items()) + "\n")


def save(path, raw, sizes, about, unit="milliseconds"):
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"machine": about, "sizes": sizes, unit: raw}, file, indent=1)
