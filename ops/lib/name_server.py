#!/usr/bin/env python3
"""Inside a sandbox: a name server that knows no name, and says so.

name_server.py ADDRESS    answers what comes by UDP to port 53 of ADDRESS, which may still be missing
"""

import socket
import sys

IP_FREEBIND = 15
NXDOMAIN = 3


def answer(question: bytes) -> bytes:
    # The ID, then "an answer, recursion available, no such name", then the counts and the question as they came.
    return question[:2] + bytes([0x81, 0x80 | NXDOMAIN]) + question[4:6] + bytes(6) + question[12:]


def main() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    server.bind((sys.argv[1], 53))
    while True:
        question, client = server.recvfrom(512)
        server.sendto(answer(question), client)


main()
