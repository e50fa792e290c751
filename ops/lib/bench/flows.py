"""What the kernel remembers of flows: filling its table, and what it costs to end some of them."""

from measure import Call, Failed, sh, timed

CONNTRACK = "/usr/sbin/conntrack"
MOST = "/proc/sys/net/netfilter/nf_conntrack_max"
# Nobody has it; a flow to it is there to be ended.
ADDRESS = "10.87.15.250"


def possible(wanted):
    """The kernel's limit counts for each network namespace, and only the machine's own may set it: a sandbox keeps below it."""
    with open(MOST, encoding="utf-8") as file:
        most = int(file.read())
    # 0 is no limit. A part stays free for what the benchmark itself sends.
    return min(wanted, most * 4 // 5) if most else wanted


def flow(number):
    """UDP from outside to one of 200 containers that are not there, each from another address and port."""
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
    """The command alone: it ends one flow, which it finds among all by address and port."""
    with host:
        for _ in range(rounds):
            sh(f"{CONNTRACK} -I -p udp -s 198.51.100.1 -d {ADDRESS} --sport 5353 --dport 53 -t 3600")
            call = Call([CONNTRACK, "-D", "-p", "udp", "--orig-dst", ADDRESS, "--orig-port-dst", "53"])
            raw.setdefault(f"conntrack{suffix}", []).append(timed(call))
