"""The candidates: each returns the calls that attach and detach container number N."""

import contextlib
import glob
import hashlib
import json
import os
import re
import subprocess

from hosts import FLATNET
from measure import Call, Failed, sh

REFERENCE = "/usr/lib/cni/bridge"
BARE = "/usr/local/bin/bare"
INPUTS = "/run/bench"
RECEIPTS = "/var/lib/flatnet/flatnet/receipts"
CONFIG = "/etc/flatnet/flatnet.yaml"
# The sandbox itself, instead of a separate host in it.
HERE = contextlib.nullcontext()


def container_id(number):
    return hashlib.sha256(f"bench {number}".encode()).hexdigest()


def netns(number):
    return f"bench{number}"


def make_namespaces(count):
    sh("ip -batch -", "".join(f"netns add {netns(number)}\n" for number in range(count)))


def write(name, text):
    os.makedirs(INPUTS, exist_ok=True)
    path = os.path.join(INPUTS, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def configure(text, path=CONFIG):
    """Flatnet's configuration; the same for all hosts of the sandbox, unless they name another `path`."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Cni:
    """A CNI plugin, its network configuration, and its host; `links` is the pattern of the containers' links there."""

    def __init__(self, name, plugin, conf, links, host=HERE):
        self.name, self.plugin, self.links, self.host = name, plugin, links, host
        self.conf = write(f"{name}.json", json.dumps(conf))

    def call(self, command, number):
        env = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container_id(number),
            "CNI_NETNS": f"/run/netns/{netns(number)}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": "/opt/cni/bin:/usr/lib/cni",
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAME=bench-{number}",
        }
        return Call([self.plugin], env, self.conf)

    def add(self, number):
        return self.call("ADD", number)

    def delete(self, number):
        return self.call("DEL", number)

    def attached(self):
        """The number of containers' links in the kernel."""
        return len(glob.glob(f"/sys/class/net/{self.links}"))


def flatnet(name="flatnet", host=HERE, ports=(), config=CONFIG):
    """`ports` are pairs of protocol and port to publish; the host port equals the container port."""
    mappings = [{"hostPort": port, "containerPort": port, "protocol": protocol} for protocol, port in ports]
    conf = {"cniVersion": "1.0.0", "name": "flatnet", "type": "flatnet", "config": config}
    if mappings:
        conf["runtimeConfig"] = {"portMappings": mappings}
    return Cni(name, FLATNET, conf, "fn*", host)


def reference():
    """Debian's plugins bridge and host-local with masquerading, which do comparable work."""
    conf = {
        "cniVersion": "1.0.0",
        "name": "reference",
        "type": "bridge",
        "bridge": "reference0",
        "isDefaultGateway": True,
        "ipMasq": True,
        "ipam": {"type": "host-local", "subnet": "10.88.0.0/20"},
    }
    return Cni("reference", REFERENCE, conf, "reference0/brif/*")


def of_podman(program):
    """The command of a program of Podman: the Debian 13 tree's, which is newer, or the machine's if there is no tree."""
    tree = os.environ.get("FLATNET_TRIXIE", "/var/cache/flatnet-test/trixie")
    loaders = glob.glob(f"{tree}/usr/lib*/ld-linux-*.so.*") + glob.glob(f"{tree}/usr/lib/*/ld-linux-*.so.*")
    libraries = glob.glob(f"{tree}/usr/lib/*-linux-gnu")
    if loaders and libraries:
        return [os.path.realpath(loaders[0]), "--library-path", libraries[0], f"{tree}/usr/lib/podman/{program}"]
    return [f"/usr/lib/podman/{program}"]


class Netavark:
    """netavark's bridge driver."""

    name = "netavark"

    def __init__(self, host=HERE):
        self.host = host
        self.argv = of_podman("netavark")
        version = subprocess.run([*self.argv, "--version"], capture_output=True, text=True, check=False)
        self.version = version.stdout.strip()
        if version.returncode != 0:
            raise Failed(f"{' '.join(self.argv)} --version failed: {version.stderr}")

    def input(self, number):
        network = {
            "name": self.name,
            "id": container_id(self.name),
            "driver": "bridge",
            "network_interface": "netavark0",
            "subnets": [{"gateway": "10.89.0.1", "subnet": "10.89.0.0/20"}],
            "dns_enabled": False,
            "internal": False,
            "ipv6_enabled": False,
        }
        # Podman chooses the address itself, before it calls netavark.
        address = f"10.89.{(number + 2) // 256}.{(number + 2) % 256}"
        wanted = {"interface_name": "eth0", "static_ips": [address], "aliases": []}
        return {
            "container_id": container_id(number),
            "container_name": f"bench-{number}",
            "networks": {self.name: wanted},
            "network_info": {self.name: network},
        }

    def call(self, command, number):
        stdin = write(f"netavark-{number}.json", json.dumps(self.input(number)))
        argv = [*self.argv, "--config", "/run/bench-netavark", command, f"/run/netns/{netns(number)}"]
        return Call(argv, {"NETAVARK_FW": "nftables"} if len(self.argv) > 1 else {}, stdin)

    def add(self, number):
        return self.call("setup", number)

    def delete(self, number):
        return self.call("teardown", number)

    def attached(self):
        return len(glob.glob("/sys/class/net/netavark0/brif/*"))


class Floor:
    """The commands of Flatnet's own receipt, run by bare.c in the same order and just as concurrently."""

    name = "floor"

    def __init__(self, flatnet_candidate):
        self.flatnet, self.host = flatnet_candidate, flatnet_candidate.host
        self.plans = {}

    def learn(self, number, run):
        """Attaches a container with Flatnet, reads the commands from the receipt, and detaches it. `run` runs a call."""
        run(self.flatnet.add(number))
        with open(f"{RECEIPTS}/{container_id(number)}@eth0.json", encoding="utf-8") as file:
            receipt = json.loads(file.readline())
        run(self.flatnet.delete(number))
        elements, host_end, *side_by_side = receipt["commands"]
        add = [("start", elements), ("wait", host_end), *(("start", command) for command in side_by_side)]
        undo = {os.path.basename(command["argv"][0]): command for command in receipt["undo"]}
        nft = undo["nft"]
        # As Flatnet does with few addresses held (ADR 5).
        echo = len(glob.glob(f"{RECEIPTS}/*.json")) <= 300
        if echo:
            nft = {**nft, "argv": [nft["argv"][0], "-e", *nft["argv"][1:]]}
        delete = [("commit" if echo else "start", nft), (f"gone={receipt['host_link']}", undo["ip"])]
        if len(undo) != len(receipt["undo"]) or not re.search("nft$", elements["argv"][0]):
            raise Failed(f"the floor does not know how Flatnet runs this receipt:\n{json.dumps(receipt, indent=1)}")
        self.plans[number] = (self.plan(f"{number}-add", add), self.plan(f"{number}-del", delete))

    @staticmethod
    def plan(name, steps):
        lines = []
        for index, (how, command) in enumerate(steps):
            stdin = command.get("stdin")
            path = write(f"floor-{name}-{index}.in", stdin) if stdin else "/dev/null"
            program, *arguments = command["argv"]
            program = sh(f"PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v {program}").strip()
            lines.append("\t".join([how, path, program, *arguments]))
        return write(f"floor-{name}.plan", "\n".join(lines) + "\n")

    def add(self, number):
        return Call([BARE, "run", self.plans[number][0]])

    def delete(self, number):
        return Call([BARE, "run", self.plans[number][1]])

    def attached(self):
        return self.flatnet.attached()
