"""Namespaces as hosts: a client in the LAN, Windows with the gateway, this host with Podman, and a separate backend.

    lan 192.168.50.23 ---- 192.168.50.1 windows 192.168.77.1 ---- 192.168.77.10 (the sandbox itself, Flatnet's containers)
                                        windows 10.87.9.1    ---- 10.87.9.2 box
"""

import contextlib
import ctypes
import os
import socket
import time

from measure import Failed, sh

GATEWAY = "192.168.50.1"
BOX = "10.87.9.2"

WIRES = """
wire() { # NAMESPACE ITS-LINK ITS-ADDRESS OTHER-NAMESPACE OTHER-LINK OTHER-ADDRESS
    ip link add "$2" netns "$1" type veth peer name "$5" netns "$4"
    ip -n "$1" addr add "$3/24" dev "$2"; ip -n "$1" link set "$2" up
    ip -n "$4" addr add "$6/24" dev "$5"; ip -n "$4" link set "$5" up
}
for name in lan windows box; do ip netns add $name; ip -n $name link set lo up; done
ip netns attach host 1
wire windows lan 192.168.50.1 lan eth0 192.168.50.23
wire windows box 10.87.9.1 box eth0 10.87.9.2
wire windows wsl 192.168.77.1 host windows 192.168.77.10
ip -n windows route add 10.87.1.0/24 via 192.168.77.10
ip route add default via 192.168.77.1
"""

FLATNET = """
sed -i 's/^ingress_gateways: auto$/ingress_gateways: [192.168.77.1]/' /etc/flatnet/flatnet.yaml
flatnet up
flatnet gateway install
"""


def set_up():
    sh("flatnet init")
    sh(WIRES)
    sh(FLATNET)


@contextlib.contextmanager
def inside(namespace):
    """Enters a network namespace. Sockets created and programs started inside stay in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as own, open(f"/run/netns/{namespace}", "rb") as other:
        if libc.setns(other.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), f"setns to {namespace}")
        try:
            yield
        finally:
            libc.setns(own.fileno(), 0)


def connect(address, port=80, namespace="lan", timeout=30):
    with inside(namespace):
        connection = socket.socket()
    connection.settimeout(timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.connect((address, port))
    return connection


def ask(connection, host, path="/"):
    """Sends a GET over a connection that stays open; returns the status and the body."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\r\n".encode())
    stream = connection.makefile("rb")
    status = int(stream.readline().split()[1])
    length, is_chunked = 0, False
    while (line := stream.readline().strip().lower()):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
        is_chunked |= line == b"transfer-encoding: chunked"
    body = b"".join(chunks(stream)) if is_chunked else stream.read(length)
    return status, body.decode()


def chunks(stream):
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()


def get(host, path="/"):
    """Sends a GET from the LAN over a new connection, like a browser's first request."""
    with contextlib.closing(connect(GATEWAY)) as connection:
        return ask(connection, host, path)


def await_true(what, condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"after {seconds} s there is still not: {what}")
        time.sleep(0.02)


def is_listening(address, port, namespace):
    try:
        connect(address, port, namespace, timeout=0.5).close()
    except OSError:
        return False
    return True


def cores():
    """The core of the measured server, and the cores of clients and backends."""
    first, *others = sorted(os.sched_getaffinity(0))
    return str(first), ",".join(map(str, others or [first]))
