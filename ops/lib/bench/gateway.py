"""Measures the HTTP gateway. Started by ops/bench, in a sandbox, as root."""

import argparse

import report
from measure import median, say
from web import delays, servers, table
from web.load import Routes, in_turns, route
from web.network import set_up
from web.servers import HOST

QUICK = {"rounds": 2, "seconds": 1, "changes": 3, "containers": 1, "stall_seconds": 2}
FULL = {"rounds": 12, "seconds": 3, "changes": 20, "containers": 8, "stall_seconds": 5}


def throughput(raw, sizes, routes):
    routes.publish([route("web", [HOST])])
    running = []
    try:
        for server in servers.rivals():
            running.append(server)
        say(f"requests, {sizes['rounds']} rounds of {', '.join(server.name for server in running)}")
        in_turns(raw, running, sizes["rounds"], sizes["seconds"], table.MANY)
        in_turns(raw, running, max(sizes["rounds"] // 3, 1), sizes["seconds"], table.ONE)
    finally:
        for server in running:
            server.stop()


def changes(raw, sizes, routes):
    say(f"{sizes['changes']} routes, swaps under load")
    delays.routed(raw, routes, sizes["changes"])
    delays.swaps(raw, routes)
    delays.stalls(raw, routes, sizes["rounds"], sizes["stall_seconds"])


def containers(raw, sizes):
    say(f"{sizes['containers']} containers each: new, late, dead, restarted")
    with delays.Watch():
        delays.reachable(raw, "new", sizes["containers"], "")
        delays.reachable(raw, "late", sizes["containers"], "sh -c 'sleep 3; exec httpd -f -p 80 -h /www'")
        delays.named(raw, sizes["containers"])
        delays.restarts(raw, max(sizes["containers"] // 4, 1))


def measure(raw, sizes):
    routes = Routes()
    backend = servers.backend()
    throughput(raw, sizes, routes)
    # As in normal use, the gateway may use all cores.
    gateway = servers.gateway(servers.every_core())
    changes(raw, sizes, routes)
    gateway.stop()
    routes.remove()
    gateway = servers.gateway(servers.every_core())
    containers(raw, sizes)
    gateway.stop()
    backend.stop()


def about():
    versions = {name: report.first_line(*argv) for name, argv in servers.VERSIONS.items()}
    return report.system() | versions


def main():
    parser = argparse.ArgumentParser(prog="ops/bench gateway", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds, to see that all of it works")
    parser.add_argument("--rounds", type=int, default=FULL["rounds"], help="rounds of requests (12)")
    parser.add_argument("--save", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL | {"rounds": options.rounds}
    raw = {}

    def all_of_it():
        set_up()
        measure(raw, sizes)

    report.measure_and_save(all_of_it, options.save, raw, sizes, about)
    print(table.servers(raw) + "\n")
    print(table.promises(raw))
    busy = "; ".join(f"{key} {median(raw[f'{key} busy, {table.MANY}']):.0%}" for key in table.NAMES)
    print(f"\nEach server had one core. That core's share of time at it: {busy}. Below 100% something else held it up too.")


main()
