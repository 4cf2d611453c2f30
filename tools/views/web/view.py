"""The view of the web page: a thread serves the page and its WebSocket, and each browser gets the newest state.

A browser that is slow gets fewer states, one that leaves has no effect on the run.
"""

import asyncio
import json
import logging
import os
import secrets
import sys
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self, Unpack

from spikecut.models.card import ModelCard
from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.metrics.session_score import Outcome
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.results import Decision, Item
from spikecut.sources.live.controls import Controls
from spikecut.tools.views.base import Closed, Summary, ViewKind, ViewOptions, Wish
from spikecut.tools.views.live_view import LiveView
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.overlay_view import OverlayOptions, overlay_options
from spikecut.tools.views.scene import Scene
from spikecut.tools.views.web.access import Access, Address
from spikecut.tools.views.web.state import Answer, beginning, message

DEFAULT_ADDRESS: Final = "127.0.0.1:8080"
MOST_BROWSERS: Final = 16
_MOST_ANSWERS: Final = 60
_CLOSING_S: Final = 1.0
_TRY_AGAIN_LATER: Final = 1013  # of the registry of RFC 6455
_LIMITS: Final[dict[str, Any]] = {"max_size": 64, "max_queue": 4, "open_timeout": 5, "close_timeout": 0.2}


class WebView(LiveView):
    """A `View` as a web page at an address; the keys of its page press `controls`.

    `url` is the address of the page, with the port where 0 was given, and with its token. The page has the `palette`
    that the browser prefers, if none is given. The other keywords are those of `Overlay`.

    Raises:
        EnvironmentProblem: from `with`, if websockets is missing or nothing can listen at the address.
    """

    def __init__(
        self,
        address: Address,
        controls: Controls | None = None,
        status: Callable[[], str] | None = None,
        palette: str | None = None,
        **drawing: Unpack[OverlayOptions],
    ) -> None:
        super().__init__(Overlay(**drawing))
        self._controls, self._palette = controls or Controls(), palette
        self._status = status or self._controls.__str__
        self._answers: deque[Answer] = deque(maxlen=_MOST_ANSWERS)
        self._verdict: Outcome | None = None
        self._summary: Summary | None = None
        self._server = _Server(Access(address, None if address.is_loopback else secrets.token_urlsafe(16)), self)

    @property
    def url(self) -> str:
        return self._server.url

    def __enter__(self) -> Self:
        self._server.start()
        print(f"the run as a web page: {self.url}", file=sys.stderr, flush=True)
        return super().__enter__()

    def judge(self, outcome: Outcome, truth: str | None) -> None:
        """The verdict on the decision that is written next."""
        self._verdict = outcome
        super().judge(outcome, truth)

    def write(self, item: Item) -> None:
        """Takes the next item; a decision is kept for the timeline, also where no picture shows it."""
        if isinstance(item, Decision):
            self._answers.append(Answer(item.label, item.time_us, self._verdict))
        super().write(item)

    def show(self, scene: Scene) -> None:
        """Publishes a scene."""
        self._server.publish(message(self.overlay, scene, tuple(self._answers), self._status(), self._summary))

    def beginning(self) -> dict[str, Any]:
        """What a browser is sent first."""
        return beginning(self.overlay, self._controls.keys, self._palette)

    def press(self, key: str) -> None:
        """Acts on a key of a page."""
        self._controls.press(key)
        if self._controls.stopped:
            self.stop_with(Closed("stopped with q"))

    def finish(self, summary: Summary) -> None:
        """Shows the score, and ends the connections once it was sent, or after a second."""
        self._summary = summary
        self.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the thread that draws and the one that serves."""
        self.end(_CLOSING_S)
        self._server.stop()


class _Server:
    """The thread that serves."""

    def __init__(self, access: Access, view: WebView) -> None:
        self.url = ""
        self._access, self._view = access, view
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._ready = threading.Event()
        self._problem: BaseException | None = None
        self._newest = b""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed, self._over = asyncio.Event(), asyncio.Event()
        self._sent: dict[Any, bytes] = {}  # to each browser last

    def start(self) -> None:
        """Listens, from now on.

        Raises:
            EnvironmentProblem: if it cannot.
        """
        self._package = _websockets()
        self._thread.start()
        self._ready.wait()
        if self._problem is not None:
            raise self._problem

    def publish(self, newest: bytes) -> None:
        """From now on browsers get this state."""

        def change() -> None:
            self._newest = newest
            self._wake()

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(change)

    def stop(self) -> None:
        """Ends all connections, once the newest state was sent, or after a second."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
        if self._thread.ident is not None:
            self._thread.join()

    def _wake(self) -> None:
        before, self._changed = self._changed, asyncio.Event()
        before.set()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._problem = _cannot_listen(self._access.address, error)
        except BaseException as error:  # the run must hear of it
            self._problem = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        access, quiet = self._access, logging.getLogger("spikecut.web")
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False  # what browsers do wrong is no line of ours
        host, port = access.address
        serving = self._package.asyncio.server.serve(
            self._talk, host, port, process_request=access.answer, server_header=None, logger=quiet, **_LIMITS
        )
        async with serving as server:
            self.url = access.url(next(iter(server.sockets)).getsockname()[1])
            self._ready.set()
            await self._over.wait()
            for _ in range(round(_CLOSING_S / 0.02)):
                if all(sent is self._newest for sent in self._sent.values()):
                    break
                await asyncio.sleep(0.02)

    async def _talk(self, browser: Any) -> None:
        """Sends the newest state to one browser again and again, and takes its keys."""
        if len(self._sent) >= MOST_BROWSERS:
            await browser.close(_TRY_AGAIN_LATER, f"{MOST_BROWSERS} browsers are watching")
            return
        self._sent[browser] = b""
        sender = asyncio.ensure_future(self._send(browser))
        try:
            async for key in browser:
                if isinstance(key, str):
                    self._view.press(key)
        except self._package.exceptions.ConnectionClosed:
            pass
        finally:
            sender.cancel()
            del self._sent[browser]

    async def _send(self, browser: Any) -> None:
        try:
            await browser.send(json.dumps(self._view.beginning()))
            while True:
                coming, newest = self._changed, self._newest
                if newest is not self._sent[browser]:
                    await browser.send(newest)  # waits while the browser takes nothing
                    self._sent[browser] = newest
                else:
                    await coming.wait()
        except self._package.exceptions.ConnectionClosed:
            return


def web_problem() -> EnvironmentProblem | None:
    """Why no page can be served here, or None."""
    try:
        _websockets()
    except EnvironmentProblem as problem:
        return problem
    return None


def _websockets() -> Any:
    """The package websockets, an extra."""
    try:
        import websockets
        import websockets.asyncio.server
        import websockets.exceptions
    except ImportError as error:
        raise EnvironmentProblem("a web page needs websockets", hint="pip install 'spikecut[web]'") from error
    return websockets


def _cannot_listen(address: Address, error: OSError) -> EnvironmentProblem:
    where = f"{address.host}:{address.port}"
    reason = os.strerror(error.errno).lower() if isinstance(error.errno, int) and error.errno > 0 else str(error)
    return EnvironmentProblem(
        f"cannot listen at {where}: {reason}",
        hint="another program may use this port: --listen 127.0.0.1:8081, or port 0 for any that is free",
    )


def _make_web(card: ModelCard, decider: CutoffDecider[Any], options: ViewOptions) -> WebView:
    address = Address.parse(options.listen or DEFAULT_ADDRESS)
    drawing = overlay_options(card, decider, options)
    return WebView(address, options.controls, options.status, options.palette, **drawing)


def _wish_web(options: ViewOptions) -> Wish:
    return Wish.yes if options.web or options.listen is not None else Wish.no


WEB = ViewKind("the run as a web page: --web, or --view web", _make_web, wish=_wish_web, problem=web_problem)
