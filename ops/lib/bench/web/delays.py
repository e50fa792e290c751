"""The time until a change is visible from the LAN, without failed requests. Milliseconds."""

import json
import subprocess
import threading
import time

from measure import Failed, sh
from web.load import endpoint, finish, route, wrk
from web.network import GATEWAY, ask, await_true, connect, get, is_listening
from web.servers import HOST

# busybox's web server starts within milliseconds; nginx passes its whole response to the kernel at once, so that a SIGKILL
# does not truncate it.
BUSYBOX, NGINX = "flatnet-test/busybox", "flatnet-test/web"
DOMAIN = "flatnet.internal"


def since(begin):
    return (time.perf_counter() - begin) * 1000


# --- routes that the bench writes itself -----------------------------------------------------------------


class Browsers:
    """Several kept connections, so that each worker has some: each worker reads the routes table separately."""

    def __enter__(self):
        self.connections = [connect(GATEWAY) for _ in range(8)]
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            connection.close()

    def await_answers(self, host, seconds=30):
        waiting, end = self.connections, time.monotonic() + seconds
        while waiting := [connection for connection in waiting if ask(connection, host)[0] != 200]:
            if time.monotonic() > end:
                raise Failed(f"{host} is not answered after {seconds} s")
            # nginx closes a connection after 10,000 requests, which would take less than a second without a pause.
            time.sleep(0.001)


def routed(raw, routes, rounds):
    """A new route in the file -> answered by every worker."""
    with Browsers() as browsers:
        for number in range(rounds):
            host = f"new{number}.{DOMAIN}"
            # Varies the time within the 250 ms between two checks of the file.
            time.sleep(0.3 + 0.25 * number / rounds)
            routes.publish([route("web", [HOST]), route(f"new{number}", [host])])
            begin = time.perf_counter()
            browsers.await_answers(host)
            raw.setdefault("routed", []).append(since(begin))


def filled(port, salt):
    """250 routes, of which HOST leads to this port."""
    hosts = [f"filler{number}.{DOMAIN}" for number in range(249)]
    others = [route(f"filler{number}", [host], endpoints=[endpoint(4000 + salt)]) for number, host in enumerate(hosts)]
    return [route("web", [HOST], endpoints=[endpoint(port)]), *others]


def swap_repeatedly(routes, times, pause):
    for number in range(times):
        routes.publish(filled(3000 + number % 2, number))
        time.sleep(pause)


def swaps(raw, routes):
    """Failed requests under load while the endpoint changes 24 times."""
    load = wrk(10, 64)
    time.sleep(1)
    swap_repeatedly(routes, 24, 0.3)
    raw.setdefault("failed in 24 swaps", []).append(finish(load)["failed"])
    expect_in_force(routes)


def expect_in_force(routes):
    """Checks that the gateway uses the new table: a rejected one would not cause failures."""
    generation = json.loads(get("localhost", "/_flatnet/status")[1])["generation"]
    if generation != routes.generation:
        raise Failed(f"the list in force is number {generation}, not {routes.generation}")


def stalls(raw, routes, rounds, seconds):
    """Latencies of the same load, alternately with an unchanged routes table and with one replaced three times a second."""
    routes.publish(filled(3000, 0))
    time.sleep(1)
    expect_in_force(routes)
    for turn in range(rounds):
        for name in ("at rest", "swapping") if turn % 2 == 0 else ("swapping", "at rest"):
            load = wrk(seconds, 4)
            if name == "swapping":
                swap_repeatedly(routes, seconds * 3, 1 / 3)
            found = finish(load)
            for what in ("p999", "max"):
                raw.setdefault(f"{what} {name}", []).append(found[what] / 1000)


# --- containers that `flatnet gateway watch` follows --------------------------------------------------------


class Watch:
    def __enter__(self):
        self.output = open("/run/bench-web/watch.out", "w", encoding="utf-8")
        self.process = subprocess.Popen(["flatnet", "gateway", "watch"], stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=self.output)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.output.close()


def address_of(name):
    return sh(f"podman inspect {name} --format '{{{{.NetworkSettings.Networks.flatnet.IPAddress}}}}'").strip()


def run(name, options="", image=BUSYBOX, command=""):
    return f"podman run -d --name {name} --network flatnet {options} {image} {command}"


def await_answers(name):
    with Browsers() as browsers:
        browsers.await_answers(f"{name}.{DOMAIN}")


def reachable(raw, title, rounds, command):
    """A container's port accepts its first connection -> every worker serves its page in the LAN."""
    with Browsers() as browsers:
        for number in range(rounds):
            name, address = f"{title}{number}", f"10.87.1.{100 + number}"
            start = threading.Thread(target=sh, args=(run(name, f"--ip {address}", command=command),))
            start.start()
            await_true(f"{name} listening", lambda: is_listening(address, 80, "host"), 30)
            begin = time.perf_counter()
            browsers.await_answers(f"{name}.{DOMAIN}")
            raw.setdefault(f"reachable, {title}", []).append(since(begin))
            start.join()
            sh(f"podman rm -f -t 0 {name}")


def page(name):
    """Whether the answer is the page that names the container."""
    status, body = get(f"{name}.{DOMAIN}")
    return status in (502, 503) and name in body


def named(raw, rounds):
    """A container is killed -> the page that names it, without holding requests."""
    for number in range(rounds):
        name = f"dead{number}"
        sh(run(name, "--label flatnet.hold=0"))
        await_answers(name)
        process = sh(f"podman inspect {name} --format '{{{{.State.Pid}}}}'").strip()
        sh(f"kill -9 {process}")
        begin = time.perf_counter()
        await_true(f"the page of {name}", lambda: page(name), 30)
        raw.setdefault("named", []).append(since(begin))
        sh(f"podman rm -f -t 0 {name}")


def restarts(raw, rounds):
    """A container restarts under load, at once and after 4 s: failed requests, and the longest wait of a request."""
    sh(run("held", image=NGINX))
    await_answers("held")
    script = "podman restart -t 0 held; sleep 1; podman stop -t 0 held; sleep 4; podman start held"
    for _ in range(rounds):
        load = wrk(10, 16, host=f"held.{DOMAIN}", path="/who")
        time.sleep(0.5)
        sh(script)
        found = finish(load)
        raw.setdefault("failed in restarts", []).append(found["failed"])
        raw.setdefault("answered in restarts", []).append(found["requests"])
        raw.setdefault("longest held", []).append(found["max"] / 1000)
        if found["max"] < 4e6:
            raise Failed(f"nobody waited for the container that was stopped for 4 s: {found}")
    sh("podman rm -f -t 0 held")
