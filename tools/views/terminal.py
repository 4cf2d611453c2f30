"""The run in the terminal: a page below what is printed, or a line a second where there is no terminal for pages.

The page is drawn on stderr, which may be a terminal of another machine: a thread writes it, and above it what others
print while it stands. So a slow connection delays the picture and the lines, and no decision.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from io import TextIOBase
from types import TracebackType
from typing import Any, Final, Self, TextIO, Unpack

from spikecut.models.card import ModelCard
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.sources.live.controls import KEYS, hints
from spikecut.tools.views.base import Summary, ViewKind, ViewOptions
from spikecut.tools.views.live_view import LiveView
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.overlay_view import OverlayOptions, overlay_options
from spikecut.tools.views.palette import OverlayStyle
from spikecut.tools.views.scene import Scene
from spikecut.tools.views.terminal_page import SMALLEST_WH, Ink, Page, plain_line

_LINE_EVERY_S: Final = 1.0
_CLOSING_S: Final = 1.0
_HIDE, _SHOW, _CLEAR_BELOW, _CLEAR_LINE = "\x1b[?25l", "\x1b[?25h", "\x1b[J", "\x1b[K"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"  # terminals that know them show what lies between at once
_VERDICTS = {"  FALSE ALARM": "warning", "  WRONG": "warning", " MISSED": "warning", "  right": "right"}


class TerminalView(LiveView):
    """A `View` on `out`: with `ink` a page of colours that is drawn anew in place, without it a line a second.

    While a page stands, its thread writes what goes to `sys.stderr`, and to `sys.stdout` where that is a terminal.
    `status` gives the state of playing, `keys` are named below it. The other keywords are those of `Overlay`.
    """

    def __init__(
        self,
        out: TextIO,
        ink: Ink | None,
        status: Callable[[], str] = str,
        keys: Mapping[str, str] = KEYS,
        **drawing: Unpack[OverlayOptions],
    ) -> None:
        super().__init__(Overlay(**drawing))
        self._out, self._ink, self._status, self._keys = out, ink, status, keys
        self._above: deque[str] = deque()  # whole lines that others printed
        self._height = 0  # of the page that stands
        self._line_s = -_LINE_EVERY_S
        self._former: dict[str, Any] = {}

    def __enter__(self) -> Self:
        if self._ink is not None:
            self._out.write(_HIDE)
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if stream is not None and stream.isatty():
                    self._former[name] = stream
                    setattr(sys, name, _Above(stream, self._above.append))
        return super().__enter__()

    def show(self, scene: Scene) -> None:
        """Draws the page, below what was printed since the last one; or writes a line, if it is time."""
        if self._ink is None:
            if scene.began_us is not None and time.monotonic() - self._line_s >= _LINE_EVERY_S:
                self._line_s = time.monotonic()
                print(plain_line(self.overlay, scene), file=self._out, flush=True)
            return
        width, height = self._size_wh()
        if width < SMALLEST_WH[0] or height < SMALLEST_WH[1]:
            self._write([plain_line(self.overlay, scene)[:width]])
        else:
            self._write(Page(self.overlay, (width, height), self._ink).lines(scene, self._status(), hints(self._keys)))

    def finish(self, summary: Summary) -> None:
        """Clears the page: what was printed above it stays."""
        self.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the page, and gives the terminal back."""
        self.end(_CLOSING_S)
        if self._ink is None:
            return
        for name, stream in self._former.items():
            getattr(sys, name).end()
            setattr(sys, name, stream)
        self._former.clear()
        self._write([])
        self._out.write(_SHOW)
        self._out.flush()
        self._ink = None

    def _size_wh(self) -> tuple[int, int]:
        """Columns and rows that a page may have: the last ones stay free, so that nothing wraps or scrolls."""
        try:
            columns, rows = os.get_terminal_size(self._out.fileno())
        except (OSError, ValueError):
            columns, rows = 80, 24
        return columns - 1, rows - 1

    def _write(self, page: list[str]) -> None:
        """Replaces the page that stands: first what came above it, then its lines."""
        assert self._ink is not None
        above = [self._above.popleft() for _ in range(len(self._above))]
        lines = [*(coloured(line, self._ink, self.overlay.style) for line in above), *page]
        up = f"\x1b[{self._height}F" if self._height else "\r"
        text = "".join(f"{line}{_CLEAR_LINE}\n" for line in lines)
        self._out.write(f"{_BEGIN}{up}{text}{_CLEAR_BELOW}{_END}")
        self._out.flush()
        self._height = len(page)


class _Above(TextIOBase):
    """A stream of text whose whole lines go to `take`; otherwise like the terminal in whose place it stands."""

    def __init__(self, terminal: TextIO, take: Callable[[str], object]) -> None:
        self._terminal, self._take, self._begun = terminal, take, ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._take(line.rpartition("\r")[2])
        return len(text)

    def end(self) -> None:
        """Hands over a line that was not ended."""
        if self._begun:
            self.write("\n")

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._terminal.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._terminal.encoding


def coloured(line: str, ink: Ink, style: OverlayStyle) -> str:
    """A printed decision in the colour of its verdict; false alarms stand out.

    >>> coloured("0.96 s  arm roll", Ink(), OverlayStyle())
    '0.96 s  arm roll'
    """
    for word, name in _VERDICTS.items():
        if word in line:
            colour = style.right if name == "right" else style.warning
            if word == "  FALSE ALARM":
                return ink.paint(line, style.ground, ground=colour, bold=True)
            return ink.paint(line, colour)
    return line


def ink_for(out: TextIO, environment: Mapping[str, str]) -> Ink | None:
    """The colours of a terminal; None where pages cannot be drawn, or NO_COLOR (no-color.org) is set."""
    if not out.isatty() or environment.get("TERM", "dumb") == "dumb" or environment.get("NO_COLOR"):
        return None
    return Ink(deep=environment.get("COLORTERM") in ("truecolor", "24bit"))


def _make_terminal(card: ModelCard, decider: CutoffDecider[Any], options: ViewOptions) -> TerminalView:
    ink = ink_for(sys.stderr, os.environ)
    return TerminalView(
        sys.stderr, ink, options.status, options.controls.keys, **overlay_options(card, decider, options)
    )


TERMINAL = ViewKind("the run as a page of the terminal, also over ssh: --view terminal", _make_terminal)
