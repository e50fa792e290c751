"""Clients of all kinds at once: reads {"address", "seconds", "held": [host], "gone": host} and prints the results.

They send requests to hosts that hold requests while their containers restart, and to one whose container is removed at
times, which may answer with a page instead. Prints for each kind: the number of requests, how many `broke` off because a
container died during them, the IDs of those during which it died `twice`, and what `failed` unexpectedly.
"""

import http.client
import json
import os
import random
import socket
import sys
import threading
import time

plan = json.load(sys.stdin)
end = time.monotonic() + plan["seconds"]
lock = threading.Lock()
done = {}
BIG = os.urandom(1 << 20) * 4


class Broke(Exception):
    """The container died during the request, and the client got this error."""


class Twice(Broke):
    """The same, and the container died again during the repeated request. The log must show whether it was repeated."""


class Failed(Exception):
    """Any other wrong response."""


def request(connection, method, host, path="/", body=None):
    connection.request(method, path, body, {"Host": host, "Accept": "application/json"})
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    except http.client.IncompleteRead as cut:
        connection.close()
        raise Broke from cut


def expect(method, status, body):
    if status == 200:
        return json.loads(body)
    if status == 502 and (page := json.loads(body)).get("reason") == "broke_off":
        # The container may have processed a POST, so it was not repeated.
        raise Broke if method in ("POST", "PUT") else Twice(page["request_id"])
    raise Failed(f"{method} {status} {body[:200].decode()}")


def get(connection, host):
    expect("GET", *request(connection, "GET", host))


def get_once(_, host):
    connection = http.client.HTTPConnection(plan["address"], timeout=30)
    try:
        get(connection, host)
    finally:
        connection.close()


def post(connection, host):
    answer = expect("POST", *request(connection, "POST", host, "/order", b"x" * 1000))
    if answer["length"] != 1000:
        raise Failed(f"POST was received as {answer['length']} bytes")


def upload(connection, host):
    time.sleep(0.5)
    answer = expect("PUT", *request(connection, "PUT", host, "/big", BIG))
    if answer["length"] != len(BIG):
        raise Failed(f"PUT was received as {answer['length']} bytes")


def events(connection, host):
    connection.close()
    connection.request("GET", "/sse", headers={"Host": host, "Accept": "application/json"})
    answer = connection.getresponse()
    if answer.status != 200:
        expect("GET", answer.status, answer.read())
    if answer.read().count(b"data:") != 3:
        raise Broke


def websocket(_, host):
    with socket.create_connection((plan["address"], 80), timeout=30) as connection:
        stream = connection.makefile("rwb")
        stream.write(f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        stream.flush()
        head = stream.readline()
        if b" 101 " not in head:
            raise Failed(f"WebSocket {head!r}")
        while stream.readline().strip():
            pass
        for _ in range(10):
            # "ping", masked with zeros.
            stream.write(b"\x81\x84\0\0\0\0ping")
            try:
                stream.flush()
                if stream.read(6) != b"\x81\x04ping":
                    raise Broke
            except OSError as error:
                raise Broke from error
            time.sleep(0.1)


def get_gone(connection, host):
    """A removed container has no route; the page of one removed a moment ago names it."""
    status, body = request(connection, "GET", host)
    if status not in (200, 404, 502, 503) or (status != 200 and host.split(".")[0] not in body.decode()):
        raise Failed(f"gone {status} {body[:200].decode()}")


def tally(kind, problem, took):
    with lock:
        mine = done.setdefault(kind, {"asked": 0, "broke": 0, "twice": [], "failed": [], "slowest": 0.0})
        mine["asked"] += 1
        mine["slowest"] = max(mine["slowest"], took)
        if isinstance(problem, Twice):
            mine["twice"].append(str(problem))
        elif isinstance(problem, Broke):
            mine["broke"] += 1
        elif problem:
            mine["failed"].append(f"{time.strftime('%H:%M:%S')} {problem!r}")


def visit(kind, hosts, pause):
    connection = http.client.HTTPConnection(plan["address"], timeout=30)
    while time.monotonic() < end:
        began, problem = time.monotonic(), None
        try:
            kind(connection, random.choice(hosts))
        except (Broke, Failed, OSError, ValueError, http.client.HTTPException) as error:
            problem = error
            connection.close()
        tally(kind.__name__, problem, time.monotonic() - began)
        time.sleep(pause)


held = plan["held"]
kinds = [(get, held, 0.01)] * 4 + [(get_once, held, 0.05), (post, held, 0.02), (upload, held, 0.1), (events, held, 0),
                                   (websocket, held, 0), (get_gone, [plan["gone"]], 0.05)]
threads = [threading.Thread(target=visit, args=one) for one in kinds]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(done))
