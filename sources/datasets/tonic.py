"""Tonic's data sets as labelled examples here, and labelled recordings as a data set for Tonic.

Tonic (tonic.readthedocs.io; GPL-3.0) hands out one structured array an example, with the fields x, y, t in µs and p in
any order and of any type, and its class. Only `composed` imports Tonic: whatever has a length and gives such pairs by
number will do as a data set, and so will a list.

    dataset = tonic.datasets.NMNIST("data", train=False)
    labels = []

    def streams():
        for batch, label in from_tonic(dataset):
            labels.append(label)
            yield CountBinner(batch.sensor, 10_000).bins([batch])

    outputs = record_outputs(streams(), len(dataset), network, horizon=30)

The other way, transforms of events (`Denoise`, `DropEvent`, …) act on recordings before they are counted into frames:
`as_tonic(recordings, transform=…)` for a loop or a `DataLoader`, `tools.packing.pack_recordings(…, transform=…)` for
the trainings here.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy import ndarray

from spikecut.pipeline.arrays.columns import raw_columns
from spikecut.pipeline.arrays.values import TimeUnit, inside_of, polarity_of, times_us
from spikecut.pipeline.errors import ConfigError, EventError
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.datasets.base import Source
from spikecut.sources.datasets.class_folders import LabelledRecording
from spikecut.sources.datasets.segments import whole
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.open import open_recording, open_with

Transform = Callable[[Any], Any]


class Dataset(Protocol):
    """What Tonic calls a data set, as far as it is needed."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True, slots=True, eq=False)
class TonicExamples:
    """The examples of a Tonic data set: each is read lazily, as its events in one batch and its class."""

    dataset: Dataset
    sensor: SensorSize
    classes: tuple[str, ...] | None
    time_unit: TimeUnit | None = None

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[tuple[EventBatch, int]]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> tuple[EventBatch, int]:
        name = f"{type(self.dataset).__name__}[{index}]"
        events, target = self.dataset[index]
        return batch_of(events, self.sensor, name, time_unit=self.time_unit), _label(target, self.classes, name)


def from_tonic(
    dataset: Dataset,
    *,
    sensor: SensorSize | None = None,
    classes: Sequence[str] | None = None,
    time_unit: TimeUnit | None = None,
) -> TonicExamples:
    """A Tonic data set as labelled examples that every function of the pipeline takes.

    Sensor and class names are those that the data set names, unless they are given. With class names an
    example's target may be a name; otherwise it is its number. `time_unit` is needed where times are floats.

    Raises:
        ConfigError: if the sensor is not known. Later, while an example is read: if its target is no class.
        EventError: while an example is read, as `batch_of` says.

    >>> fields = [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?")]
    >>> dataset = [(np.array([(10, 3, 1, True), (12, 0, 2, False)], fields), "bass")]
    >>> examples = from_tonic(dataset, sensor=SensorSize(4, 4), classes=("ant", "bass"))
    >>> [(batch.t.tolist(), batch.p.tolist(), label) for batch, label in examples]
    [([10, 12], [1, 0], 1)]
    """
    if sensor is None:
        size = getattr(dataset, "sensor_size", None)
        if size is None:
            raise ConfigError(
                f"{type(dataset).__name__} names no sensor",
                hint="give it: from_tonic(dataset, sensor=SensorSize(240, 180))",
            )
        sensor = SensorSize(int(size[0]), int(size[1]))
    if classes is None:
        classes = getattr(dataset, "classes", None)
        if isinstance(classes, Mapping):
            classes = sorted(classes, key=classes.__getitem__)
    names = None if classes is None else tuple(str(name) for name in classes)
    return TonicExamples(dataset, sensor, names, time_unit)


def batch_of(
    events: Any, sensor: SensorSize, name: str, lost: DropCounts = NOTHING_LOST, time_unit: TimeUnit | None = None
) -> EventBatch:
    """A structured array as one batch, whatever the order and types of its fields, and whatever transforms did to it.

    Events are put in the order of their time; times with fractions are rounded, pixels with fractions rounded
    down. Integer times are µs; floats need a `time_unit`. Events outside the sensor are counted in the batch's `lost`,
    beside what was `lost` before. The array is not changed.

    Raises:
        EventError: naming the example, if it is no array of events (but frames, or a tuple), a field is missing, a
            time is not finite or has no unit, or a polarity is none of a boolean, 0, 1 and -1.
    """
    if not isinstance(events, ndarray) or events.dtype.names is None or events.ndim != 1:
        shown = f"an array of shape {events.shape}" if isinstance(events, ndarray) else f"a {type(events).__name__}"
        raise EventError(
            f"{name}: {shown}; expected an array of events with the fields x, y, t and p",
            hint="leave out ToFrame and whatever else makes no events: events are counted into frames here",
        )
    try:
        raw = raw_columns(events)
        t, p = times_us(raw["t"], time_unit), polarity_of(raw["p"])
        x, y = raw["x"], raw["y"]
        inside = inside_of(x, y, sensor.width, sensor.height)
    except EventError as error:
        raise EventError(f"{name}: {error}", hint=error.hint) from error
    lost += DropCounts.of(DropCause.outside_sensor, int((~inside).sum()))
    order = np.flatnonzero(inside)
    order = order[np.argsort(t[order], kind="stable")]
    t, x, y, p = t[order], x[order].astype(np.uint16), y[order].astype(np.uint16), p[order]
    start_us, end_us = (int(t[0]), int(t[-1]) + 1) if len(t) else (0, 0)
    return EventBatch(t, x, y, p, start_us, end_us, sensor, 0, lost)


@dataclass(frozen=True, slots=True, eq=False)
class TonicRecordings:
    """Recordings as a data set in Tonic's manner: `dataset[i]` is the events of one, x, y, t in µs, p, and its class.

    `sensor_size` is what Tonic's transforms ask for. What reading a recording has cost is told as a warning.
    """

    recordings: Sequence[LabelledRecording]
    sensor: SensorSize
    transform: Transform | None = None
    target_transform: Transform | None = None
    transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None

    @property
    def sensor_size(self) -> tuple[int, int, int]:
        return self.sensor.width, self.sensor.height, 2

    @property
    def targets(self) -> list[int]:
        return [recording.label for recording in self.recordings]

    @property
    def classes(self) -> list[str]:
        """The names in the order of their numbers, of those that occur."""
        return [name for _, name in sorted({(r.label, r.class_name) for r in self.recordings})]

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        recording = self.recordings[index]
        batch = whole_recording(recording, self.sensor)
        damage = [f"{n} {cause}" for cause, n in batch.lost.damage.events_by_cause().items()]
        if damage:
            warnings.warn(f"{recording.path}: events lost: {', '.join(damage)}", stacklevel=2)
        events, target = batch.to_structured(), recording.label
        events = events if self.transform is None else self.transform(events)
        target = target if self.target_transform is None else self.target_transform(target)
        return (events, target) if self.transforms is None else self.transforms(events, target)


def as_tonic(
    recordings: Sequence[LabelledRecording],
    *,
    sensor: SensorSize | None = None,
    transform: Transform | None = None,
    target_transform: Transform | None = None,
    transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
) -> TonicRecordings:
    """Recordings as a data set that Tonic's transforms, caches and slicers take, and a `DataLoader`.

    The sensor is that of the first recording, unless it is given; the three kinds of transforms are those of
    every data set of Tonic.

    Raises:
        ConfigError: if there are no recordings.
        SourceError: if the first one cannot be read, or later another one.
    """
    if not recordings:
        raise ConfigError("no recordings to make a data set of", hint="list_recordings(folder) lists those of a folder")
    sensor = sensor or open_recording(recordings[0].path).sensor
    return TonicRecordings(recordings, sensor, transform, target_transform, transforms)


def composed(tables: Sequence[Mapping[str, Any]]) -> Transform:
    """Transforms of Tonic as one: each table has the `name` of a class of `tonic.transforms`, and its arguments.

    Raises:
        ConfigError: if there is no such transform, or it does not take these arguments.
    """
    from tonic import transforms

    made = []
    for table in tables:
        name, how = table.get("name"), {key: value for key, value in table.items() if key != "name"}
        try:
            made.append(getattr(transforms, str(name))(**how))
        except (AttributeError, TypeError) as error:
            raise ConfigError(f"transform {name!r} with {how}: {error}") from error
    transform: Transform = transforms.Compose(made)
    return transform


def whole_recording(recording: Source, sensor: SensorSize, options: ReadOptions = DEFAULTS) -> EventBatch:
    """All events of a recording of this sensor in one batch.

    Raises:
        ConfigError: if it is of another sensor.
        SourceError: if it cannot be read.
    """
    opened = open_with(recording.path, replace(options, sensor=options.sensor or sensor))
    if opened.sensor != sensor:
        raise ConfigError(f"{recording.path}: a {opened.sensor} sensor; the others are {sensor}")
    return whole(opened)


def _label(target: Any, classes: tuple[str, ...] | None, name: str) -> int:
    if isinstance(target, str):
        if classes is None or target not in classes:
            raise ConfigError(
                f"{name}: target {target!r} is no class with a number",
                hint="from_tonic(dataset, classes=…) takes the names in the order of their numbers",
            )
        return classes.index(target)
    try:
        label = int(target)
    except (TypeError, ValueError):
        raise ConfigError(f"{name}: target {target!r}; expected the number or the name of a class") from None
    if label < 0 or (classes is not None and label >= len(classes)):
        known = "at least 0" if classes is None else f"0 to {len(classes) - 1}"
        raise ConfigError(f"{name}: target {label}; expected {known}")
    return label
