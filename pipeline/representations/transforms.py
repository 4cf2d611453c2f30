"""Filters and representations as transforms of structured arrays, such as Tonic composes and applies.

    binner = VoxelBinner(sensor, 10_000)
    transform = tonic.transforms.Compose([EventTransform(["noise:5ms"], sensor), FrameTransform(binner)])

Arrays hold times in µs and are not changed. Neither class imports Tonic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Num, Shaped
from numpy import ndarray

from spikecut.pipeline.arrays.columns import NAMES
from spikecut.pipeline.errors import EventError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.files.strict import unexpected
from spikecut.pipeline.filters.base import Filter
from spikecut.pipeline.filters.parsing import filters_of
from spikecut.pipeline.protocols import Binner


@dataclass(frozen=True)
class EventTransform:
    """Filters from a structured array to one of the same type; `sensor` is a `SensorSize`, or Tonic's (W, H, 2)."""

    filters: Sequence[Filter | str]
    sensor: SensorSize | tuple[int, ...]

    def __post_init__(self) -> None:
        filters_of(self.filters)
        sensor_of(self.sensor)

    def __call__(self, events: Shaped[ndarray, " N"]) -> Shaped[ndarray, " M"]:
        parts = [EventBatch.from_structured(events, sensor_of(self.sensor))]
        for one in filters_of(self.filters):
            parts = list(one.apply(parts))
        return _with_dtype(parts[0], events)


@dataclass(frozen=True)
class FrameTransform:
    """Frames of a binner from a structured array: `[T, C, H, W]`. With `sensor`, that of the array's own."""

    binner: Binner
    sensor: SensorSize | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not callable(getattr(self.binner, "bins", None)):
            raise unexpected("binner", self.binner, "a binner, such as CountBinner(sensor, step_us)")
        if self.sensor is not None:
            sensor_of(self.sensor)

    def __call__(self, events: Shaped[ndarray, " N"]) -> Num[ndarray, "T C H W"]:
        sensor = sensor_of(getattr(self.binner, "sensor", None) if self.sensor is None else self.sensor)
        frames = [frame.pixels for frame in self.binner.bins([EventBatch.from_structured(events, sensor)])]
        if not frames:
            raise EventError("an array without events has no frames")
        return np.stack(frames)


def sensor_of(size: Any) -> SensorSize:
    """A sensor from a `SensorSize`, (W, H), or Tonic's (W, H, 2).

    Raises:
        EventError: if it is none of these.
    """
    if isinstance(size, SensorSize):
        return size
    try:
        width, height = (int(one) for one in tuple(size)[:2])
    except (TypeError, ValueError):
        raise EventError(f"sensor {size!r}; expected SensorSize(width, height) or (width, height, 2)") from None
    return SensorSize(width, height)


def _with_dtype(batch: EventBatch, like: Shaped[ndarray, " N"]) -> Shaped[ndarray, " M"]:
    """A batch with the fields, types and signs of another array; its other fields are 0."""
    events = np.zeros(len(batch), like.dtype)
    fields: Any = like.dtype.fields
    for column, names in NAMES.items():
        name = next(name for name in names if name in fields)
        values: Any = getattr(batch, column)
        if column == "t" and like.dtype[name].kind == "m":
            values = values.astype("m8[us]")
        if column == "p" and like.dtype[name].kind in "if" and (like[name] < 0).any():
            values = np.where(values > 0, 1, -1)
        events[name] = values
    return events
