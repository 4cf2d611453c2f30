"""The web page in a browser: Debian's Chromium, without a display, read and pictured by its DevTools protocol."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.events import Frame
from spikecut.pipeline.metrics.session_score import Outcome
from spikecut.pipeline.results import Decision, Step, StopReason
from spikecut.sources.live.controls import Controls
from spikecut.tools.views.web.access import Address
from spikecut.tools.views.web.view import WebView

client = pytest.importorskip("websockets.sync.client", reason="the extra web is not installed (websockets)")
CHROMIUM = shutil.which("chromium")
NAMES = ("hand clapping", "<b>arm roll</b>")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--window-size=1240,1000"]


class Tab:
    """A tab of a browser."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._number = connection, 0

    def call(self, method: str, **values: Any) -> Any:
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": values}))
        while True:
            answer = json.loads(self._connection.recv(timeout=60))
            if answer.get("id") == self._number:
                return answer["result"]

    def value(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, awaitPromise=True)["result"].get("value")

    def until(self, script: str) -> None:
        while not self.value(script):
            time.sleep(0.02)


def waited(made: Callable[[], Any]) -> Any:
    while not (one := made()):
        time.sleep(0.05)
    return one


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str], Tab]]:
    """Opens an address in a new browser."""
    started = list[Any]()

    def open_tab(url: str) -> Tab:
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", url]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started.append(browser)
        file = tmp_path / "profile" / "DevToolsActivePort"
        port = waited(lambda: file.exists() and file.read_text().splitlines()[:1])[0]
        tabs = f"http://127.0.0.1:{port}/json"
        (tab,) = waited(lambda: [one for one in json.load(urllib.request.urlopen(tabs)) if one["type"] == "page"])
        connection = client.connect(tab["webSocketDebuggerUrl"], max_size=None).__enter__()
        started.append(connection)
        return Tab(connection)

    yield open_tab
    browser, *connections = started
    for connection in connections:
        connection.__exit__(None, None, None)
    browser.terminate()
    browser.wait()


def picture(tab: Tab, scheme: str) -> UInt8[ndarray, "h w 3"]:
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    tab.until(f"matchMedia('(prefers-color-scheme: {scheme})').matches")
    tab.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    png = base64.b64decode(tab.call("Page.captureScreenshot", format="png")["data"])
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR))


def step(k: int) -> Step:
    pixels = np.zeros((2, 64, 64), np.uint8)
    pixels[k % 2, 20:40, 10 : 20 + k] = 2
    total = np.array([0, k], np.float32)
    frame = Frame(k, 0, k * 20_000, (k + 1) * 20_000, pixels, int(pixels.sum()))
    return Step(k, frame, total, total, k / 4, spikes=(40 + k, 9, 0), cells=(800, 400, 20))


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
def test_chromium_shows_the_run_and_its_keys_steer_it(opened: Callable[[str], Tab]) -> None:
    controls = Controls(1.0)
    limits = [np.inf] * 4 + [2.5] * 16
    with WebView(Address("127.0.0.1", 0), controls, names=NAMES, horizon=20, step_us=20_000, thresholds=limits) as view:
        tab = opened(view.url)
        view.begin("walking.aedat", "hand clapping")
        for k in range(9):
            view.write(step(k))
        tab.until("document.getElementById('words').textContent.includes('step 9 of 20')")
        assert tab.value("document.getElementById('limit').textContent") == "2.00 · threshold 2.50"
        layers = "[...document.querySelectorAll('.layer')].map(one => one.textContent).join('|')"
        assert tab.value(layers) == "16.0 %396|22.2 %81|30.0 %0"
        view.judge(Outcome.wrong, "hand clapping")
        view.write(Decision(1, 9, StopReason.cutoff, 2.0, 0, 180_000, 99, np.array([0, 8], np.float32)))
        tab.until("document.getElementById('verdict').textContent === '✗ wrong'")
        assert tab.value("document.getElementById('answer').textContent") == "<b>arm roll</b>", "names are no HTML"
        assert tab.value("document.getElementById('answers').textContent") == "0.2 s✗ <b>arm roll</b>"
        tab.value("document.dispatchEvent(new KeyboardEvent('keydown', {key: ' '}))")
        tab.value("[...document.querySelectorAll('button')].find(one => one.textContent.includes('faster')).click()")
        waited(lambda: str(controls) == "paused, 2x")
        pictures = {scheme: picture(tab, scheme) for scheme in ("dark", "light")}
        assert pictures["dark"].mean() < 80 < 180 < pictures["light"].mean()
        for image in pictures.values():
            assert len(np.unique(image.reshape(-1, 3), axis=0)) > 50, "hardly anything is drawn"
        assert tab.value("[...document.querySelectorAll('section')].every(one => !one.hidden)")
    tab.until("!document.getElementById('over').hidden")
    assert tab.value("document.getElementById('over').textContent") == "the run has ended"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
@pytest.mark.parametrize("palette", ["dark", "light"])
def test_chromium_shows_the_palette_that_is_given_whatever_it_prefers(
    palette: str, opened: Callable[[str], Tab]
) -> None:
    with WebView(Address("127.0.0.1", 0), palette=palette, names=NAMES, horizon=20, step_us=20_000) as view:
        tab = opened(view.url)
        view.write(step(1))
        tab.until("document.body.dataset.drawn > 0")
        for scheme in ("dark", "light"):
            assert (float(picture(tab, scheme).mean()) > 128) == (palette == "light")
