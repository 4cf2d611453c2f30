"""What `run`, `watch`, `replay` and the binners take: frames, batches, arrays of other libraries, paths.

Paths are opened by `sources.open_recording`, which is loaded when a path comes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from os import PathLike, fspath
from typing import Any

import numpy as np

from spikecut.pipeline.binning import CountBinner, as_batch, checked_batches, is_events
from spikecut.pipeline.errors import ConfigError, EventError
from spikecut.pipeline.events import EventBatch, Frame, SensorSize
from spikecut.pipeline.filters.base import Filter, Filtered
from spikecut.pipeline.filters.parsing import filters_of
from spikecut.pipeline.fit import FittedBinner, fit_for

Filters = Iterable[Filter | str]

_OPENER = "spikecut.sources:open_recording"
_EXPECTED = "expected frames, batches of events, an array of events, or the path of a recording"


def frames_of(
    source: Any,
    reader: Any,
    *,
    sensor: SensorSize | tuple[int, int] | None = None,
    fit: str | None = None,
    filters: Filters = (),
) -> Iterator[Frame]:
    """The frames of whatever holds events, for a network or by a binner; frames pass as they are.

    `source` is frames, a recording or batches, an `EventBatch`, an array of `EventBatch.from_structured`, or a path.
    `reader` is a binner, or a network with a card or a spec: events are then counted as it was trained, and merged by a
    whole factor where the sensor is larger. `sensor` is that of arrays and of files that do not state it; without it,
    the reader's own. `fit` is how a network sees a sensor that is no whole multiple of its frame, as `--fit`: crop,
    squeeze or a window X,Y,WxH; without it such a sensor is refused. `filters` act on the events first, in their order,
    as `--filter`: values, or words such as `refractory:1ms`.

    Raises:
        EventError: if the source is none of these.
        ConfigError: if a network does not say what it reads, or does not read this sensor; if the fit is none, or is
            given for a binner, which has its own window; if there is no such filter; if frames come with either.
        SourceError: if a path cannot be opened.

    >>> events = {"t": np.array([0, 12, 25]), "x": [0, 1, 1], "y": [0, 0, 1], "p": [1, 0, 1]}
    >>> [frame.n_events for frame in frames_of(events, CountBinner(SensorSize(2, 2), 10))]
    [1, 1, 1]
    """
    batches: Any
    sensor = None if sensor is None else SensorSize.of(sensor)
    made = filters_of(filters)
    if isinstance(source, str | PathLike):
        batches = _opened(source, sensor or _sensor_of(reader))
    elif isinstance(source, EventBatch):
        batches = [source]
    elif is_events(source):
        batches = [as_batch(source, sensor or _needed(_sensor_of(reader)))]
    else:
        items = _items(source)
        first = next(items, None)
        if first is None:
            return
        if isinstance(first, Frame):
            if fit is not None or made:
                raise ConfigError("fit and filters are for events; frames are counted already")
            for at, frame in enumerate(chain([first], items)):
                if not isinstance(frame, Frame):
                    raise EventError(f"item {at} of the frames is a {type(frame).__name__}; expected a Frame")
                yield frame
            return
        batches = source if made and not isinstance(source, Iterator) else chain([first], items)  # may be read twice
        sensor = sensor or getattr(source, "sensor", None)
    if made:
        batches = _filtered(batches, sensor or _sensor_of(reader), made)
    # no `yield from`: it would close a stream that goes on after this
    for frame in _binned(batches, reader, sensor, fit):
        yield frame


def _filtered(batches: Any, array_sensor: SensorSize | None, filters: tuple[Filter, ...]) -> Iterable[EventBatch]:
    if not isinstance(batches, Iterator):
        return Filtered(_Batches(batches, array_sensor), filters)
    stream = checked_batches(batches, array_sensor)
    for one in filters:
        stream = one.apply(stream)
    return stream


@dataclass(frozen=True, slots=True, eq=False)
class _Batches:
    """Batches and arrays of events as a source that can be read as often as they can."""

    batches: Iterable[Any]
    array_sensor: SensorSize | None

    @property
    def sensor(self) -> SensorSize:
        return _needed(self.array_sensor)

    def __iter__(self) -> Iterator[EventBatch]:
        return checked_batches(self.batches, self.array_sensor)


def _binned(batches: Any, reader: Any, sensor: SensorSize | None, fit: str | None) -> Iterator[Frame]:
    if hasattr(reader, "bins"):
        if fit is not None:
            raise ConfigError(f"fit {fit!r} with a binner, which has its own window", hint="give a network instead")
        made: Iterator[Frame] = reader.bins(batches)
        return made
    stream = checked_batches(batches, sensor or _sensor_of(reader))
    first = next(stream, None)
    if first is None:
        return iter(())
    return binner_of(reader, first.sensor, fit).bins(chain([first], stream))


def binner_of(network: Any, sensor: SensorSize, fit: str | None = None) -> CountBinner | FittedBinner:
    """The binner from a sensor to the frames of a network that has a `card` or a `spec`.

    `fit` is how it sees a sensor that is no whole multiple of its frame (`fit.fit_for`).

    Raises:
        ConfigError: if it has neither, takes pictures, or the sensor is no whole multiple of its frame and no fit is
            given; if the fit is none, or a window that does not lie on the sensor.
    """
    spec = _spec_of(network)
    if spec is None:
        raise ConfigError(
            f"a {type(network).__name__} does not say what frames it reads",
            hint="count the events first: CountBinner(sensor, step_us).bins(batches)",
        )
    if getattr(spec, "inputs", 2) != 2:
        raise ConfigError("this network takes pictures, not events")
    if fit is not None:
        return fit_for(fit, sensor, spec.frame).binner(spec.step_us)
    factor = max(sensor.width // spec.frame.width, 1)
    if (sensor.width, sensor.height) != (spec.frame.width * factor, spec.frame.height * factor):
        raise ConfigError(
            f"a {sensor} sensor; the network reads {spec.frame}, or whole multiples of it",
            hint='say which pixels it sees: fit="crop", fit="squeeze" or fit="X,Y,WxH" of run, replay and frames_of',
        )
    return CountBinner(sensor, spec.step_us, downsample=factor)


def _spec_of(network: Any) -> Any:
    card = getattr(network, "card", None)
    return getattr(network if card is None else card, "spec", None)


def _sensor_of(reader: Any) -> SensorSize | None:
    """The sensor that a binner or a network was made for."""
    for owner in (reader, getattr(reader, "card", None)):
        if isinstance(size := getattr(owner, "sensor", None), SensorSize):
            return size
    spec = _spec_of(reader)
    return None if spec is None else spec.frame


def _needed(sensor: SensorSize | None) -> SensorSize:
    if sensor is None:
        raise ConfigError("the array does not name its sensor", hint="give it: frames_of(array, network, sensor=…)")
    return sensor


def _opened(path: str | PathLike[str], sensor: SensorSize | None) -> Iterable[EventBatch]:
    module, _, name = _OPENER.partition(":")
    opened: Iterable[EventBatch] = getattr(import_module(module), name)(fspath(path), sensor=sensor)
    return opened


def _items(source: Any) -> Iterator[Any]:
    if isinstance(source, np.ndarray | Mapping | bytes) or not hasattr(source, "__iter__"):
        shown = f"an array of shape {source.shape}" if isinstance(source, np.ndarray) else f"a {type(source).__name__}"
        raise EventError(f"{shown} in the place of a recording; {_EXPECTED}")
    return iter(source)
