"""Asks the service for rootless Podman as a hostile user might: any bytes, any descriptors, any number of times.

    asker.py MESSAGE [PATH]       sends the message, and prints the answer; its word DESCRIPTOR is replaced by the number by which the
                                  file is open (without: 99, which is not)
    asker.py --leave MESSAGE [PATH]   does not wait for the answer
    asker.py --send MESSAGE PATH      sends the descriptor, too, and keeps nothing open
    asker.py --idle COUNT [UID]   opens connections, sends nothing, and prints how many were closed within a second; or within
                                  four, each eight of them as another user, from UID on
    asker.py --hold COUNT         opens connections, and sends nothing for four seconds
    asker.py --swap COUNT MESSAGE OTHER   asks COUNT times to attach its own network namespace and then to detach it, while the number
                                  leads to OTHER every other moment; prints how many were answered with each code
    asker.py --flood COUNT        sends COUNT requests at once, and prints how many were answered with each code
"""

import array
import collections
import json
import os
import select
import socket
import sys
import threading
import time

SOCKET = "/var/lib/flatnet-serve/socket"


def connected():
    service = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    service.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    service.connect(SOCKET)
    return service


def send(service, message, path=None, is_sent=False):
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if path else 99
    message = message.replace(b"DESCRIPTOR", str(number).encode())
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [number]))] if is_sent else []
    service.sendmsg([message], ancillary)
    if is_sent:
        os.close(number)


def code(answer):
    if not answer:
        return "nothing"
    answer = json.loads(answer)
    return answer["refused"]["code"] if isinstance(answer, dict) and "refused" in answer else "done"


def swap(number, paths):
    files = [os.open(path, os.O_RDONLY) for path in paths]
    while True:
        for file in files:
            os.dup2(file, number)


def ask(message):
    service = connected()
    service.send(message)
    service.settimeout(20)
    return code(service.recv(1 << 17))


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
    elif arguments[0] == "--hold":
        held = [connected() for _ in range(int(arguments[1]))]
        time.sleep(4)
        del held
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
    elif arguments[0] == "--swap":
        number = 50
        os.dup2(0, number)
        threading.Thread(target=swap, args=(number, ["/proc/self/ns/net", arguments[3]]), daemon=True).start()
        codes = collections.Counter()
        for round in range(int(arguments[1])):
            name = f"c{round}"
            codes[ask(arguments[2].replace("DESCRIPTOR", str(number)).replace("c1", name).encode())] += 1
            detach = {"detach": {"container_id": name, "if_name": "eth0"}}
            ask(json.dumps({"version": 1, "network": "flatnet", "call": detach}).encode())
        print(json.dumps(codes))
    elif arguments[0] == "--leave":
        send(connected(), arguments[1].encode(), *arguments[2:])
    else:
        service = connected()
        is_sent = arguments[0] == "--send"
        arguments = arguments[is_sent:]
        message = arguments[0].encode()
        if arguments[0].startswith("@"):
            message = b" " * int(arguments[0][1:])
        try:
            send(service, message, *arguments[1:], is_sent=is_sent)
        except BrokenPipeError:
            # It was answered before it was asked.
            pass
        service.settimeout(20)
        print(service.recv(1 << 17).decode())


main(sys.argv[1:])
