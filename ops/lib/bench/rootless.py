"""`podman run` of a user without root: on Flatnet, with the network that rootless Podman makes itself, and without one; beside root's."""

from measure import Call, Failed, say, sh, timed
from report import markdown, spread
from rivals import set_up
from turns import in_turn

USER = "alice"
TOOLS = "/usr/local/lib/flatnet-test"


def prepare():
    set_up(1)
    sh("printf 'rootless: {users: {alice: {}}}\\n' >>/etc/flatnet/flatnet.yaml")
    sh(f"{TOOLS}/rootless_users.sh {USER} busybox && flatnet init --rootless {USER}")
    if sh("podman --version").split()[-1].split(".")[0] >= "5":
        sh(f"podman network create -d flatnet flatnet; as {USER} podman network create -d flatnet flatnet")


def run(network, user):
    before = ["/usr/local/bin/as", USER] if user else ["/usr/bin/env"]
    argv = [*before, "podman", "run", "--rm", "--network", network, "flatnet-test/busybox", "true"]
    return Call(argv, {"HOME": "/root", "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})


def measure(raw, sizes):
    prepare()
    own = "pasta" if sh("podman --version").split()[-1].split(".")[0] >= "5" else "slirp4netns"
    kinds = [
        ("rootless on flatnet", run("flatnet", True)),
        (f"rootless on {own}", run(own, True)),
        ("rootless without network", run("none", True)),
        ("rootful on flatnet", run("flatnet", False)),
    ]
    say(f"podman run, {sizes['rounds_podman']} rounds of {', '.join(name for name, _ in kinds)}")
    for turn in range(sizes["rounds_podman"]):
        for name, call in in_turn(kinds, turn):
            raw.setdefault(f"podman run, {name}", []).append(timed(call))
    if sh("flatnet ps --json").strip() != "[]":
        raise Failed("containers are still attached")


def table(raw, _sizes):
    ours = "podman run, rootless on flatnet"
    lines = [{"what": "podman run", "against": "milliseconds", "compared": "rootless on flatnet / that"}]
    for name in (name for name in raw if name.startswith("podman run, ")):
        ratio = "" if name == ours else spread([a / b for a, b in zip(raw[ours], raw[name])])
        lines.append({"what": name.split(", ")[1], "against": spread(raw[name]), "compared": ratio})
    return markdown(lines)
