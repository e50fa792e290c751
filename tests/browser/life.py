"""Two browsers show containers during restart, stop, start, kill and removal, while others keep requesting them.

`steady` holds requests for the default of ten seconds; `app` for one, so that the gateway's page appears soon.
"""

import http.client
import threading
import time

from browser import PORTAL, Browser, host, until

# A container runs before its server listens; requests for `app` wait only one second for it.
STARTING = ((503, "down"),)

STEADY, APP = "steady.flatnet.internal", "app.flatnet.internal"


class Asking:
    """Requests / repeatedly, like others in the LAN, and records the responses."""

    def __init__(self, name):
        self.name, self.answers, self.ending = name, [], threading.Event()
        self.thread = threading.Thread(target=self.ask)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()

    def ask(self):
        connection = http.client.HTTPConnection(self.name, timeout=30)
        while not self.ending.is_set():
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                answer.read()
                self.answers.append((answer.status, answer.getheader("X-Flatnet-Error")))
            except (OSError, http.client.HTTPException) as error:
                self.answers.append((repr(error), None))
                connection.close()
            time.sleep(0.02)

    def expect(self, *wanted, maybe=()):
        """Asserts that exactly these responses occurred, apart from those in `maybe`."""
        met = set(self.answers) - set(maybe)
        assert met == set(wanted), f"{self.name}: {[(one, self.answers.count(one)) for one in set(self.answers)]}"


def restart(page, portal):
    """No request fails, and an open page reconnects by itself."""
    page.open(f"http://{STEADY}/")
    page.reaches("message", 2, "#socket")
    page.run("new MutationObserver(() => { window.lost ||= document.body.innerText.includes('connection lost') })"
             ".observe(document.body, {childList: true, subtree: true, characterData: true})")
    with Asking(STEADY) as others:
        until("an answer", lambda: others.answers)
        host("podman restart -t 0 steady")
        until("the WebSocket was lost", lambda: page.run("return window.lost"))
        after = page.reaches("message", 1, "#socket")
        page.shows("event", "#events")
        page.reaches("message", after + 2, "#socket")
        portal.shows("running", "#route-steady .badge")
    others.expect((200, None))


def stop_and_start(page, portal, others):
    page.open(f"http://{APP}/")
    page.reaches("message", 2, "#socket")
    host("podman stop -t 0 app")
    portal.shows("stopped", "#route-app .badge")
    portal.picture("portal-stopped")
    page.open(f"http://{APP}/")
    page.shows("app is stopped", "h1")
    for text in ("The container app exists, but is not running.", "podman start app", "checks again automatically"):
        page.shows(text)
    page.picture("stopped")
    until("others are told so", lambda: (503, "stopped") in others.answers)
    host("podman start app")
    page.shows("message", "#socket")
    portal.shows("running", "#route-app .badge")
    others.expect((200, None), (503, "stopped"), maybe=STARTING)


def kill(page, portal):
    host("podman kill app")
    portal.shows("stopped", "#route-app .badge")
    page.open(f"http://{APP}/")
    page.shows("app is stopped", "h1")


def remove_and_run(page, portal, others):
    """The page of a stopped container changes to that of an unknown name, and then to the new container, by itself."""
    host("podman rm -f -t 0 app")
    page.shows(f"No service {APP} here", "h1")
    page.picture("removed")
    until("the portal forgets it", lambda: not portal.all("#route-app"))
    until("others are told so", lambda: (404, "unknown_host") in others.answers)
    host("podman run -d --name app --network flatnet --label flatnet.hold=1 flatnet-test/app")
    page.shows("message", "#socket")
    portal.shows("running", "#route-app .badge")
    others.expect((200, None), (503, "stopped"), (404, "unknown_host"), maybe=STARTING)


def is_expected(entry):
    """Messages of the browser about a status other than 200 (405: Tornado does not support HEAD) or a closed connection."""
    is_theirs = f"//{APP}/" in entry or f"//{STEADY}/" in entry
    return is_theirs and any(word in entry for word in (" 404 ", " 405 ", " 503 ", "WebSocket", "INCOMPLETE_CHUNKED"))


with Browser() as page, Browser() as portal:
    portal.open(PORTAL)
    restart(page, portal)
    with Asking(APP) as others:
        stop_and_start(page, portal, others)
        kill(page, portal)
        remove_and_run(page, portal, others)
    page.expect_quiet(is_expected)
    portal.expect_quiet()
