"""A browser whose microphone hears a file."""

import base64
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.avis.serving.conftest import TOKENS, wav

WITHIN_S = 60
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SPEAKS = 0
"""Who speaks into the microphone."""
SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
READ = """
const [done] = arguments;
const reader = new FileReader();
reader.onload = () => done(reader.result.split(",")[1]);
reader.readAsDataURL({recording});
"""


class Browser:
    """A browser at the page.

    Parameters
    ----------
    driver
        Of Selenium.
    folder : Path
        For files that are chosen.
    """

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver, self.folder = driver, folder

    def find(self, selector: str) -> Any:
        """Return the first element in sight, once there is one."""
        from selenium.webdriver.support.wait import WebDriverWait

        def seen(_: Any) -> Any:
            return next((each for each in self.all(selector) if each.is_displayed()), None)

        return WebDriverWait(self.driver, WITHIN_S, 0.1).until(seen, message=selector)

    def all(self, selector: str) -> list[Any]:
        """Return all elements that there are."""
        found: list[Any] = self.driver.find_elements("css selector", selector)
        return found

    def until(self, selector: str, text: str) -> str:
        """Return what an element says, once that holds a text."""
        from selenium.webdriver.support.wait import WebDriverWait

        def said(_: Any) -> str:
            words = "\n".join(each.text for each in self.all(selector))
            return words if text in words else ""

        told: str = WebDriverWait(self.driver, WITHIN_S, 0.1).until(said, message=f"{selector}: {text}")
        return told

    def press(self, selector: str) -> None:
        self.find(selector).click()

    def open(self, tab: str) -> None:
        self.press(f"#tab-{tab}")

    def choose(self, place: str, name: str, data: bytes) -> None:
        """Choose a file."""
        file = self.folder / name
        file.write_bytes(data)
        self.all(f"{place} input[type=file]")[0].send_keys(str(file))

    def record(self, place: str, until: str = "4.") -> None:
        """Record until there are so many seconds, and stop."""
        self.press(f"{place} .recorder button")
        self.until(f"{place} .counted", until)
        self.press(f"{place} .recorder button")
        self.find(f"{place} .recorder button:not(.recording)")

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def recorded(self, expression: str) -> bytes:
        """Return the bytes of a recording, which an expression of the scripts gives."""
        text = self.driver.execute_async_script(READ.replace("{recording}", expression))
        return base64.b64decode(text)

    def resize(self, width: int, height: int = 900) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def picture(self, name: str) -> None:
        """Keep what the whole page looks like, where ``AVIS_PICTURES`` says."""
        if folder := os.environ.get("AVIS_PICTURES"):
            shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
            Path(folder, f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if BROWSER is None or DRIVER is None:
        pytest.skip("neither chromium nor chromedriver, or one of them is missing")
    from selenium import webdriver

    folder = tmp_path_factory.mktemp("browser")
    (folder / "spoken.wav").write_bytes(wav(SPEAKS, duration_s=12.0, rate=48000, subtype="PCM_16"))
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    of_files = (f"--user-data-dir={folder / 'profile'}", f"--use-file-for-fake-audio-capture={folder / 'spoken.wav'}")
    for switch in (*SWITCHES, *of_files):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(WITHIN_S)
    yield driver
    driver.quit()


@pytest.fixture
def browser(driver: Any, served: Any, tmp_path: Path) -> Iterator[Browser]:
    """Return a browser at the page of a service, which was given a token; no script may fail, nor be refused."""
    driver.get(served.url)
    driver.execute_script("sessionStorage.setItem('avis.token', arguments[0])", TOKENS["admin"])
    driver.get(served.url)
    driver.get_log("browser")
    browser = Browser(driver, tmp_path)
    browser.resize(1200)
    yield browser
    complaints = [each["message"] for each in driver.get_log("browser") if each["level"] == "SEVERE"]
    assert [each for each in complaints if "Failed to load resource" not in each] == []
