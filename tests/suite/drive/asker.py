"""Asks the service for rootless Podman as a hostile user might: any bytes, any descriptors, any number of times.

    asker.py MESSAGE [PATH..]     sends the message with the descriptors of these files, and prints the answer
    asker.py --leave MESSAGE [PATH..]   does not wait for the answer
    asker.py --idle COUNT [UID]   opens connections, sends nothing, and prints how many were closed within a second; or within
                                  four, each eight of them as another user, from UID on
    asker.py --flood COUNT        sends COUNT requests at once, and prints how many were answered with each code
"""

import array
import collections
import json
import os
import select
import socket
import sys
import time

SOCKET = "/var/lib/flatnet-serve/socket"


def connected():
    service = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    service.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    service.connect(SOCKET)
    return service


def send(service, message, paths=()):
    descriptors = array.array("i", [os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in paths])
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)] if descriptors else []
    service.sendmsg([message], ancillary)


def code(answer):
    if not answer:
        return "nothing"
    answer = json.loads(answer)
    return answer["refused"]["code"] if isinstance(answer, dict) and "refused" in answer else "done"


def main(arguments):
    if arguments[0] == "--idle":
        idle = []
        for number in range(int(arguments[1])):
            if len(arguments) > 2:
                os.setresuid(-1, int(arguments[2]) + number // 8, -1)
            idle.append(connected())
            os.setresuid(-1, os.getuid(), -1)
        # The service waits for five seconds.
        end = time.monotonic() + (1 if len(arguments) < 3 else 4)
        closed = []
        while time.monotonic() < end and len(closed) < len(idle):
            time.sleep(0.1)
            closed, _, _ = select.select(idle, [], [], 0)
        print(len(closed))
    elif arguments[0] == "--flood":
        message = json.dumps({"version": 1, "network": "flatnet", "call": "status"}).encode()
        services = []
        refused = 0
        for _ in range(int(arguments[1])):
            try:
                services.append(connected())
                send(services[-1], message)
            except OSError:
                refused += 1
        codes = collections.Counter()
        for service in services:
            try:
                codes[code(service.recv(1 << 17))] += 1
            except OSError:
                refused += 1
        print(json.dumps({**codes, "refused": refused}))
    elif arguments[0] == "--leave":
        send(connected(), arguments[1].encode(), arguments[2:])
    else:
        service = connected()
        message = arguments[0].encode()
        if arguments[0].startswith("@"):
            message = b" " * int(arguments[0][1:])
        send(service, message, arguments[1:])
        service.settimeout(20)
        print(service.recv(1 << 17).decode())


main(sys.argv[1:])
