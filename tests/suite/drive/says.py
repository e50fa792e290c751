"""A server whose response follows the request's query: each part of the query is a header line of the response.

Location makes the status 302. The body is the request's head; that of `/count` is the number of requests so far.
Other parts are `cookies=N`: N cookies of 3,900 bytes; `before=N`: an informational response of status N first;
`pause=2`: two seconds between the two; `breaks=1`: the connection is reset within a response without a length;
`upgrades=1`: the protocol is switched, and all data is echoed.

says.py ADDRESS PORT
"""
import socket
import struct
import sys
import threading
import time
from urllib.parse import unquote

seen = []


def headers(query):
    for part in filter(None, query.split("&")):
        name, _, value = unquote(part).partition("=")
        if name == "cookies":
            yield from (f"Set-Cookie: c{number}={'x' * 3900}" for number in range(int(value)))
        else:
            yield unquote(part)


def answer(head):
    target = head.split(b" ")[1].decode("latin1")
    if target == "/count":
        return "200 OK", [], str(len(seen)).encode()
    seen.append(target)
    words = ("before=", "pause=", "breaks=", "upgrades=")
    lines = [line for line in headers(target.partition("?")[2]) if not line.startswith(words)]
    status = "302 Found" if any(line.startswith("Location:") for line in lines) else "200 OK"
    return status, lines, head


def informational(head):
    query = head.split(b" ")[1].decode("latin1").partition("?")[2]
    for name, _, status in (part.partition("=") for part in query.split("&")):
        if name == "before":
            yield f"HTTP/1.1 {status} Before\r\nLink: </a.css>; rel=preload\r\n\r\n".encode()


def length(head):
    lines = head.lower().split(b"\r\n")
    return sum(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))


def serve(connection):
    waiting = b""
    while True:
        while b"\r\n\r\n" not in waiting:
            more = connection.recv(65536)
            if not more:
                return connection.close()
            waiting += more
        head, waiting = waiting.split(b"\r\n\r\n", 1)
        while len(waiting) < length(head):
            waiting += connection.recv(65536)
        waiting = waiting[length(head):]
        status, lines, body = answer(head)
        for part in informational(head):
            connection.sendall(part)
            time.sleep(2 if b"pause=2" in head else 0.05)
        if b"breaks=1" in head:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\npartial")
            time.sleep(0.2)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return connection.close()
        if b"upgrades=1" in head:
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n" + waiting)
            while more := connection.recv(65536):
                connection.sendall(more)
            return connection.close()
        lines = [f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}", "", ""]
        connection.sendall("\r\n".join(lines).encode("latin1") + body)


listener = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=64)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
