"""The rows of a soak with their long counts. The suite runs the same tests with shorter counts."""

from typing import NamedTuple


class Row(NamedTuple):
    """`tests` is the prefix of its tests' names; each of these tests runs once in a round, with the round's count."""

    name: str
    what: str
    tests: str
    wanted: int
    unit: str
    a_round: int  # the part of `wanted` that one round does
    minutes: int  # a round that takes longer has failed


ROWS = [
    Row("kill-steps", "SIGKILL after every step of ADD and DEL", "kill_steps::", 20, "rounds", 1, 15),
    Row("kill-random", "SIGKILL at a random moment, then DEL", "kill_random::", 10_000, "kills", 400, 15),
    Row("interleaved", "a run paused at each lock while another one runs", "interleaved::", 1, "rounds", 1, 30),
    Row("parallel", "ADDs in parallel, then DELs", "storm::parallel", 4_000, "containers", 200, 10),
    Row("mixed", "ADD, DEL, CHECK, gc, up, repair, rules, ps, status at once", "storm::mixed", 60, "seconds", 20, 5),
    Row("exhaustion", "a full /29, a full bridge", "soak_exhaustion::", 20, "rounds", 1, 10),
    Row("disk", "disk full, no inodes, read-only, at every write", "soak_disk", 20, "rounds", 1, 15),
    Row("state", "state cut short, garbled, foreign, deleted", "soak_state", 1_000, "files", 200, 15),
    Row("fuzz", "stdin, YAML and environment, fuzzed", "soak_fuzz", 10_000_000, "cases", 200_000, 30),
    Row("users", "messages of users to root's service, fuzzed", "soak_fuzz::fuzzed_message", 10_000_000, "messages", 1_000_000, 30),
    Row("users-kill", "SIGKILL of root's service at a random moment of a user's request", "rootless_hostile::podman4::killed", 2_000, "requests", 200, 15),
    Row("dns", "messages to the resolver, fuzzed", "soak_dns", 10_000_000, "messages", 2_000_000, 30),
    Row("names", "the first question for a name after ADD and after DEL", "soak_names::", 10_000, "containers", 1_000, 15),
    Row("hostile", "names, IDs, paths, labels that attack shell, nft and files", "soak_hostile::", 100_000, "calls", 10_000, 15),
    Row("reuse", "an address reused at once: its first pings", "soak_reuse::", 1_000, "reuses", 50, 10),
    Row("overlay", "three hosts, two behind NATs: killed, moved, cut off, expired, copied; lighthouses away: they find one another again", "soak_overlay::", 360, "events", 30, 20),
    Row("gateway", "restarts under all kinds of requests through the gateway", "soak_gateway::", 1_800, "seconds", 300, 15),
    Row("cycle", "ADD and DEL, one after the other", "soak_cycle::", 50_000, "cycles", 5_000, 30),
]


def quick(row):
    """The same, shortened for --quick."""
    wanted = max(row.wanted // 100, 1)
    return row._replace(wanted=wanted, a_round=min(row.a_round, wanted))
