"""One wire between the servers, which are on the sandbox's own network, and a client with an address in each one's subnet."""

from measure import Failed, sh

CLIENT = "client"
SERVERS = "servers"

WIRE = f"""
ip netns add {CLIENT}
ip link add {SERVERS} type veth peer name eth0 netns {CLIENT}
ip link set {SERVERS} up
ip -n {CLIENT} link set lo up
ip -n {CLIENT} link set eth0 up
"""


class Subnet:
    """A /20: the server has its first address, the client its last."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.text = f"{prefix}.0.0/20"
        self.server = f"{prefix}.0.1"
        self.client = f"{prefix}.15.254"

    def address(self, number):
        """The address of container `number`."""
        third, fourth = divmod(number + 2, 256)
        if third > 14:
            raise Failed(f"there is no address for container {number} in {self.text}")
        return f"{self.prefix}.{third}.{fourth}"

    def connect(self):
        sh(f"ip addr add {self.server}/20 dev {SERVERS}; ip -n {CLIENT} addr add {self.client}/20 dev eth0")


def set_up():
    sh(WIRE)
