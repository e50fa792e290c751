"""Calls the plugin as a runtime does, and inspects the host. Shared by the drivers in this folder."""

import json
import os
import socket
import subprocess
import tempfile
import time

FLATNET = "/usr/local/bin/flatnet"
STATE, RUN = "/var/lib/flatnet/flatnet", "/run/flatnet/flatnet"


def start(command, container, conf=None, namespace=None, **options):
    """Starts the call. The namespace is /run/netns/CONTAINER unless another one is given."""
    text = {"cniVersion": "1.0.0", "name": "flatnet", "type": "flatnet", **(conf or {})}
    path = f"/run/netns/{namespace or container}"
    variables = {"COMMAND": command, "CONTAINERID": container, "NETNS": path, "IFNAME": "eth0", "PATH": "/opt/cni/bin"}
    environment = {f"CNI_{name}": value for name, value in variables.items()}
    with tempfile.TemporaryFile() as stdin:
        stdin.write(json.dumps(text).encode())
        stdin.seek(0)
        return subprocess.Popen(
            [FLATNET], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], **environment}, **options,
        )


def call(command, container, conf=None, namespace=None):
    """Runs the call: its exit status, output, and milliseconds."""
    began = time.monotonic()
    process = start(command, container, conf, namespace)
    stdout, stderr = process.communicate()
    return process.returncode, stdout + stderr, (time.monotonic() - began) * 1000


def succeed(command, container, conf=None, namespace=None):
    """Runs the call, which must succeed: its output and milliseconds."""
    status, said, milliseconds = call(command, container, conf, namespace)
    if status:
        raise RuntimeError(f"{command} of {container}: status {status}: {said}")
    return said, milliseconds


def address(said):
    """The address in the output of an ADD: its result, which warnings may follow."""
    result, _ = json.JSONDecoder().raw_decode(said)
    return result["ips"][0]["address"].split("/")[0]


def publish(port):
    return {"runtimeConfig": {"portMappings": [{"hostPort": port, "containerPort": 80, "protocol": "tcp"}]}}


def netns(verb, name):
    subprocess.run(["ip", "netns", verb, name], check=True)


def settle():
    """Waits until the programs have ended that DEL leaves running. If one was killed, and the next DEL came before it was dead,
    its file is left for the next ADD of the address or for gc."""
    end = time.monotonic() + 5
    while any(name.endswith(".flows") for name in os.listdir(RUN)):
        if time.monotonic() > end:
            subprocess.run([FLATNET, "gc"], check=True, capture_output=True)
            return
        time.sleep(0.001)


def look():
    """Flatnet's objects that can be listed quickly: links, the ruleset, held addresses, receipts and locks; a line each."""
    settle()
    ruleset = subprocess.run(["nft", "-s", "list", "ruleset"], check=True, capture_output=True, text=True).stdout
    # Not from /sys/class/net, which shows a link for a moment longer after its namespace was deleted.
    links = {f"link {name}" for _, name in socket.if_nameindex()}
    found = links | {f"rule {line}" for line in ruleset.splitlines()}
    found |= {f"file {folder}/{name}" for folder in (STATE, STATE + "/receipts", RUN) for name in os.listdir(folder)}
    with open(STATE + "/leases.json", encoding="utf-8") as file:
        leases = json.load(file)["leases"]
    held = {f"{address} is held by {lease['container_id']}" for address, lease in leases.items() if not lease.get("released")}
    return found | held
