"""How long a live source waits for what comes next."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from spikecut.sources.live.pacing import Clock

POLL_S = 0.05  # how soon a source notices that it is to stop


@dataclass(slots=True)
class Waiting:
    """Ends when `stopped` is true, or when nothing has come for `silence_s` (None: never).

    Until `empty_s` there was nothing to take: what comes out of the source after it could not come earlier.
    """

    clock: Clock
    stopped: Callable[[], bool] = lambda: False
    silence_s: float | None = None
    was_silent: bool = False
    empty_s: float = -math.inf
    _since_s: float | None = None

    def came(self) -> None:
        """Something has come: the silence begins anew."""
        if self._since_s is not None:
            self.empty_s = self.clock.now_s()
        self._since_s = None

    def goes_on(self) -> bool:
        """Whether to wait on for what is not there; silence begins with the first call after something has come."""
        now_s = self.empty_s = self.clock.now_s()
        if self._since_s is None:
            self._since_s = now_s
        self.was_silent = self.silence_s is not None and now_s - self._since_s >= self.silence_s
        return not self.was_silent and not self.stopped()

    def notes(self) -> list[str]:
        """The sentence about the silence that ended the stream, if one did."""
        return [f"nothing came for {self.silence_s:g} s: the end (--idle-timeout)"] if self.was_silent else []
