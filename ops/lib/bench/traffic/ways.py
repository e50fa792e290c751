"""The candidates: each is a host with two containers, and Windows beyond it.

    windows 172.27.0.1 ---- 172.27.0.2 the host ---- bench0, the client; bench1, the server
"""

import socket

from candidates import Netavark, configure, flatnet, make_namespaces, netns
from designs import OLD
from hosts import FLATNET, Host
from measure import sh, timed

CLIENT, SERVER = netns(0), netns(1)

# The places of the client, and the command prefix that runs a program there.
PATHS = {"containers": ["ip", "netns", "exec", CLIENT], "host": [], "gateway": ["ip", "netns", "exec", "windows"]}

WINDOWS = """
ip netns add windows
ip -n windows link set lo up
ip link add windows type veth peer name eth0 netns windows
ip addr add 172.27.0.2/24 dev windows
ip link set windows up
ip -n windows addr add 172.27.0.1/24 dev eth0
ip -n windows link set eth0 up
ip -n windows route add 10.0.0.0/8 via 172.27.0.2
ip route add default via 172.27.0.1
sysctl -qw net.ipv4.ip_forward=1
"""

CONTAINERS = f"ip -n {CLIENT} link set lo up; ip -n {SERVER} link set lo up"

# The minimum of veth pairs: one between the containers, and one to the host, which forwards to Windows.
VETH = f"""
ip link add container type veth peer name eth0 netns {SERVER}
ip addr add 10.91.0.1/24 dev container
ip link set container up
ip -n {SERVER} addr add 10.91.0.2/24 dev eth0
ip -n {SERVER} link set eth0 up
ip -n {SERVER} route add default via 10.91.0.1
ip -n {CLIENT} link add eth0 type veth peer name pair netns {SERVER}
ip -n {CLIENT} addr add 10.92.0.1/24 dev eth0
ip -n {CLIENT} link set eth0 up
ip -n {SERVER} addr add 10.92.0.2/24 dev pair
ip -n {SERVER} link set pair up
"""


class Way:
    """A host with one kind of network. `address` is the server's address, `beside` the one that the other container uses."""

    server = SERVER

    def __init__(self, name, program=FLATNET):
        self.name, self.host = name, Host(program)
        with self.host:
            sh(WINDOWS)
            make_namespaces(2)
            sh(CONTAINERS)

    def attach(self, candidate):
        with self.host:
            for number in range(2):
                timed(candidate.add(number))
        self.look()
        return self

    def look(self):
        with self.host:
            printed = sh(f"ip -n {SERVER} -4 -o addr show dev eth0")
        self.address = self.beside = printed.split()[3].split("/")[0]

    def enter(self, path):
        return PATHS[path]

    def reaches(self, port):
        """Whether the server answers, seen from its host."""
        try:
            socket.create_connection((self.address, port), timeout=0.5).close()
        except OSError:
            return False
        return True

    def target(self, path):
        return self.beside if path == "containers" else self.address


def with_flatnet(name, program):
    way = Way(name, program)
    with way.host:
        sh("flatnet up")
    return way.attach(flatnet(name))


def plain():
    way = Way("veth")
    with way.host:
        sh(VETH)
    way.look()
    way.beside = "10.92.0.2"
    return way


def all_ways(has_old):
    configure("network: flatnet\nsubnet: 10.87.1.0/24\ningress_gateways: [172.27.0.1]\n")
    ways = [with_flatnet("flatnet", FLATNET)] + ([with_flatnet("old", OLD)] if has_old else [])
    return [*ways, plain(), Way("netavark").attach(Netavark())]
