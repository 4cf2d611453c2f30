"""Progress of a run on stderr: a bar on a terminal, elsewhere a line every few seconds."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_EVERY_S = 5.0


@dataclass(slots=True)
class Progress:
    """How far a run is. `n_before` of its `n_all` recordings were done when it was started.

    Of those done since, `n_right` are right, `us` is the sum of their times to the answer of the rule `rule`. The first
    `n_warm` of them do not count for the rate: the network was loaded and compiled meanwhile.
    """

    what: str
    n_all: int
    n_before: int = 0
    rule: str = ""
    n_new: int = 0
    n_answered: int = 0
    n_right: int = 0
    us: int = 0
    n_quarantined: int = 0
    n_warm: int = 0

    def add(self, n_answered: int, n_right: int, us: int, n_quarantined: int) -> None:
        """Counts recordings that are done."""
        self.n_new += n_answered + n_quarantined
        self.n_answered += n_answered
        self.n_right += n_right
        self.us += us
        self.n_quarantined += n_quarantined

    @property
    def n_done(self) -> int:
        """How many are done, with those before."""
        return self.n_before + self.n_new

    def line(self, seconds: float) -> str:
        """All of it in a line; `seconds` have passed since the first `n_warm`.

        >>> Progress("replay", 400, 100, "ltt-2pt", 100, 98, 90, 9_800_000, 2).line(20)
        'replay: 200 of 400 (50 %), 5.0/s, 40 s left; 91.8 % right after 100 ms (ltt-2pt); 2 quarantined'
        """
        rate = (self.n_new - self.n_warm) / seconds if seconds > 0 else 0.0
        parts = f"{self.what}: {self.n_done:,} of {self.n_all:,} ({100 * self.n_done // max(1, self.n_all)} %)"
        if rate:
            parts += f", {rate:,.1f}/s, {_duration((self.n_all - self.n_done) / rate)} left"
        if self.n_answered:
            time_ms = self.us / self.n_answered / 1000
            parts += f"; {100 * self.n_right / self.n_answered:.1f} % right after {time_ms:.4g} ms"
            parts += f" ({self.rule})" if self.rule else ""
        return parts + (f"; {self.n_quarantined} quarantined" if self.n_quarantined else "")


@contextmanager
def shown(progress: Progress) -> Iterator["_Bar | _Lines"]:
    """What shows a progress: call `update` after each change."""
    if not sys.stderr.isatty():
        lines = _Lines(progress)
        try:
            yield lines
        finally:
            lines.patience.cancel()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = BarColumn(bar_width=20), TextColumn("{task.description}")
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = _Bar(progress, bars, bars.add_task(progress.what, total=progress.n_all), time.monotonic())
        bar.update()
        yield bar


@dataclass(slots=True)
class _Bar:
    progress: Progress
    bars: Any
    task: Any
    started: float

    def update(self) -> None:
        if not self.progress.n_warm:
            self.progress.n_warm, self.started = self.progress.n_new, time.monotonic()
        text = self.progress.line(time.monotonic() - self.started)
        self.bars.update(self.task, completed=self.progress.n_done, description=text)


class _Lines:
    def __init__(self, progress: Progress) -> None:
        self.progress, self.started = progress, time.monotonic()
        self._last = self.started
        self.patience = threading.Timer(_EVERY_S, self._explain)
        self.patience.daemon = True
        self.patience.start()

    def _explain(self) -> None:
        text = f"{self.progress.line(0)}; kernels are compiled once, at their first use, which may take a minute"
        print(text, file=sys.stderr, flush=True)

    def update(self) -> None:
        self.patience.cancel()
        now = time.monotonic()
        if not self.progress.n_warm:
            self.progress.n_warm, self.started = self.progress.n_new, now
        if now - self._last >= _EVERY_S:
            self._last = now
            print(self.progress.line(now - self.started), file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    """A duration in two units.

    >>> _duration(40), _duration(75), _duration(7_300)
    ('40 s', '1 min 15 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60} min"
