"""The tables: all servers compared, then the targets and whether they were reached."""

from measure import median
from report import markdown, ratios, spread

MANY, ONE = 64, 1
NAMES = {"static": "static nginx", "flatnet": "Flatnet", "haproxy": "haproxy", "caddy": "caddy"}


def servers(raw):
    head = {
        "server": "server", "rate": "requests/s", "of static": "of static nginx", "p50": "p50", "p99": "p99",
        "cpu": "CPU per request", "cpu of static": "of static nginx", "one": "p50, one connection",
    }
    lines = [head]
    for key, name in NAMES.items():
        value = {what: median(raw[f"{key} {what}, {MANY}"]) for what in ("requests/s", "p50", "p99", "cpu")}
        lines.append({
            "server": name,
            "rate": f"{value['requests/s']:,.0f}",
            "of static": spread(ratios(raw, f"requests/s, {MANY}", key, "static")),
            "p50": f"{value['p50']:.2f} ms",
            "p99": f"{value['p99']:.2f} ms",
            "cpu": f"{value['cpu']:.1f} us",
            "cpu of static": spread(ratios(raw, f"cpu, {MANY}", key, "static")),
            "one": f"{median(raw[f'{key} p50, {ONE}']):.3f} ms",
        })
    return markdown(lines)


# title, figures, function that summarizes them, upper limit, unit
DELAYS = [
    ("route in the file -> routed", "routed", max, 300, "ms"),
    ("port listens -> reached from the LAN, new container", "reachable, new", max, 500, "ms"),
    ("port listens -> reached from the LAN, 3 s after its start", "reachable, late", max, 500, "ms"),
    ("container dead -> named page", "named", max, 1000, "ms"),
    ("failed GETs over restarts, up to 5 s", "failed in restarts", sum, 0, ""),
    ("failed requests over 24 swaps of 250 routes", "failed in 24 swaps", sum, 0, ""),
    ("swap of 250 routes: p99.9 longer by", "stall p999", median, 2, "ms"),
]


def line(what, middle, worst, target, is_reached):
    return {"what": what, "middle": middle, "worst": worst, "target": target, "reached": "yes" if is_reached else "no"}


def promises(raw):
    lines = [{"what": "what", "middle": "Flatnet", "worst": "worst", "target": "target", "reached": "reached"}]
    for rival, least in (("static", 0.9), ("caddy", 3)):
        ratio = ratios(raw, f"requests/s, {MANY}", "flatnet", rival)
        lines.append(line(f"requests/s, of those of {NAMES[rival]}", spread(ratio), f"{min(ratio):.2f}", f"at least {least}",
                          median(ratio) >= least))
    figures = raw | {"stall p999": [a - b for a, b in zip(raw["p999 swapping"], raw["p999 at rest"])]}
    for what, name, judged, most, unit in DELAYS:
        def show(value, unit=unit):
            return f"{value:.1f} {unit}" if unit else f"{value:.0f}"

        values = figures[name]
        lines.append(line(what, show(median(values)), show(max(values)), f"at most {most} {unit}".strip(), judged(values) <= most))
    return markdown(lines)
