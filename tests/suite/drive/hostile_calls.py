"""Calls of all faces with one hostile value; the rest is valid, so that the call is not rejected for another reason."""

import copy
import json
import shlex

from hostile_texts import bytes_of, hostile

CONFIG, LAB = "/etc/flatnet/flatnet.yaml", "/tmp/lab"
RESIDENT = {"containerID": "resident", "ifname": "eth0"}


class Call:
    """A call with its arguments, environment and standard input; `undo` is the verb of the call that undoes it."""

    def __init__(self, face, verb, words=(), variables=None, stdin=None, undo=None):
        self.face, self.verb, self.undo = face, verb, undo
        self.words, self.variables, self.stdin = list(words), dict(variables or {}), stdin
        self.is_valid = False

    def __str__(self):
        return f"{self.face} {self.verb} {self.words} {self.variables} {self.stdin!r}"[:3000]

    def undoing(self, is_valid):
        """The undo call that a runtime makes later, with the same input."""
        call = copy.deepcopy(self)
        call.verb, call.undo, call.is_valid = self.undo, None, is_valid
        if self.face == "cni":
            call.variables["CNI_COMMAND"] = call.verb.encode()
        else:
            call.words[0] = call.verb.encode()
        return call

    def seal(self):
        """Encodes all texts as bytes, as a process gets them."""
        self.words = [bytes_of(word) for word in self.words]
        self.variables = {name: bytes_of(value) for name, value in self.variables.items()}
        self.stdin = b"" if self.stdin is None else json.dumps(self.stdin).encode()


def places(value):
    """For each value in a JSON document: the object or list that contains it, and its key there."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from places(inner)


def spoil_json(dice, value):
    """Replaces one value, or renames a field."""
    inside, key = dice.choice(list(places(value)))
    good = inside[key]
    if isinstance(inside, dict) and dice.random() < 0.15:
        inside[hostile(dice, key)] = inside.pop(key)
    elif isinstance(good, str) or dice.random() < 0.6:
        inside[key] = hostile(dice, good if isinstance(good, str) else "")
    else:
        inside[key] = dice.choice([None, True, [], {}, [[]], -1, 65_536, 2**64 - 1, 1.5, {"": {}}, ["a", "a"]])


def cni(verb):
    container = "resident" if verb == "CHECK" else "c1"
    variables = {
        "CNI_COMMAND": verb, "CNI_CONTAINERID": container, "CNI_NETNS": f"/run/netns/{container}", "CNI_IFNAME": "eth0",
        "CNI_PATH": "/opt/cni/bin", "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=web;LABEL=value;IP=10.87.1.9;MAC=02:00:00:00:00:09",
    }  # fmt: skip
    conf = {
        "cniVersion": "1.1.0", "name": "flatnet", "type": "flatnet", "config": CONFIG,
        "capabilities": {"portMappings": True, "ips": True, "mac": True, "aliases": True},
        "runtimeConfig": {
            "aliases": {"flatnet": ["web", "www"]}, "ips": ["10.87.1.9/24"], "mac": "02:00:00:00:00:09",
            "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "127.0.0.1"}],
            "labels": {"app": "web"},
        },
        "args": {"cni": {"ips": ["10.87.1.9"], "mac": "02:00:00:00:00:09", "labels": [{"key": "app", "value": "web"}]}},
        "prevResult": {
            "cniVersion": "1.1.0", "interfaces": [{"name": "br", "mac": "x"}, {"name": "net1", "sandbox": "/run/netns/c1"}],
            "ips": [{"address": "192.0.2.7/24", "gateway": "192.0.2.1", "interface": 1}],
            "routes": [{"dst": "192.0.2.0/24"}], "dns": {"nameservers": ["192.0.2.1"], "search": ["a.test"]},
        },
    }  # fmt: skip
    return Call("cni", verb, variables=variables, stdin=conf, undo="DEL" if verb == "ADD" else None)


def netavark(verb):
    words = [verb, "/run/netns/c1"] if verb in ("setup", "teardown") else [verb]
    options = {"config": CONFIG}
    call = {
        "container_id": "c1", "container_name": "web", "name": "flatnet", "options": dict(options), "driver": "flatnet",
        "port_mappings": [{"container_port": 80, "host_ip": "127.0.0.1", "host_port": 8080, "protocol": "tcp,udp", "range": 2}],
        "network": {
            "name": "flatnet", "id": "0", "driver": "flatnet", "network_interface": "flatnet-br0", "internal": False,
            "subnets": [{"subnet": "10.87.1.0/24", "gateway": "10.87.1.1"}], "options": options, "dns_enabled": False,
            "ipam_options": {"driver": "flatnet"}, "labels": {"app": "web"}, "network_dns_servers": ["10.87.1.1"],
        },
        "network_options": {
            "interface_name": "eth0", "aliases": ["www"], "static_ips": ["10.87.1.9"], "static_mac": "02:00:00:00:00:09",
        },
    }  # fmt: skip
    return Call("netavark", verb, words, stdin=call, undo="teardown" if verb == "setup" else None)


# Commands that people type. One of the arguments marked with `{}` becomes hostile.
COMMANDS = [
    "plan add {}web --id {}c1 --netns {}/run/netns/c1 --ip {}10.87.1.9 --ifname {}eth0 --dry-run --format {}sh",
    "plan del {}web --id {}c1 --dry-run --config {}/etc/flatnet/flatnet.yaml",
    "inspect {}resident --json",
    "inspect {}resident --state-dir {}/var/lib/flatnet",
    "explain {}FLAT-E045",
    "ps --all --state-dir {}/var/lib/flatnet --run-dir {}/run/flatnet",
    "ps --config {}/etc/flatnet/flatnet.yaml",
    "config check {}/etc/flatnet/flatnet.yaml",
    "status --json --config {}/etc/flatnet/flatnet.yaml --state-dir {}/var/lib/flatnet",
    "rules --config {}/etc/flatnet/flatnet.yaml",
    "gc --json --config {}/etc/flatnet/flatnet.yaml",
    "repair --dry-run --format {}json --config {}/etc/flatnet/flatnet.yaml",
    "completions {}bash",
    "{}man",
    "init --network {}lab --bridge {}lab-br0 --host {}2 --root /tmp/lab/root --config {}/lab.yaml",
]  # fmt: skip


def cli(dice, spoiled):
    words = shlex.split(dice.choice(COMMANDS))
    at = dice.choice([place for place, word in enumerate(words) if word.startswith("{}")])
    words = [word.removeprefix("{}") for word in words]
    if spoiled:
        words[at] = hostile(dice, words[at])
    return Call("cli", words[0], words)


def lab(dice, spoiled):
    """A second network with a hostile configuration, which is checked or brought up and taken down again."""
    config = {
        "network": "lab", "bridge": "lab-br0", "range": "10.99.0.0/16", "subnet": "10.99.1.0/24", "bridge_address": "10.99.1.1",
        "allocate": {"from": "10.99.1.2", "to": "10.99.1.99"}, "reserved": ["10.99.1.9"], "mtu": 1400, "uplink": "none",
        "ingress_gateways": ["192.0.2.1"], "egress": "masquerade", "bridging": "isolated",
        "host_ports": [{"protocol": "tcp", "port": 53}], "dns": {"servers": ["10.99.1.1"], "search": ["a.test"]},
        "limits": {"command_seconds": 10, "lock_seconds": 10}, "tools": {"ip": "/usr/sbin/ip", "nft": "/usr/sbin/nft"},
        "paths": {"state": f"{LAB}/state", "run": f"{LAB}/run", "log": f"{LAB}/log"},
    }  # fmt: skip
    paths = config.pop("paths")
    if spoiled and dice.random() < 0.15:
        paths[dice.choice(list(paths))] = f"{LAB}/{hostile(dice)}"
    elif spoiled:
        spoil_json(dice, config)
    # With the first network's name, this would be another configuration of that network.
    if config.get("network") == "flatnet":
        config["network"] = "lab"
    file = f"{LAB}/lab.yaml"
    text = json.dumps({**config, "paths": paths}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    kind = dice.choice(["check", "check", "check", "check", "rules", "plan", "up", "add"])
    if kind == "add":
        call = cni("ADD")
        call.stdin = {"cniVersion": "1.0.0", "name": str(config.get("network")), "type": "flatnet", "config": file}
        call.variables["CNI_ARGS"] = ""
    else:
        words = {"check": "config check", "plan": "plan --dry-run --format sh"}.get(kind, kind).split()
        call = Call("cli", kind, [*words, "--config", file])
    return call, (file, text)


def next_call(dice, valid):
    """A call, and the configuration that it needs; one value is hostile unless `valid`."""
    face, file = dice.choices(["cni", "netavark", "cli", "lab"], [38, 20, 38, 4])[0], None
    if face == "cli":
        call = cli(dice, not valid)
    elif face == "lab":
        call, file = lab(dice, not valid)
    else:
        call = of_a_runtime(dice, face, not valid)
    call.is_valid = valid
    call.seal()
    return call, file


def of_a_runtime(dice, face, spoiled):
    make, verbs = RUNTIMES[face]
    call = make(dice.choices(list(verbs), verbs.values())[0])
    if dice.random() < 0.5:
        # Without ports: a hostile ID in a port's element would make the whole nft transaction fail.
        for ports in ("portMappings", "port_mappings"):
            call.stdin.get("runtimeConfig", call.stdin).pop(ports, None)
    if spoiled:
        spoil(dice, call)
    if call.verb == "GC" and isinstance(call.stdin, dict):
        # GC removes attachments that are not listed, so the permanent container is always listed.
        other = {"containerID": hostile(dice, "c1"), "ifname": hostile(dice, "eth0")} if spoiled else {"containerID": "c1", "ifname": "eth0"}
        listed = [RESIDENT, other]
        call.stdin["cni.dev/valid-attachments"] = listed
    return call


# The verbs that runtimes call, with their weights.
RUNTIMES = {
    "cni": (cni, {"ADD": 70, "DEL": 10, "CHECK": 2, "GC": 4, "STATUS": 6, "VERSION": 4}),
    "netavark": (netavark, {"setup": 70, "teardown": 10, "create": 15, "info": 5}),
}
# Variables with names are chosen most often.
VARIABLES = [f"CNI_{name}" for name in ["CONTAINERID"] * 4 + ["IFNAME"] * 2 + ["NETNS"] * 2 + ["ARGS"] * 3 + ["COMMAND", "PATH"]]


def spoil(dice, call):
    """Makes one variable, one argument or one value of standard input hostile; rarely, two."""
    for _ in range(dice.choice([1, 1, 1, 1, 1, 2])):
        if call.variables and dice.random() < 0.85:
            name = dice.choice(VARIABLES)
            pairs = call.variables[name].split(";")
            pair = dice.randrange(len(pairs))
            key, _, value = pairs[pair].rpartition("=")
            pairs[pair] = f"{key}={hostile(dice, value)}" if key else hostile(dice, value)
            call.variables[name] = ";".join(pairs)
        elif len(call.words) > 1 and dice.random() < 0.3:
            call.words[1] = hostile(dice, call.words[1])
        elif isinstance(call.stdin, dict):
            # Half of the time in the part that Flatnet interprets.
            inner = call.stdin.get("network_options", call.stdin.get("runtimeConfig"))
            spoil_json(dice, inner if inner and isinstance(inner, dict) and dice.random() < 0.5 else call.stdin)


def down(file):
    """The call that undoes everything made from the configuration `file`."""
    call = Call("cli", "down", ["down", "--force", "--config", file])
    call.seal()
    return call
