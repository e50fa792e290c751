"""ADD and DEL with names and without, each on a host of its own."""

from candidates import configure, flatnet, make_namespaces
from hosts import Host
from measure import sh, timed
from turns import FIRST_OF_MANY, alternating, attach_many

CONFIG = "network: flatnet\nsubnet: 10.87.0.0/20\nnames: {{enabled: {enabled}}}\n"


def attached(name, enabled, containers):
    """A host with one container, so that no call is the first one."""
    path = f"/etc/flatnet/{name.replace(' ', '-')}.yaml"
    configure(CONFIG.format(enabled=enabled), path)
    host = Host()
    with host:
        sh(f"flatnet --config {path} up")
        make_namespaces(containers)
        candidate = flatnet(name, host, config=path)
        timed(candidate.add(0))
    return candidate


def measure(raw, sizes):
    containers = FIRST_OF_MANY + sizes["present"]
    candidates = [attached("with names", "true", containers), attached("without names", "false", containers)]
    alternating(raw, candidates, sizes["rounds_attach"], "", 1)
    for candidate in candidates:
        attach_many(candidate, sizes["present"])
    alternating(raw, candidates, sizes["rounds_attach"], ", many", sizes["present"])
