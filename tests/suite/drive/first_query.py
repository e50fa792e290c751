"""Asks for a container's name as soon as ADD and DEL have returned, from another container."""

import ctypes
import json
import os
import socket
import struct
import sys

from plugin import address, netns, succeed

RESOLVER = ("10.87.1.1", 53)
CLIENT, SERVER = "client", "server"


def socket_in(namespace):
    """A UDP socket in a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    other = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    for step in (other, own):
        if libc.setns(step, 0):
            raise OSError(ctypes.get_errno(), "setns")
        if step == other:
            found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.settimeout(5)
    found.connect(RESOLVER)
    return found


def ask(client, number, name):
    """The addresses of `name`; none if it does not exist."""
    labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b"."))
    client.send(struct.pack(">6H", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1))
    answer = client.recv(4096)
    identifier, flags, _, answers, _, _ = struct.unpack(">6H", answer[:12])
    if identifier != number & 0xFFFF or flags & 0xF not in (0, 3):
        return [f"flags {flags:04x}"]
    at = 12 + len(labels) + 1 + 4
    found = []
    for _ in range(answers):
        # A pointer to the question's name, type, class, TTL, length, address.
        found.append(socket.inet_ntoa(answer[at + 12:at + 16]))
        at += 16
    return found


def main(plan):
    netns("add", CLIENT)
    netns("add", SERVER)
    succeed("ADD", CLIENT)
    client = socket_in(CLIENT)
    wrong = []
    for number in range(plan["first"], plan["first"] + plan["runs"]):
        name = f"db{number}"
        conf = {"runtimeConfig": {"aliases": {"flatnet": [name]}}}
        own = address(succeed("ADD", f"c{number}", conf, SERVER)[0])
        answers = [ask(client, number, name)]
        succeed("DEL", f"c{number}", conf, SERVER)
        answers.append(ask(client, number, name))
        if answers != [[own], []]:
            wrong.append(f"{name} is {own}: {answers}")
    succeed("DEL", CLIENT)
    netns("del", CLIENT)
    netns("del", SERVER)
    print(json.dumps({"wrong": wrong}))


main(json.load(sys.stdin))
