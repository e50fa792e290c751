"""A WebSocket client: reads {"address", "host", "messages", "pause", "ready"}; prints the echoed messages.

It creates the file `ready` after the first echo, so that a test can act while the connection is open.
"""

import base64
import json
import os
import socket
import sys
import time

plan = json.load(sys.stdin)
connection = socket.create_connection((plan["address"], 80), timeout=20)
stream = connection.makefile("rwb")
key = base64.b64encode(os.urandom(16)).decode()
stream.write((f"GET /ws HTTP/1.1\r\nHost: {plan['host']}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n").encode())
stream.flush()
status = int(stream.readline().split()[1])
while stream.readline().strip():
    pass
echoes = []
for number in range(plan["messages"] if status == 101 else 0):
    text = f"message {number}".encode()
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(text))
    stream.write(bytes([0x81, 0x80 | len(text)]) + mask + masked)
    stream.flush()
    head = stream.read(2)
    echoes.append(stream.read(head[1]).decode())
    open(plan["ready"], "w").close()
    time.sleep(plan["pause"])
print(json.dumps({"status": status, "echoes": echoes}))
