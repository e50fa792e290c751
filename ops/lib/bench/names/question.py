"""One question by UDP, from the client."""

import socket
import struct

from names.network import CLIENT
from web.network import inside

A, IN = 1, 1
# Longer than a server needs even if it asks others in vain. Seconds.
LONGEST = 6


def encoded(name, number):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, A, IN)


class Asker:
    """A socket of the client's, connected to one server."""

    def __init__(self, server):
        with inside(CLIENT):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(LONGEST)
        self.socket.connect((server, 53))
        self.number = 0

    def is_answered(self, name, address):
        """Whether the next answer is that `name` has `address` and nothing else."""
        self.number = (self.number + 1) % 65536
        try:
            self.socket.send(encoded(name, self.number))
            reply = self.socket.recv(4096)
            while reply[:2] != struct.pack(">H", self.number):
                reply = self.socket.recv(4096)
        except OSError:
            # Nobody listens, or nobody answers.
            return False
        _, flags, _, answers, _, _ = struct.unpack(">6H", reply[:12])
        # A record's data is preceded by its type, class, TTL and length; none of the servers adds a section after it.
        return flags & 0xF == 0 and answers == 1 and reply[-6:] == struct.pack(">H", 4) + socket.inet_aton(address)
