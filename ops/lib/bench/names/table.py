"""The tables: all servers compared, then the goals and whether they were reached."""

from measure import median
from report import markdown, ratios, reached, spread

RIVALS = ("aardvark-dns", "dnsmasq")
SERVERS = {"flatnet": "Flatnet", "aardvark-dns": "aardvark-dns", "dnsmasq": "dnsmasq"}


def servers(raw):
    lines = [{
        "server": "server", "rate": "queries/s", "p50": "p50", "p99": "p99", "memory": "memory",
        "wrong": "wrong first answers", "late": "until right, median", "worst": "worst",
    }]
    for key, name in SERVERS.items():
        wrong, late = raw[f"{key} wrong first"], raw[f"{key} until right"]
        lines.append({
            "server": name,
            "rate": f"{median(raw[f'{key} queries/s']):,.0f}",
            "p50": f"{median(raw[f'{key} p50']):.0f} us",
            "p99": f"{median(raw[f'{key} p99']):.0f} us",
            "memory": f"{raw[f'{key} memory'][0]:.1f} MiB",
            "wrong": f"{sum(wrong)} of {len(wrong)}",
            "late": f"{median(late):.2f} ms",
            "worst": f"{max(late):.2f} ms",
        })
    return markdown(lines)


def line(what, value, target, is_reached):
    return {"what": what, "value": value, "target": target, "reached": is_reached}


def compared(raw):
    for rival in RIVALS:
        faster = ratios(raw, "queries/s", "flatnet", rival)
        yield line(f"queries/s, of {rival}'s", spread(faster), "at least 1", reached(median(faster), least=1))
    for rival in RIVALS:
        for what, most in (("p50", 1.1), ("p99", None)):
            slower = ratios(raw, what, "flatnet", rival)
            target = "" if most is None else f"at most {most:g}"
            yield line(f"{what}, of {rival}'s", spread(slower), target, reached(median(slower), most=most))
    wrong = sum(raw["flatnet wrong first"])
    yield line("wrong first answers", f"{wrong}", "0", reached(wrong, most=0))


# title, name in the raw numbers, upper limit in milliseconds
ATTACHING = [
    ("ADD, longer by names", "add", 0.2),
    ("DEL, longer by names", "delete", None),
    ("ADD, longer by names, {present} attached", "add, many", 0.2),
    ("DEL, longer by names, {present} attached", "delete, many", None),
]


def attaching(raw, sizes):
    for title, name, most in ATTACHING:
        longer = [a - b for a, b in zip(raw[f"with names {name}"], raw[f"without names {name}"])]
        value = f"{spread(longer)} ms, to {median(raw[f'with names {name}']):.1f} ms"
        target = "" if most is None else f"at most {most:g} ms"
        yield line(title.format(**sizes), value, target, reached(median(longer), most=most))


def goals(raw, sizes):
    head = line("what", "Flatnet", "target", "reached")
    return markdown([head, *compared(raw), *attaching(raw, sizes)])
