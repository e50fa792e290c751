"""The conntrack table: filling it, and the cost of deleting entries."""

from measure import Call, Failed, sh, timed

CONNTRACK = "/usr/sbin/conntrack"
MOST = "/proc/sys/net/netfilter/nf_conntrack_max"
# An unassigned address, whose flow is deleted.
ADDRESS = "10.87.15.250"


def possible(wanted):
    """The kernel's limit applies to each network namespace, and a sandbox cannot change it, so it stays below."""
    with open(MOST, encoding="utf-8") as file:
        most = int(file.read())
    # 0 means no limit. A part stays free for the benchmark's own traffic.
    return min(wanted, most * 4 // 5) if most else wanted


def flow(number):
    """UDP from outside to one of 200 missing containers, each from another address and port."""
    source = f"198.{18 + (number >> 16) % 2}.{number >> 8 & 255}.{number & 255}"
    return f"-I -p udp -s {source} -d 10.87.14.{number % 200 + 1} --sport {1024 + number // 131072} --dport 53 -t 3600\n"


def fill(count):
    sh(f"{CONNTRACK} -R -", "".join(map(flow, range(count))))
    found = int(sh(f"{CONNTRACK} -C"))
    if found < count:
        raise Failed(f"the kernel remembers {found} flows of {count} that it was given")


def flush():
    sh(f"{CONNTRACK} -F")


def end_one(raw, host, rounds, suffix):
    """The command alone: it deletes one flow, by address and port."""
    with host:
        for _ in range(rounds):
            sh(f"{CONNTRACK} -I -p udp -s 198.51.100.1 -d {ADDRESS} --sport 5353 --dport 53 -t 3600")
            call = Call([CONNTRACK, "-D", "-p", "udp", "--orig-dst", ADDRESS, "--orig-port-dst", "53"])
            raw.setdefault(f"conntrack{suffix}", []).append(timed(call))
