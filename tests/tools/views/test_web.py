"""Truths about the web page: what it is sent, who may see it, and that no browser has an effect on the run."""

import json
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem
from spikecut.pipeline.events import Frame
from spikecut.pipeline.metrics.session_score import Outcome, Score
from spikecut.pipeline.results import Decision, Item, Step, StopReason
from spikecut.sources.live.controls import Controls
from spikecut.tools.commands.watch.run import Run
from spikecut.tools.session.opening import view_options
from spikecut.tools.views.base import Closed, Summary, ViewOptions, Wish
from spikecut.tools.views.palette import PALETTES
from spikecut.tools.views.web import view as module
from spikecut.tools.views.web.access import Access, Address
from spikecut.tools.views.web.view import WEB, WebView

client = pytest.importorskip("websockets.sync.client", reason="the extra web is not installed (websockets)")
NAMES = ("hand clapping", "arm roll")
HERE = Address("127.0.0.1", 0)


def page(address: Address = HERE, controls: Controls | None = None) -> WebView:
    return WebView(address, controls, names=NAMES, horizon=20, step_us=20_000, thresholds=[np.inf] * 4 + [2.5] * 16)


def step(k: int, size: int = 34) -> Step:
    pixels = np.random.default_rng(k).poisson(0.15, (2, size, size)).astype(np.uint8)
    total = np.array([0, k], np.float32)
    return Step(k, Frame(k, 0, k * 20_000, (k + 1) * 20_000, pixels, int(pixels.sum())), total, total, k / 4)


def decision() -> Decision:
    return Decision(1, 9, StopReason.cutoff, 2.0, 0, 180_000, 99, np.array([0, 8], np.float32))


def stream(view: WebView, **more: Any) -> Any:
    return client.connect(
        view.url.replace("http", "ws").replace("/?", "/stream?").rstrip("/") + more.pop("path", ""), **more
    )


def connected(view: WebView, **more: Any) -> Any:
    return stream(view, path="" if "?" in view.url else "/stream", **more)


def state_of(message: bytes) -> dict[str, Any]:
    length = int.from_bytes(message[:4], "little")
    state: dict[str, Any] = json.loads(message[4 : 4 + length])
    state["pixels"] = message[4 + length :]
    return state


def until(browser: Any, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The first state for which something holds."""
    while True:
        sent = browser.recv(timeout=30)
        if isinstance(sent, bytes) and holds(state := state_of(sent)):
            return state


def test_a_page_is_sent_what_overlays_show() -> None:
    items: list[Item] = [step(k) for k in range(9)]
    with page() as view:
        html = urllib.request.urlopen(view.url).read().decode()
        assert html.startswith("<!doctype html>")
        assert not [part for part in ("http://", "https://", "//cdn") if part in html], "no remote assets"
        with connected(view) as browser:
            fixed = json.loads(browser.recv())
            assert fixed["names"] == list(NAMES)
            assert fixed["thresholds"] == [None] * 4 + [2.5] * 16
            view.begin("walking.aedat", "arm roll")
            for item in items:
                view.write(item)
            state = until(browser, lambda state: len(state["scores"]) == 9)
            assert (state["leader"], state["decision"], state["size"]) == (1, None, [34, 34])
            assert len(state["pixels"]) == 34 * 34
            assert max(state["pixels"]) < 64
            assert len(set(state["pixels"])) > 2
            view.judge(Outcome.false_alarm, None)
            view.write(decision())
            state = until(browser, lambda state: state["decision"])
            assert state["decision"]["steps"] == 9
            assert state["verdict"] == "false_alarm"
            assert state["answers"] == [[1, 180_000, "false_alarm"]]
            score = Score(right=1, wrong=1)
            view.finish(Summary(9, 9, 9, 1, 180_000, score))
            assert until(browser, lambda state: "over" in state)["over"][0] == "1 of 2 gestures named right"


def test_keys_of_the_page_steer_the_recording_and_q_ends_it() -> None:
    controls = Controls(1.0)
    with page(controls=controls) as view, connected(view) as browser:
        for key in (" ", "+", "right", "nonsense", "\x1b[2J"):
            browser.send(key)
        while not controls.wants_jump:
            time.sleep(0.001)
        assert str(controls) == "paused, 2x"
        browser.send("q")
        with pytest.raises(Closed, match="stopped with q"):
            play_on(view)
        assert controls.stopped


def play_on(view: WebView) -> None:
    while True:
        view.idle()


def test_a_browser_that_takes_nothing_delays_neither_the_run_nor_other_browsers() -> None:
    """Its connection is full after a few states of 100 kB."""
    with page() as view, socket.create_connection(("127.0.0.1", int(view.url.split(":")[2].strip("/")))) as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        stuck.sendall(
            f"GET /stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}".encode()
        )
        with connected(view) as browser:
            for k in range(60):
                view.write(step(k, 384))
                until(browser, lambda state, k=k: len(state["scores"]) >= min(20, k))  # type: ignore[misc]


def test_a_browser_that_leaves_does_not_end_the_run() -> None:
    with page() as view:
        with connected(view) as browser:
            view.write(step(0))
            until(browser, lambda state: state["scores"])
        connected(view).socket.close()
        for k in range(1, 5):
            view.write(step(k))
        with connected(view) as browser:
            until(browser, lambda state: len(state["scores"]) == 5)


def test_a_port_in_use_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(EnvironmentProblem, match=f"cannot listen at 127.0.0.1:{port}: ") as error,
            page(Address("127.0.0.1", port)),
        ):
            pass
    assert "another program may use this port: --listen 127.0.0.1:8081" in str(error.value.hint)


@pytest.mark.parametrize("text", ["8080", ":8080", "localhost", "localhost:http", "localhost:65536"])
def test_an_address_is_host_and_port(text: str) -> None:
    with pytest.raises(ConfigError, match="expected HOST:PORT"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False)],
)
def test_only_addresses_of_this_machine_need_no_token(host: str, loopback: bool) -> None:
    assert Address(host, 8080).is_loopback == loopback
    assert (WebView(Address(host, 8080), names=NAMES, horizon=2, step_us=9)._server._access.token is None) == loopback


def status_of(url: str, **headers: str) -> int:
    try:
        return int(urllib.request.urlopen(urllib.request.Request(url, headers=headers)).status)
    except urllib.error.HTTPError as error:
        return error.code


def test_beyond_this_machine_nothing_is_served_without_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Address, "is_loopback", property(lambda self: False))
    with page() as view:
        assert "?token=" in view.url
        bare, _, token = view.url.partition("?token=")
        assert status_of(view.url) == 200
        for wrong in (
            bare,
            f"{bare}?token=",
            f"{bare}?token={token[:-1]}",
            f"{bare}?token={token}x",
            f"{bare}?tokén=1",
        ):
            assert status_of(wrong.replace("é", "%C3%A9")) == 403
        with connected(view) as browser:
            assert json.loads(browser.recv())["names"] == list(NAMES)
        refused = pytest.importorskip("websockets.exceptions").InvalidStatus
        with pytest.raises(refused, match="403"):
            client.connect(bare.replace("http", "ws") + "stream")


def test_pages_of_other_sites_get_nothing() -> None:
    refused = pytest.importorskip("websockets.exceptions").InvalidStatus
    with page() as view:
        with pytest.raises(refused, match="403"):
            connected(view, origin="http://example.org")
        with connected(view, origin=view.url.rstrip("/")) as browser:
            assert browser.recv()
        assert status_of(view.url, Host="example.org") == 403, "a name that another site can have (DNS rebinding)"
        assert status_of(view.url, Host="localhost:1") == 200
        assert status_of(f"{view.url}other") == 404


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = list[tuple[bytes, bytes]]()

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr("secrets.compare_digest", compare)
    request = SimpleNamespace(path="/?token=guess", headers={})
    connection = SimpleNamespace(respond=lambda status, text: int(status))
    assert Access(Address("0.0.0.0", 80), "secret").answer(connection, request) == 403
    assert compared == [(b"guess", b"secret")]


def test_there_is_an_end_to_the_number_of_browsers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BROWSERS", 1)
    closed = pytest.importorskip("websockets.exceptions").ConnectionClosed
    with page() as view, connected(view) as first, connected(view) as second:
        assert first.recv()
        with pytest.raises(closed, match="1 browsers are watching"):
            second.recv()


def test_without_the_extra_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.web_problem() is None
    monkeypatch.setitem(sys.modules, "websockets", None)
    problem = module.web_problem()
    assert problem is not None
    assert problem.hint == "pip install 'spikecut[web]'"


@pytest.mark.parametrize("palette", [None, "dark", "light"])
def test_a_page_is_sent_the_palette_that_was_given_and_else_chooses_itself(palette: str | None) -> None:
    """Other views are dark where none is given."""
    card = SimpleNamespace(classes=NAMES, horizon=20, spec=SimpleNamespace(step_us=20_000))
    options = view_options(Run(Path("a.bin"), web=True, palette=palette))  # type: ignore[arg-type]
    view = WEB.make(card, None, options)  # type: ignore[arg-type]
    assert isinstance(view, WebView)
    assert view.beginning()["palette"] == palette
    assert view.overlay.style == PALETTES[palette or "dark"]


@pytest.mark.parametrize(
    ("options", "wish"),
    [(ViewOptions(), Wish.no), (ViewOptions(web=True), Wish.yes), (ViewOptions(listen="localhost:0"), Wish.yes)],
)
def test_a_page_is_shown_where_it_or_its_address_is_given(options: ViewOptions, wish: Wish) -> None:
    assert WEB.wish(options) is wish
