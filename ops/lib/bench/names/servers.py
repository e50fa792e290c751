"""The candidates: three servers that know the same containers, each at an address of its own."""

import os
import signal
import subprocess
import time

from candidates import INPUTS, container_id, of_podman
from hosts import FLATNET
from measure import Failed
from names.network import Subnet
from names.question import Asker
from web.network import cores

NAMES = "/run/flatnet-dns"
FOLDER = "/run/bench-names"
# A server that does not answer after this time has failed. Seconds.
LONGEST = 10


def replace(path, text):
    """By rename, as Flatnet and netavark do."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(f"{path}.new", path)


class Server:
    """Its files are in `folder`; `argv` runs it. It knows the containers 0 to `count` - 1, and those that are registered."""

    def __init__(self, name, prefix, zone, count):
        self.name, self.zone, self.subnet = name, zone, Subnet(prefix)
        self.folder = f"{FOLDER}/{name}"
        self.known = list(range(count))
        os.makedirs(self.folder)
        self.subnet.connect()
        self.prepare()
        self.start()
        self.asker = Asker(self.subnet.server)
        self.await_answer()

    def start(self):
        self.log = f"{INPUTS}/{self.name}.log"
        os.makedirs(INPUTS, exist_ok=True)
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["taskset", "--cpu-list", cores()[0], *self.argv()], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def await_answer(self):
        last, end = self.known[-1], time.monotonic() + LONGEST
        while not self.is_right(last):
            if time.monotonic() > end:
                with open(self.log, encoding="utf-8") as log:
                    raise Failed(f"{self.name} does not answer at {self.subnet.server}\n{log.read()[-2000:]}")
            time.sleep(0.05)

    def full(self, number):
        return f"bench-{number}.{self.zone}"

    def questions(self):
        """Each known name once, in dnsperf's form."""
        return "".join(f"{self.full(number)} A\n" for number in self.known)

    def is_right(self, number):
        return self.asker.is_answered(self.full(number), self.subnet.address(number))

    def pid(self):
        return self.process.pid

    def memory(self):
        """Resident MiB."""
        with open(f"/proc/{self.pid()}/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


class Flatnet(Server):
    """`flatnet dns`, with the file that the engine writes and without its limit for one client."""

    def __init__(self, count):
        super().__init__("flatnet", "10.87", "direct.flatnet.internal", count)

    def prepare(self):
        os.makedirs(NAMES, exist_ok=True)
        self.write()

    def write(self):
        head = f"version 1\nnetwork flatnet\nlisten {self.subnet.server}\nsubnet {self.subnet.text}\nzone {self.zone}\n"
        lines = (f"name {self.subnet.address(number)} {container_id(number)} eth0 bench-{number}\n" for number in self.known)
        replace(f"{NAMES}/flatnet", head + "".join(lines))

    def argv(self):
        return [FLATNET, "dns", "--rate", "0"]

    def register(self, number):
        self.known.append(number)
        self.write()


class Aardvark(Server):
    """Podman's, with the files and the signal of netavark."""

    def __init__(self, count):
        super().__init__("aardvark-dns", "10.88", "dns.podman", count)

    def prepare(self):
        self.write()

    def write(self):
        lines = (f"{container_id(number)} {self.subnet.address(number)}  bench-{number}\n" for number in self.known)
        replace(f"{self.folder}/bench", f"{self.subnet.server}\n" + "".join(lines))

    def argv(self):
        return [*of_podman("aardvark-dns"), "--config", self.folder, "--port", "53", "--filter-search-domain", self.zone, "run"]

    def pid(self):
        """It forks, and its first process ends when the second one listens."""
        with open(f"{self.folder}/aardvark.pid", encoding="utf-8") as file:
            return int(file.read())

    def register(self, number):
        self.known.append(number)
        self.write()
        os.kill(self.pid(), signal.SIGHUP)


class Dnsmasq(Server):
    """It watches a folder with inotify; each container has a file in it."""

    def __init__(self, count):
        super().__init__("dnsmasq", "10.89", "direct.bench.internal", count)

    def prepare(self):
        os.makedirs(f"{self.folder}/hosts")
        for number in self.known:
            self.write(number)

    def write(self, number):
        with open(f"{self.folder}/{number}", "w", encoding="utf-8") as file:
            file.write(f"{self.subnet.address(number)} {self.full(number)}\n")
        os.rename(f"{self.folder}/{number}", f"{self.folder}/hosts/{number}")

    def argv(self):
        return ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--bind-interfaces", "--pid-file", "--user=root",
                f"--listen-address={self.subnet.server}", f"--local=/{self.zone}/", f"--hostsdir={self.folder}/hosts",
                "--log-facility=-"]

    def register(self, number):
        self.known.append(number)
        self.write(number)


ALL = (Flatnet, Aardvark, Dnsmasq)

VERSIONS = {
    "aardvark-dns": [*of_podman("aardvark-dns"), "--version"],
    "dnsmasq": ["dnsmasq", "--version"],
    "dnsperf": ["dpkg-query", "-W", "-f", "${Version}", "dnsperf"],
}
