"""The candidates: two hosts in one LAN, with a container on each."""

import os
import subprocess
import tempfile
from contextlib import nullcontext
from typing import NamedTuple

from measure import Failed


class Way(NamedTuple):
    """A pair of hosts. `client` and `server` are the namespaces of their containers."""

    name: str
    client: str
    server: str
    address: str
    # Both hosts are in this sandbox.
    host: nullcontext = nullcontext()

    def enter(self, _path):
        return ["ip", "netns", "exec", self.client]

    def reaches(self, port):
        """Whether the server answers, seen from the other host's container."""
        argv = [*self.enter(None), "timeout", "1", "bash", "-c", f"</dev/tcp/{self.address}/{port}"]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0

    def target(self, _path):
        return self.address


def all_ways():
    script = os.path.join(os.path.dirname(__file__), "hosts.sh")
    # Files, because programs that it starts go on and would keep pipes open.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        ended = subprocess.run([script], stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False).returncode
        out.seek(0)
        err.seek(0)
        printed, complaints = out.read(), err.read()
    if ended != 0:
        raise Failed(f"{script} ended with {ended} and printed:\n{printed}{complaints}")
    return [Way(*line.split()) for line in printed.splitlines()]
