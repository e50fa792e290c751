"""A host in the sandbox: a separate network namespace, and separate files of Flatnet."""

import ctypes
import os
import subprocess

from measure import Failed

FLATNET = "/usr/local/bin/flatnet"
CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x00020000

# Each host has its own container namespaces, leases, receipts, locks, log and flatnet, at the usual paths, so that two hosts
# differ only in the program. /sys is mounted again, because it shows the links of the namespace in which it was mounted.
SCRIPT = """
mount -t sysfs sysfs /sys
for folder in /run/netns /run/flatnet /var/lib/flatnet /var/log/flatnet; do
    mkdir -p "$folder"
    mount -t tmpfs -o mode=700 tmpfs "$folder"
done
# The resolver reads the names without root.
mkdir -p /run/flatnet-dns
mount -t tmpfs -o mode=755 tmpfs /run/flatnet-dns
if [[ $1 != "$2" ]]; then mount --bind "$1" "$2"; fi
ip link set lo up
echo ready
exec cat
"""

libc = ctypes.CDLL(None, use_errno=True)


def namespaces(pid):
    """Descriptors of the process's namespaces, opened before the first is entered: its mounts may lack the paths."""
    kinds = (("mnt", CLONE_NEWNS), ("net", CLONE_NEWNET))
    return [(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC), flag) for kind, flag in kinds]


def enter(wanted):
    for descriptor, flag in wanted:
        if libc.setns(descriptor, flag) != 0:
            raise OSError(ctypes.get_errno(), "setns")


class Host:
    """Programs started in `with host:` run on the host. It exists until `close`, or until this process ends."""

    def __init__(self, program=FLATNET):
        self.before = []
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "bash", "-euc", SCRIPT, "host", program, FLATNET],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        if self.holder.stdout.readline() != "ready\n":
            raise Failed("a host with a network of its own could not be made (see above)")
        self.namespaces = namespaces(self.holder.pid)

    def __enter__(self):
        self.before.append(namespaces("self"))
        enter(self.namespaces)
        return self

    def __exit__(self, *_):
        before = self.before.pop()
        enter(before)
        for descriptor, _ in before:
            os.close(descriptor)

    def close(self):
        for descriptor, _ in self.namespaces:
            os.close(descriptor)
        self.holder.communicate()
