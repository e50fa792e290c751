"""A colleague's browser: Debian's Chromium in the LAN's namespace, driven by Selenium.

A scenario waits for a visible condition, with a limit, and never for a fixed time. Screenshots go to /pictures.
"""

import base64
import json
import re
import subprocess
import time
import urllib.parse

from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

PORTAL = "http://flatnet.internal/"
PICTURES = "/pictures"


def host(script):
    """Runs a script in the network namespace of the container host; returns its output."""
    command = ["nsenter", "--target", "1", "--net", "--mount", "bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{script}\nended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def until(what, condition, seconds=20):
    """Waits until `condition` is true; returns how long that took."""
    began, last = time.monotonic(), "not so"
    while time.monotonic() < began + seconds:
        try:
            if condition():
                return time.monotonic() - began
        except TimeoutException:
            raise
        except WebDriverException as error:
            # The page was being replaced.
            last = error.msg
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what} ({last})")


class Browser:
    def __init__(self, language="en", size=(1280, 800), dark=False):
        self.language = language
        options = Options()
        options.binary_location = "/usr/local/lib/flatnet-test/chromium"
        options.add_argument(f"--accept-lang={language}")
        options.add_argument(f"--window-size={size[0]},{size[1]}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.set_page_load_timeout(30)
        self.console = []
        self.asked = []
        self.resize(*size)
        self.dark(dark)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error:
            self.picture("failed")
        self.driver.quit()

    def resize(self, width, height):
        """Sets the viewport to exactly this size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def dark(self, is_dark):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, url):
        self.driver.get(url)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector="body"):
        return self.one(selector).text

    def shows(self, text, selector="body", seconds=20):
        """Waits until the text is visible; returns how long that took."""
        return until(f"{text!r} in {selector} of {self.driver.current_url}", lambda: text in self.text(selector), seconds)

    def reaches(self, word, least, selector):
        """Waits until the text is `WORD N from` with an increasing N of at least `least`; returns N."""
        numbers = [0]

        def look():
            numbers.extend(map(int, re.findall(rf"{word} (\d+) from", self.text(selector))))
            return numbers[-1] >= least

        until(f"{word} {least} from in {selector} of {self.driver.current_url}", look)
        return numbers[-1]

    def follow(self, link):
        """Clicks after the page was rendered: Chromium ignores earlier clicks."""
        self.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        self.driver.find_element(By.LINK_TEXT, link).click()

    def picture(self, name):
        """Takes a screenshot of the whole page."""
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        with open(f"{PICTURES}/{name}.png", "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def listen(self):
        """Collects new entries of the browser's logs: the console, and the URLs of all requests."""
        self.console += [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.asked.append(message["params"]["request"]["url"])
            elif message["method"] == "Network.webSocketCreated":
                self.asked.append(message["params"]["url"])

    def expect_quiet(self, expected=lambda entry: False):
        """Asserts that the console has only expected errors, and that all requests went to the gateway."""
        self.listen()
        wrong = [entry for entry in self.console if not expected(entry)]
        assert not wrong, f"the console says: {wrong}"
        assert self.asked, "the browser's requests are not logged"
        for url in self.asked:
            parts = urllib.parse.urlsplit(url)
            name = parts.hostname or ""
            is_ours = name == "192.168.50.1" or f".{name}".endswith((".flatnet.internal", ".local"))
            assert parts.scheme in ("data", "blob") or is_ours and parts.port in (None, 80), f"it asked for {url}"
