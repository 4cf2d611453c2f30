"""The keys that steer a recording while it plays, and what the viewer asked for.

Views and the terminal press keys, from whatever thread; the player acts on them before the next bin.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

SEEK_US = 5_000_000
SLOWEST, FASTEST = 1 / 64, 64.0

KEYS = {
    " ": "pause",
    ".": "one bin",
    "b": "back 5 s",
    "f": "on 5 s",
    "-": "slower",
    "+": "faster",
    "q": "quit",
}
_SAME = {"=": "+", "_": "-", ",": "b", "left": "b", "right": "f", "\x1b": "q"}


@dataclass(slots=True)
class Controls:
    """The state that keys change: `speed` None plays without waiting. A `live` stream can only be left.

    >>> controls = Controls(speed=1.0)
    >>> [controls.press(key) for key in "-b?"]
    [True, True, False]
    >>> controls.speed, controls.take_jump_us()
    (0.5, -5000000)
    """

    speed: float | None = None
    paused: bool = False
    stopped: bool = False
    live: bool = False
    _jumps: deque[int] = field(default_factory=deque)
    _steps: deque[None] = field(default_factory=deque)

    def press(self, key: str) -> bool:
        """Acts on a key; False if it has no meaning. Letters may be capital, arrows are `left` and `right`."""
        key = _SAME.get(key.lower(), key.lower())
        if key not in self.keys:
            return False
        if key == "q":
            self.stop()
        elif key == " ":
            self.paused = not self.paused
        elif key == ".":
            if self.paused:
                self._steps.append(None)
            self.paused = True
        elif key in "bf":
            self._jumps.append(SEEK_US if key == "f" else -SEEK_US)
            if self.paused:  # shows where it has come to
                self._steps.append(None)
        elif self.speed is not None:
            self.speed = min(max(self.speed * (2.0 if key == "+" else 0.5), SLOWEST), FASTEST)
        return True

    @property
    def keys(self) -> dict[str, str]:
        """The keys that have a meaning, and what they do."""
        return {"q": KEYS["q"]} if self.live else KEYS

    def stop(self) -> None:
        """Ends playing."""
        self.stopped = True

    def take_jump_us(self) -> int:
        """How far to jump, in µs of the recording: the sum of all requests since the last call."""
        jump_us = 0
        while self._jumps:
            jump_us += self._jumps.popleft()
        return jump_us

    @property
    def is_paced(self) -> bool:
        """Whether what is played has a pace: one that was chosen, or that of a live stream."""
        return self.live or self.speed is not None

    @property
    def wants_jump(self) -> bool:
        """Whether a jump was requested and not taken."""
        return bool(self._jumps)

    def take_step(self) -> bool:
        """Whether one bin may pass although playing is paused; each request is granted once."""
        if not self._steps:
            return False
        self._steps.popleft()
        return True

    def __str__(self) -> str:
        if self.live and self.speed is None:
            return "live"
        pace = "as fast as possible" if self.speed is None else f"{self.speed:g}x"
        return f"paused, {pace}" if self.paused else pace


def hints(keys: Mapping[str, str] = KEYS) -> str:
    """The keys and what they do, in one line.

    >>> hints()
    'space pause  . one bin  b back 5 s  f on 5 s  - slower  + faster  q quit'
    """
    return "  ".join(f"{'space' if key == ' ' else key} {what}" for key, what in keys.items())
