"""A name server that answers, is slow, is silent, lies or fails, as its address says. It counts what it is asked.

    dns_server.py ADDRESS KIND [ADDRESS KIND ..]

It answers `TTL.ANYTHING` with the TTL that the first label names, else with TTL 300: an A record for 192.0.2.1, whose last byte
is that of the server's own address. `none.ANYTHING` does not exist, `large.ANYTHING` has 100 addresses. Each question is a line
of /tmp/asked: ADDRESS UDP-OR-TCP NAME TYPE PORT.
"""

import os
import socket
import struct
import sys
import threading
import time


def name_of(question):
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode("latin-1"))
        at += 1 + question[at]
    return ".".join(labels), at + 1


def answer(question, address, transport, rcode=0):
    name, end = name_of(question)
    asked = question[12 : end + 4]
    first = name.split(".")[0].lower()
    ttl = int(first) if first.isdigit() else 300
    host = bytes([192, 0, 2, int(address.rsplit(".", 1)[-1])])
    record = lambda data: b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", ttl, 4) + data
    soa = b"\xc0\x0c\0\6\0\1" + struct.pack(">IH", 300, 22) + b"\0\0" + struct.pack(">5I", 1, 2, 3, 4, 60)
    flags, records, authority = 0x8180 | rcode, [record(host)], b""
    if first == "none":
        flags, records, authority = 0x8183, [], soa
    elif first == "large":
        records = [record(bytes([192, 0, 2, number])) for number in range(100)]
        if transport == "UDP":
            flags, records = flags | 0x200, []
    elif rcode:
        records = []
    head = question[:2] + struct.pack(">5H", flags, 1, len(records), 1 if authority else 0, 0)
    return head + asked + b"".join(records) + authority


def answers(kind, question, address, transport):
    """Pairs of a pause and a message."""
    good = answer(question, address, transport)
    if kind == "silent":
        return
    if kind == "slow":
        yield 0.7, good
    elif kind == "refused":
        yield 0, answer(question, address, transport, rcode=5)
    elif kind == "failing":
        yield 0, answer(question, address, transport, rcode=2)
    elif kind == "lying":
        other = bytearray(good)
        other[13] ^= 1
        yield 0, bytes([good[0] ^ 1]) + good[1:]
        yield 0, bytes(other)
        yield 0, good[:2] + b"\1\0" + good[4:]
        yield 0, good[:20]
        yield 0, b""
        yield 0.1, good
    else:
        yield 0, good


def note(address, transport, question, port):
    name, end = name_of(question)
    kind = struct.unpack(">H", question[end : end + 2])[0]
    line = f"{address} {transport} {name} {kind} {port}\n".encode()
    log = os.open("/tmp/asked", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(log, line)
    os.close(log)


def serve_udp(address, kind):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))

    def reply(question, client):
        for pause, message in answers(kind, question, address, "UDP"):
            time.sleep(pause)
            server.sendto(message, client)

    while True:
        question, client = server.recvfrom(65535)
        note(address, "UDP", question, client[1])
        threading.Thread(target=reply, args=(question, client), daemon=True).start()


def serve_tcp(address, kind):
    server = socket.create_server((address, 53))
    while True:
        connection, client = server.accept()
        with connection:
            length = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))[0]
            question = connection.recv(length, socket.MSG_WAITALL)
            note(address, "TCP", question, client[1])
            for pause, message in answers(kind, question, address, "TCP"):
                time.sleep(pause)
                # In two pieces, as a network may cut it.
                whole = struct.pack(">H", len(message)) + message
                connection.sendall(whole[:1])
                time.sleep(0.01)
                connection.sendall(whole[1:])


words = sys.argv[1:]
threads = [
    threading.Thread(target=serve, args=pair)
    for pair in zip(words[::2], words[1::2])
    for serve in (serve_udp, serve_tcp)
]
for thread in threads:
    thread.start()
