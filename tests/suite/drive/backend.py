"""A container's web server: backend.py ADDRESS PORT NAME

Answers every method with the request as JSON, and logs requests to /run/backend/NAME.log. Some paths behave differently:
/slow?MS, /cut (no answer), /dying (the same, and the server ends a moment later, once), /sse, /ws (echoes),
/healthz (500 while /run/backend/NAME.sick exists), /go (redirect).
"""

import base64
import hashlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS, PORT, NAME = sys.argv[1], int(sys.argv[2]), sys.argv[3]
FOLDER = "/run/backend"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A response is written at once, so that a killed server has sent all of it or nothing.
    wbufsize = -1

    def answer(self):
        # Head and body are logged separately: a streamed body arrives later.
        self.note("head")
        length, digest = self.body()
        self.note(self.command)
        path = self.path.partition("?")[0]
        handler = {"/slow": self.slow, "/cut": self.cut, "/dying": self.dying, "/sse": self.sse, "/ws": self.ws, "/healthz": self.healthz,
                   "/go": self.go}.get(path)
        if handler:
            handler()
        else:
            self.say(200, {"name": NAME, "method": self.command, "path": self.path, "length": length, "digest": digest,
                           "headers": {key.lower(): value for key, value in self.headers.items()}})

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def note(self, what):
        with open(f"{FOLDER}/{NAME}.log", "a") as log:
            log.write(f"{time.time():.3f} {what} {self.path}\n")

    def body(self):
        length, digest = 0, hashlib.sha256()
        for part in self.chunks() if self.headers.get("Transfer-Encoding") == "chunked" else self.whole():
            length += len(part)
            digest.update(part)
        return length, digest.hexdigest()

    def whole(self):
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            part = self.rfile.read(min(left, 65536))
            if not part:
                return
            left -= len(part)
            yield part

    def chunks(self):
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def say(self, status, document, headers=()):
        text = json.dumps(document).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def slow(self):
        time.sleep(int(self.path.partition("?")[2]) / 1000)
        self.say(200, {"name": NAME})

    def cut(self):
        self.close_connection = True
        self.connection.close()

    def dying(self):
        if os.path.exists(f"{FOLDER}/{NAME}.died"):
            self.say(200, {"name": NAME})
            return
        threading.Timer(0.1, die).start()
        self.cut()

    def go(self):
        # Some frameworks use this header.
        prefix = self.headers.get("X-Forwarded-Prefix", "") if "heeds" in self.path else ""
        self.say(302, {}, [("Location", f"{prefix}/login"), ("Set-Cookie", f"session=1; Path={prefix or '/'}")])

    def healthz(self):
        self.say(500 if os.path.exists(f"{FOLDER}/{NAME}.sick") else 200, {})

    def sse(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for number in range(3):
            self.wfile.write(f"data: {number} {time.time():.3f}\n\n".encode())
            self.wfile.flush()
            time.sleep(0.4)
        self.close_connection = True

    def ws(self):
        if self.headers.get("Upgrade") != "websocket" or self.headers.get("Connection", "").lower() != "upgrade":
            self.say(400, {})
            return
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.wfile.flush()
        # Text frames of less than 126 bytes, masked like all frames of clients.
        while (head := self.rfile.read(2)) and len(head) == 2:
            length = head[1] & 127
            mask, data = self.rfile.read(4), self.rfile.read(length)
            text = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
            self.wfile.write(bytes([0x81, length]) + text)
            self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_):
        pass


def die():
    open(f"{FOLDER}/{NAME}.died", "w").close()
    os._exit(1)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


os.makedirs(FOLDER, exist_ok=True)
with open(f"{FOLDER}/{NAME}.pid", "w") as file:
    file.write(str(os.getpid()))
Server((ADDRESS, PORT), Handler).serve_forever()
