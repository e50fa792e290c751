"""The portal and three services by name: an application with WebSocket and events, a forge, and a database's web front end.

Reads {"database": its address}.
"""

import json
import sys

from selenium.webdriver.support.select import Select

from browser import PORTAL, Browser, until

plan = json.load(sys.stdin)


def portal(browser):
    browser.open(PORTAL)
    for name in ("app", "forge", "adminer"):
        browser.shows("running", f"#route-{name} .badge")
    unrouted = browser.text("#unrouted")
    assert "db" in unrouted and "its port 5432 does not answer HTTP" in unrouted, unrouted
    assert not browser.all("#route-db"), "a database is no service"
    browser.picture("portal")


def app(browser):
    browser.follow("app.flatnet.internal")
    browser.reaches("message", 3, "#socket")
    browser.reaches("event", 3, "#events")
    assert "connection lost" not in browser.text()
    browser.picture("app")
    browser.driver.back()


def forge(browser):
    browser.follow("forge.flatnet.internal")
    browser.shows("demo.git")
    assert browser.driver.current_url == "http://forge.flatnet.internal/cgit/", browser.driver.current_url
    browser.follow("demo.git")
    browser.shows("The first commit of demo")
    browser.shows("http://forge.flatnet.internal/git/demo.git")
    browser.picture("forge")


def database(browser):
    browser.open("http://adminer.local/")
    Select(browser.one("[name='auth[driver]']")).select_by_value("pgsql")
    for field, value in (("server", plan["database"]), ("username", "postgres"), ("password", "any"), ("db", "postgres")):
        box = browser.one(f"[name='auth[{field}]']")
        box.clear()
        box.send_keys(value)
    browser.one("[type=submit]").click()
    browser.shows("guests")
    browser.one("a[href*='select=guests']").click()
    browser.shows("Ada Lovelace", "#table")
    browser.picture("adminer")


def away(browser):
    """The page of an unknown name, and its link to the start page."""
    browser.open("http://nobody.flatnet.internal/")
    browser.shows("No service nobody.flatnet.internal here", "h1")
    browser.picture("nobody")
    browser.follow("Start page")
    until("the portal", lambda: browser.driver.current_url == "http://192.168.50.1/")
    browser.shows("running", "#route-app .badge")


with Browser() as colleague:
    portal(colleague)
    app(colleague)
    forge(colleague)
    database(colleague)
    colleague.expect_quiet()
    away(colleague)
    colleague.expect_quiet(lambda entry: "nobody.flatnet.internal" in entry and "404" in entry)
