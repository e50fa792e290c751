"""The table: Flatnet's figures, and its speed as a multiple of each of the others'."""

from measure import median
from report import markdown, ratios, reached, spread

PATHS = {"containers": "between containers", "host": "from the host", "gateway": "from the gateway's side"}
# title, format of a figure
MEASURES = {
    "tcp": ("TCP", "{:.1f} Gbit/s"),
    "udp": ("UDP", "{:.2f} Gbit/s"),
    "requests": ("requests", "{:,.0f} /s"),
    "connections": ("connections", "{:,.0f} /s"),
    "ping": ("ping", "{:.1f} us"),
}
OTHERS = {"veth": "of plain veth", "netavark": "of Podman's bridge", "old": "of old"}
# The minimum, as a multiple of the old design's speed.
LEAST = 1.0


def compared(raw, what, other):
    """Ratios for rates and times; above 1, Flatnet is faster."""
    ours, theirs = ("flatnet", other) if not what.endswith("ping") else (other, "flatnet")
    return ratios(raw, what, ours, theirs)


def line(raw, path, measure):
    title, shown = MEASURES[measure]
    what = f"{path} {measure}"
    found = {"what": f"{title} {PATHS[path]}", "flatnet": shown.format(median(raw[f"flatnet {what}"])), "least": "", "reached": ""}
    for other in OTHERS:
        found[other] = spread(compared(raw, what, other)) if raw.get(f"{other} {what}") else ""
    if found["old"]:
        found |= {"least": f"{LEAST:g}", "reached": reached(median(compared(raw, what, "old")), least=LEAST)}
    return found


def table(raw):
    head = {"what": "what", "flatnet": "Flatnet", **OTHERS, "least": "at least", "reached": "reached"}
    lines = [line(raw, path, measure) for path in PATHS for measure in MEASURES if raw.get(f"flatnet {path} {measure}")]
    if not any(found["old"] for found in lines):
        for found in [head, *lines]:
            for column in ("old", "least", "reached"):
                del found[column]
    return markdown([head, *lines])
