"""Flatnet compared with an older flatnet: the same calls with the same configuration, each version on a separate host."""

import flows
from candidates import configure, flatnet, make_namespaces
from hosts import FLATNET, Host
from measure import median, say, sh, timed
from report import markdown, ratios, reached, spread
from turns import FIRST_OF_MANY, alternating, attach_many

OLD = "/usr/local/bin/flatnet-old"
# The published ports of the container that is attached and detached.
PORTS = {"": (), " tcp": (("tcp", 18080),), " udp": (("udp", 18053),)}

# title, name in the raw numbers, upper limit as a share of the old version's time
ROWS = [
    ("ADD", "add", 0.95),
    ("DEL", "delete", 1.0),
    ("ADD, a TCP port published", "tcp add", 1.05),
    ("DEL, a TCP port published", "tcp delete", 1.0),
    ("ADD, a UDP port published", "udp add", None),
    ("DEL, a UDP port published", "udp delete", None),
    ("ADD, {present} attached", "add, many", 0.50),
    ("DEL, {present} attached", "delete, many", 1.0),
    ("ADD, a TCP port published, {present} attached", "tcp add, many", 0.55),
    ("DEL, a TCP port published, {present} attached", "tcp delete, many", 1.0),
    ("ADD, a UDP port published, {present} attached", "udp add, many", None),
    ("DEL, a UDP port published, {present} attached", "udp delete, many", None),
    ("ADD, {flows} flows", "add, flows", None),
    ("DEL, {flows} flows", "delete, flows", None),
    ("ADD, a UDP port published, {flows} flows", "udp add, flows", None),
    ("DEL, a UDP port published, {flows} flows", "udp delete, flows", None),
]


def start(program, containers):
    host = Host(program)
    with host:
        sh("flatnet up")
        make_namespaces(containers)
    return host


def measure(raw, sizes):
    configure("network: flatnet\nsubnet: 10.87.0.0/20\n")
    hosts = {"new": start(FLATNET, FIRST_OF_MANY + sizes["present"]), "old": start(OLD, FIRST_OF_MANY + sizes["present"])}
    sizes["flows"] = flows.possible(sizes["flows"])
    candidates = [flatnet(name + kind, host, ports) for kind, ports in PORTS.items() for name, host in hosts.items()]
    plain = candidates[: len(hosts)]
    for candidate in plain:
        with candidate.host:
            timed(candidate.add(0))
    say(f"new and old, {sizes['rounds']} rounds of ADD and DEL without a port, with one of TCP, with one of UDP")
    alternating(raw, candidates, sizes["rounds"], "", 1)
    flows.end_one(raw, hosts["new"], sizes["rounds"] // 2, "")
    say(f"the same with {sizes['flows']} flows")
    for host in hosts.values():
        with host:
            flows.fill(sizes["flows"])
    alternating(raw, [one for one in candidates if " tcp" not in one.name], sizes["rounds"] // 2, ", flows", 1)
    flows.end_one(raw, hosts["new"], sizes["rounds"] // 2, ", flows")
    for host in hosts.values():
        with host:
            flows.flush()
    say(f"the same beside {sizes['present']} containers")
    for candidate in plain:
        attach_many(candidate, sizes["present"])
    alternating(raw, candidates, sizes["rounds"], ", many", sizes["present"])
    for host in hosts.values():
        host.close()


def table(raw, sizes):
    lines = [{"what": "what", "new": "new", "old": "old", "ratio": "new / old", "target": "at most", "reached": "reached"}]
    for title, name, most in ROWS:
        if f"old {name}" not in raw:
            continue
        ratio = ratios(raw, name, "new", "old")
        lines.append({
            "what": title.format(present=sizes["present"], flows=f"{sizes['flows']:,}"),
            "new": f"{median(raw[f'new {name}']):.1f} ms",
            "old": f"{median(raw[f'old {name}']):.1f} ms",
            "ratio": spread(ratio),
            "target": "" if most is None else f"{most:g}",
            "reached": reached(median(ratio), most),
        })
    return "\n\n".join([markdown(lines), *ending(raw, sizes)])


def ending(raw, sizes):
    """The cost of ending flows, as a sentence."""
    if "conntrack, flows" in raw:
        few, many = median(raw["conntrack"]), median(raw["conntrack, flows"])
        yield f"`conntrack -D` alone, which ends one flow: {few:.1f} ms among few, {many:.1f} ms among {sizes['flows']:,}."
