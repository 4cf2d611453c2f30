"""Marks of a viewer: which class a stretch of a recording shows, by keys while it plays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.arguments import is_folder_name
from spikecut.sources.live.controls import KEYS, Controls

_KEYS = "1234567890acdeghijklmnoprtvwxyz"  # of classes, in their order: none of those that steer playing
_ENDS = "\r\n"
_UNDOES = "u"


@dataclass(frozen=True, slots=True)
class Mark:
    """A class by its name, and `start_us <= t < end_us` of the recording's clock."""

    name: str
    start_us: int
    end_us: int


@dataclass(slots=True)
class Marks(Controls):
    """The keys of playing, and one for each class: it begins a mark; Enter ends it, as the key of another class does.

    `u` takes the last mark back, begun or ended. `now_us` gives the moment of the recording that is shown.

    Raises:
        ConfigError: if there are more classes than keys, or none, two have one name, or one cannot name a folder.

    >>> at = iter((1_000_000, 2_000_000, 2_500_000))
    >>> marks = Marks(speed=1.0, classes=("wave", "clap"), now_us=lambda: next(at))
    >>> [marks.press(key) for key in ("1", "2", "\\r")]
    [True, True, True]
    >>> [(mark.name, mark.start_us, mark.end_us) for mark in marks.marks]
    [('wave', 1000000, 2000000), ('clap', 2000000, 2500000)]
    """

    classes: Sequence[str] = ()
    now_us: Callable[[], int] = lambda: 0
    marks: list[Mark] = field(default_factory=list)
    begun: tuple[str, int] | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.classes) <= len(_KEYS):
            raise ConfigError(
                f"{len(self.classes)} classes to mark; expected 1 to {len(_KEYS)}, which is how many keys there are"
            )
        if wrong := [name for name in self.classes if not is_folder_name(name)]:
            raise ConfigError(f"the class {wrong[0]!r}; expected a name that a folder can have")
        if len(set(self.classes)) < len(self.classes):
            raise ConfigError(f"classes {', '.join(self.classes)}; expected each once")

    def press(self, key: str) -> bool:
        """Acts on a key; False if it has no meaning."""
        low = key.lower()
        if low == _UNDOES:
            return self._undo()
        if low in _ENDS and low:
            return self._end(self.now_us())
        at = _KEYS.find(low) if len(low) == 1 else -1
        if not 0 <= at < len(self.classes):
            return Controls.press(self, key)
        now_us = self.now_us()
        self._end(now_us)
        self.begun = self.classes[at], now_us
        return True

    def finish(self, end_us: int) -> tuple[Mark, ...]:
        """All marks in the order of time; one that is begun ends at `end_us`."""
        self._end(end_us)
        return tuple(sorted(self.marks, key=lambda mark: (mark.start_us, mark.end_us)))

    def __str__(self) -> str:
        state = "nothing" if self.begun is None else self.begun[0]
        return f"{Controls.__str__(self)}  marking {state}, {len(self.marks)} marks"

    def _end(self, now_us: int) -> bool:
        """Ends the mark that is begun; after a jump back it holds nothing, and is dropped."""
        if self.begun is None:
            return False
        name, start_us = self.begun
        self.begun = None
        if now_us > start_us:
            self.marks.append(Mark(name, start_us, now_us))
        return True

    def _undo(self) -> bool:
        if self.begun is not None:
            self.begun = None
        elif self.marks:
            self.marks.pop()
        else:
            return False
        return True


def key_hints(classes: Sequence[str]) -> str:
    """The keys of the classes, in one line.

    >>> key_hints(["wave", "clap"])
    '1 wave  2 clap  Enter ends it  u takes it back'
    """
    return "  ".join(
        (*(f"{key} {name}" for key, name in zip(_KEYS, classes, strict=False)), "Enter ends it", "u takes it back")
    )


assert not set(_KEYS + _ENDS + _UNDOES) & set(KEYS)
