"""What every format offers: a `Recording`, what must be given to open one, and the record of a format in the table."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from spikecut.pipeline.clock import TimeUnit
from spikecut.pipeline.drop_counts import OnDamage
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.files.strict import unexpected
from spikecut.pipeline.filters.base import Filter

__all__ = ["DEFAULTS", "Format", "OnDamage", "ReadOptions", "Recording", "TextLayout"]


class Recording(Protocol):
    """A recorded file as an `EventSource`. Every pass over it reads the file anew, in bounded memory."""

    @property
    def path(self) -> Path: ...

    @property
    def format(self) -> str: ...

    @property
    def sensor(self) -> SensorSize: ...

    def __iter__(self) -> Iterator[EventBatch]: ...


@dataclass(frozen=True, slots=True)
class TextLayout:
    """The order of the `columns` in a line of text, and the unit of the times.

    `_` is a column that is skipped. None, of either, is what the header line of the file says.

    Raises:
        ConfigError: if the columns are not x, y, t and p, each once, or the unit is another.

    >>> TextLayout("xytp").time_unit
    'us'
    """

    columns: str | None
    time_unit: TimeUnit | None = "us"

    def __post_init__(self) -> None:
        if not isinstance(self.columns, str | None):
            raise unexpected("columns", self.columns, "a text such as xytp, or None")
        if self.columns is not None and sorted(self.columns.replace("_", "")) != sorted("xytp"):
            raise ConfigError(
                f"columns {self.columns!r}; expected x, y, t and p, each once",
                hint="such as xytp or txyp; _ is a column that is skipped: _xytp",
            )
        if self.time_unit not in (None, *(units := get_args(TimeUnit))):
            raise ConfigError(f"times in {self.time_unit!r}; expected {' or '.join(units)}")


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the caller gives beside the path: `sensor` and `text` where the file does not state them, and a size.

    `batch_events` is about how many events are read at a time; the events do not depend on it. `camera` is the number
    of the camera that is read from a file of several. `start_us` and `duration_us` are the stretch that is read
    (`window.Window`). Damage is counted and passed over, or with `on_damage="refuse"` raised. `filters` act on the
    events of the stretch, in their order. `fit` decides nothing about the events; it says how a network sees another
    sensor than its own (`pipeline.fit`).

    Raises:
        ConfigError: if a batch would hold no events, or the stretch is negative.
    """

    sensor: SensorSize | None = None
    batch_events: int = 65_536
    text: TextLayout | None = None
    camera: int | None = None
    start_us: int = 0
    duration_us: int | None = None
    on_damage: OnDamage = "salvage"
    filters: tuple[Filter, ...] = ()
    fit: str = ""

    def __post_init__(self) -> None:
        if self.batch_events < 1:
            raise ConfigError(f"batches of {self.batch_events} events; there must be at least 1")
        if self.start_us < 0 or (self.duration_us is not None and self.duration_us < 1):
            raise ConfigError(
                f"a stretch from {self.start_us} us for {self.duration_us} us; expected 0 or more, and 1 or more"
            )

    @property
    def given(self) -> str:
        """The options that decide about the events and are no defaults, as text; empty if all are.

        >>> ReadOptions(camera=2, batch_events=10).given
        'camera 2'
        """
        values = ((one.name, getattr(self, one.name), one.default) for one in fields(self))
        return ", ".join(f"{name} {value}" for name, value, default in values if value != default and name != _SIZE)

    @property
    def is_whole(self) -> bool:
        """Whether all of the recording is read, not a stretch."""
        return not self.start_us and self.duration_us is None


_SIZE = "batch_events"
DEFAULTS = ReadOptions()


@dataclass(frozen=True, slots=True)
class Format:
    """One row of `FORMATS`: all that the rest of the program knows about a file format.

    `name` is for people. `suffixes` are written with their dot; the first is the usual one. `reader` is
    `module:function` for a function (path, `ReadOptions`) -> `Recording`, `writer` likewise for a function
    (path, batches, sensor) -> number of events written; None where the format is not written. Modules are imported
    when they are used.

    `recognise` is given the first 64 kB of a file. A format without it is known by its suffix alone. One that
    `needs` "sensor" is opened only with it. One that needs "text" has its layout in a header line or in that option,
    and is chosen by the option, too.
    `in_folders` says whether files with its suffixes count as recordings in class folders. `simulated` ones are shown
    to a simulated camera of any sensor. `fixed_sensor`: no option changes the sensor. `streams`: it can be read as its
    bytes come (`Incoming`).
    """

    name: str
    suffixes: tuple[str, ...]
    reader: str
    writer: str | None = None
    recognise: Callable[[bytes], bool] | None = None
    needs: tuple[Literal["sensor", "text"], ...] = ()
    in_folders: bool = True
    simulated: bool = False
    fixed_sensor: bool = False
    streams: bool = False

    def __str__(self) -> str:
        flags = {"text": "a header line or --columns", "sensor": "--sensor"}
        given = f", with {' and '.join(flags[need] for need in self.needs)}" if self.needs else ""
        return f"{self.name} ({', '.join(self.suffixes)}{given})"

    def open(self, path: Path, options: ReadOptions) -> Recording:
        """The recording in a file of this format.

        Raises:
            ConfigError: if the format needs an option that is not given.
            SourceError: as the reader says.
        """
        if "sensor" in self.needs and options.sensor is None:
            raise ConfigError(
                f"{path}: {self.name} does not say how large its sensor is", hint="say --sensor WIDTHxHEIGHT"
            )
        recording: Recording = _function(self.reader)(path, options)
        return recording

    def write(self, path: Path, batches: Iterable[EventBatch], sensor: SensorSize) -> int:
        """Writes events of a sensor to a new file, and returns how many.

        Raises:
            ConfigError: if the format is not written, or cannot hold the sensor or an event.
        """
        if self.writer is None:
            raise ConfigError(f"{path}: {self.name} is read, not written")
        n: int = _function(self.writer)(path, batches, sensor)
        return n


def _function(reference: str) -> Callable[..., Any]:
    module, _, name = reference.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function
