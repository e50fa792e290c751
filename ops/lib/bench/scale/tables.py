"""Stands in for `flatnet gateway watch` of other hosts: one process serves a table in the network of each, and asks host 1 each second."""

import json
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import hosts  # noqa: E402

PORT = 8787
ROUTES = 10


def table(number):
    """As that of a host with ten containers."""
    def route(index):
        name = f"web-{index}-of-{number}"
        endpoint = {"container": name, "id": "0123456789ab", "address": f"10.87.{number}.{index + 2}", "port": 80,
                    "state": "running", "since": "2026-11-30T10:00:00Z"}
        return {"name": name, "hosts": [f"{name}.flatnet.internal"], "path": "/", "strip": False, "scheme": "http",
                "stream": False, "hold": 0, "health": None, "endpoints": [endpoint]}
    host = {"name": f"h{number}", "network": "flatnet", "subnet": f"10.87.{number}.0/24", "number": number}
    return json.dumps({"version": 1, "generation": 0, "written": "", "end": 0, "unrouted": [], "host": host,
                       "routes": [route(index) for index in range(ROUTES)]}).encode()


def sockets(number):
    """A listening one in the network of the host; and one that will ask host 1."""
    with open(f"/run/netns/h{number}", "rb") as network:
        hosts.enter([(network.fileno(), hosts.CLONE_NEWNET)])
    listening = socket.create_server((f"10.87.{number}.1", PORT), backlog=16)
    return listening


def answer(listening, body):
    tag = f'ETag: "{len(body)}"'
    same = f"HTTP/1.1 304 Not Modified\r\n{tag}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    whole = f"HTTP/1.1 200 OK\r\n{tag}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
    while True:
        asking, _ = listening.accept()
        with asking:
            asking.settimeout(5)
            try:
                asking.sendall(same if b"if-none-match" in asking.recv(4096).lower() else whole)
            except OSError:
                continue


def ask(number):
    """Asks host 1 each second, in the host's network, which belongs to the thread."""
    with open(f"/run/netns/h{number}", "rb") as network:
        hosts.enter([(network.fileno(), hosts.CLONE_NEWNET)])
    tag = "x"
    while True:
        try:
            with socket.create_connection(("10.87.1.1", PORT), timeout=2, source_address=(f"10.87.{number}.1", 0)) as asking:
                asking.sendall(f"GET /routes.json HTTP/1.1\r\nHost: 10.87.1.1\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n".encode())
                said = b""
                while part := asking.recv(65536):
                    said += part
                for line in said.split(b"\r\n\r\n")[0].split(b"\r\n"):
                    if line.lower().startswith(b"etag:"):
                        tag = line.split(b":", 1)[1].strip().decode()
        except OSError:
            pass
        time.sleep(1)


def main():
    threading.stack_size(256 * 1024)
    for number in range(2, int(sys.argv[1]) + 1):
        listening = sockets(number)
        threading.Thread(target=answer, args=(listening, table(number)), daemon=True).start()
        threading.Thread(target=ask, args=(number,), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


main()
