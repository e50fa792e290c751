"""Runs a command with the file /tmp/endless/file, which nobody but this user can close: closing it waits for an answer that does not come.
In namespaces of a user's, with /dev/fuse. Ends with the command, which frees whoever waits.

    fuse.py COMMAND [ARGUMENT..]
"""

import ctypes
import os
import struct
import subprocess
import sys
import threading

LOOKUP, FORGET, GETATTR, OPEN, FLUSH, INIT, INTERRUPT = 1, 2, 3, 14, 25, 26, 36
DETACH = 2
FOLDER = "/tmp/endless"


def attributes(node):
    mode = 0o40755 if node == 1 else 0o100644
    return struct.pack("<6Q10I", node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(operation, node, uid):
    """The answer, or an error's number; None for none."""
    if operation in (FORGET, INTERRUPT) or operation == FLUSH and uid != 0:
        return None
    answers = {
        INIT: struct.pack("<4I2HI", 7, 19, 65536, 0, 0, 0, 65536) + bytes(40),
        LOOKUP: struct.pack("<4Q2I", 2, 0, 60, 60, 0, 0) + attributes(2),
        GETATTR: struct.pack("<Q2I", 60, 0, 0) + attributes(node),
        OPEN: struct.pack("<Q2I", 1, 0, 0),
        FLUSH: b"",
    }
    return answers.get(operation, -38)


def serve(device):
    while True:
        try:
            request = os.read(device, 1 << 17)
        except OSError:
            return
        _, operation, unique, node, uid, _, _, _ = struct.unpack("<2I2Q4I", request[:40])
        found = answer(operation, node, uid)
        if found is not None:
            error, data = (found, b"") if isinstance(found, int) else (0, found)
            os.write(device, struct.pack("<IiQ", 16 + len(data), error, unique) + data)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    if libc.mount(b"endless", FOLDER.encode(), b"fuse", 0, options.encode()) != 0:
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
    threading.Thread(target=serve, args=[device], daemon=True).start()
    status = subprocess.run(sys.argv[1:], check=False).returncode
    libc.umount2(FOLDER.encode(), DETACH)
    sys.exit(status)


main()
