"""A server that answers as the request's query asks: each of its parts is a header line. `cookies=N` are N cookies of 3,900
bytes. A line Location makes it a 302. The body is the request's head as it came; `/count` answers how many requests came
before.

says.py ADDRESS PORT
"""
import socket
import sys
import threading
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
    lines = list(headers(target.partition("?")[2]))
    status = "302 Found" if any(line.startswith("Location:") for line in lines) else "200 OK"
    return status, lines, head


def serve(connection):
    waiting = b""
    while True:
        while b"\r\n\r\n" not in waiting:
            more = connection.recv(65536)
            if not more:
                return connection.close()
            waiting += more
        head, waiting = waiting.split(b"\r\n\r\n", 1)
        status, lines, body = answer(head)
        lines = [f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}", "", ""]
        connection.sendall("\r\n".join(lines).encode("latin1") + body)


listener = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=64)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
