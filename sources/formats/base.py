"""What every format offers: a `Recording`; and what must be given for text: its `TextLayout`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize

KNOWN = (
    "AEDAT 2.0 and 3.1 (.aedat), ATIS bin (.bin), Tonic's gestures (.npy), spikecut HDF5 (.h5), videos, "
    "and text whose columns are told"
)


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
    """What the numbers of a line of text are: `columns` in their order, and the unit of the times.

    Raises:
        ConfigError: if the columns are not x, y, t and p, each once, or the unit is another.

    >>> TextLayout("xytp").time_unit
    'us'
    """

    columns: str
    time_unit: Literal["us", "s"] = "us"

    def __post_init__(self) -> None:
        if sorted(self.columns) != sorted("xytp"):
            raise ConfigError(
                f"columns {self.columns!r}; expected x, y, t and p, each once", hint="such as xytp or txyp"
            )
        if self.time_unit not in ("us", "s"):
            raise ConfigError(f"times in {self.time_unit!r}; expected us or s")
