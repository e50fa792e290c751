"""Appearance and behavior of the gateway's own pages: in two languages, light and dark, on phones and desktops, with many
routes, with none, and during failures.

Reads {"gateway": its folder}. The containers of the routes table are servers at 10.87.1.2 to 10.87.1.40, port 3000.
"""

import http.client
import json
import pathlib
import sys

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from browser import PORTAL, Browser, host, until

GATEWAY = json.load(sys.stdin)["gateway"]
LOOK = (pathlib.Path(__file__).parent / "look.js").read_text()
SINCE = "2026-11-20T08:30:00Z"
SIZES = {"phone": (390, 844), "desk": (1280, 800)}
LONG = "quarterly-sales-report-generator-for-the-southern-region-and-its-subsidiaries"
generation = 0


def endpoint(name, last, state="running"):
    return {"container": name, "id": f"0123456789{last:02x}", "address": f"10.87.1.{last}", "port": 3000, "state": state,
            "since": SINCE}


def route(name, last, state="running", **changes):
    hosts = [f"{name}.flatnet.internal", f"{name}.local"]
    return {"name": name, "hosts": hosts, "path": "/", "strip": False, "scheme": "http", "stream": False, "hold": 0,
            "health": None, "endpoints": [endpoint(name, last, state)]} | changes


def unrouted(name, last, why, warning=False, **reason):
    return {"container": name, "id": f"{last:02x}", "address": f"10.87.1.{last}", "state": "running", "since": SINCE,
            "why": why, "warning": warning} | reason


def ask(name, path="/"):
    connection = http.client.HTTPConnection("192.168.50.1", timeout=10)
    connection.request("GET", path, headers={"Host": name})
    return connection.getresponse().read()


def publish(routes, without=()):
    """Replaces the routes table, waits until it is in force, and requests each route, so that the gateway knows its state."""
    global generation
    generation += 1
    table = {"version": 1, "generation": generation, "written": SINCE,
             "host": {"name": "dev-pc", "network": "flatnet", "subnet": "10.87.1.0/24"},
             "routes": routes, "unrouted": list(without), "end": generation}
    path = f"{GATEWAY}/state/routes.json"
    host(f"cat >{path}.new <<'END'\n{json.dumps(table)}\nEND\nmv {path}.new {path}")
    # Each worker reads the table.
    until("all workers have the list", lambda: all(
        json.loads(ask("localhost", "/_flatnet/status")).get("generation") == generation for _ in range(8)))
    for one in routes:
        for _ in one["endpoints"]:
            ask(*[one["hosts"][0], "/"] if one["hosts"] else ["localhost", one["path"]])


def many():
    words = "wiki forgejo grafana registry mailpit minio keycloak jenkins nexus sonarqube redmine mattermost shop".split()
    running = [route(f"{word}{suffix}", 2 + index) for suffix in ("", "-test") for index, word in enumerate(words)]
    return running + [
        route("backup", 30, "stopped"), route("batch", 31, "paused"), route("silent", 99),
        route("api", 32, endpoints=[endpoint("api-1", 32), endpoint("api-2", 33), endpoint("api-3", 34, "stopped")]),
    ]


def troubled():
    return [
        route("web", 2), route(LONG, 3, hosts=[f"{LONG[:60]}.flatnet.internal"]), route("docs", 4, hosts=[], path="/docs"),
        route("pages", 5, hosts=["*.git.example.org"]), route("second-web", 6, hosts=["web.local"]),
        route("none", 7, endpoints=[]), route("old", 8, "stopped"),
    ]


WITHOUT = [
    unrouted("db", 9, "its port 5432 does not answer HTTP", reason="port_silent", facts={"ports": "5432"}),
    unrouted("shop", 10, "its ports 3000, 8080 all answer HTTP: choose one with the label flatnet.port", True,
             reason="several_ports", facts={"ports": "3000, 8080"}),
    unrouted(LONG, 11, "the label flatnet.host=\"sales_report\" is not a host name", True),
]


def look_at(browser, name, url, text):
    """Checks a page in light and dark, on every screen size: readable, nothing cut off. `text` is text of the loaded page."""
    language = browser.language
    browser.open(url)
    browser.shows(text[language])
    assert browser.run("return document.documentElement.lang") == language
    for scheme in ("light", "dark"):
        for screen, size in SIZES.items():
            browser.dark(scheme == "dark")
            browser.resize(*size)
            wrong = browser.run(LOOK)
            browser.picture(f"{name}-{language}-{scheme}-{screen}")
            assert not wrong, f"{name}, {language}, {scheme}, {screen}: {wrong}"


def look_at_all(browsers):
    published = [
        ("empty", [], [], PORTAL, {"en": "No container is routed yet", "ja": "公開されているコンテナはまだありません"}),
        ("many", many(), [], PORTAL, {"en": "27 running", "ja": "稼働中 27"}),
        ("troubled", troubled(), WITHOUT, PORTAL, {"en": "Conflicts", "ja": "競合"}),
    ]
    for name, routes, without, url, text in published:
        publish(routes, without)
        for browser in browsers:
            look_at(browser, name, url, text)
    for browser in browsers:
        look_at(browser, "stopped", "http://old.local/", {"en": "podman start old", "ja": "podman start old"})
        look_at(browser, "unknown", "http://nobody.flatnet.internal/", {"en": "No service nobody", "ja": "サービスはありません"})


def stay_in_place(browser):
    """An update changes only what is different: nothing else moves, and the focus stays."""
    browser.dark(False)
    browser.resize(*SIZES["desk"])
    publish(many())
    browser.open(PORTAL)
    browser.shows("27 running")
    links = browser.run("return [...document.links].map((link) => link.href)")
    assert len(links) == 60, links
    for link in links[:7]:
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        assert browser.run("return document.activeElement.href") == link
    outline = browser.run("const style = getComputedStyle(document.activeElement); return style.outlineStyle + style.outlineWidth")
    assert outline.startswith("solid") and outline != "solid0px", outline
    browser.picture("focus")
    browser.run("""
        window.kept = [document.querySelector('#route-wiki'), document.activeElement];
        window.shifts = 0;
        new PerformanceObserver((list) => { for (const one of list.getEntries()) window.shifts += one.value })
            .observe({type: 'layout-shift'})""")
    routes = many()
    next(one for one in routes if one["name"] == "grafana")["endpoints"][0]["state"] = "stopped"
    publish(routes)
    browser.shows("stopped", "#route-grafana .badge")
    browser.shows("26 running")
    assert browser.run("return window.kept.every((one) => one.isConnected) && document.activeElement === window.kept[1]")
    # The link with the focus is in the card that is replaced.
    next(one for one in routes if one["name"] in links[6])["endpoints"][0]["state"] = "paused"
    publish(routes)
    browser.shows("2 paused")
    assert browser.run("return document.activeElement.href") == links[6]
    publish(routes[1:])
    until("one is gone", lambda: len(browser.all("article")) == 29)
    assert browser.run("return window.shifts") < 0.05, "things moved where nothing had changed"


def go_away_and_return(browser):
    """Without the gateway, the page warns that it may be outdated."""
    assert not browser.one("#away").is_displayed()
    host(f"nginx -p {GATEWAY} -c conf/nginx.conf -s quit")
    browser.shows("The gateway does not answer")
    browser.picture("away")
    host(f"ip netns exec windows nginx -p {GATEWAY} -c conf/nginx.conf")
    until("the gateway is back", lambda: not browser.one("#away").is_displayed())


with Browser("en") as english, Browser("ja") as japanese:
    look_at_all((english, japanese))
    stay_in_place(english)
    english.expect_quiet(lambda entry: "//old.local/" in entry or "//nobody.flatnet.internal/" in entry)
    go_away_and_return(english)
