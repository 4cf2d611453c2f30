"""The sensor of a file that states none, inferred from its pixels."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import Int64
from numpy import bincount, flatnonzero, int64, ndarray, zeros

from spikecut.pipeline.errors import SpikecutWarning, printable
from spikecut.pipeline.events import SensorSize

if TYPE_CHECKING:  # what it is loaded with takes long, and `open` needs none of it
    from spikecut.sources.formats.reading.chunks import Chunk

KNOWN_SENSORS = tuple(
    SensorSize(*size)
    for size in ((34, 34), (128, 128), (240, 180), (304, 240), (346, 260), (640, 480), (1280, 720), (1280, 800))
)
WITHOUT_EVENTS = KNOWN_SENSORS[1]
LARGEST = SensorSize(1 << 16, 1 << 16)
RULE = "the smallest known sensor that holds 99.9 % of its pixels"
ENOUGH = 10_000_000  # events from which a sensor is inferred where a file may be long
NO_PIXEL = 65_535  # what decoders make of coordinates that are none, such as -3 and NaN


def inferred(path: Path, chunks: "Iterable[Chunk]", kind: str, n_most: int | None = ENOUGH) -> SensorSize:
    """The sensor by the pixels of the first `n_most` events, or of all; warns that it is assumed.

    `kind` names what states no sensor, such as "an array".
    """
    columns, rows, n = zeros(NO_PIXEL + 1, int64), zeros(NO_PIXEL + 1, int64), 0
    for chunk in chunks:
        on = (chunk.x < NO_PIXEL) & (chunk.y < NO_PIXEL)
        columns += bincount(chunk.x[on], minlength=len(columns))
        rows += bincount(chunk.y[on], minlength=len(rows))
        n += len(chunk.t)
        if n_most is not None and n >= n_most:
            break
    return assumed(path, smallest_known(columns, rows), kind, RULE if n else "for it has no events")


def assumed(
    path: Path,
    sensor: SensorSize,
    kind: str,
    reason: str,
    way: str = "--sensor WIDTHxHEIGHT (sensor= in Python) sets another",
) -> SensorSize:
    """The same sensor; warns (`SpikecutWarning`) that it is assumed, for which `reason`, and the `way` to another."""
    warnings.warn(
        f"{printable(str(path))}: {kind} states no sensor; {sensor} is assumed, {reason}: {way}",
        SpikecutWarning,
        stacklevel=3,
    )
    return sensor


def smallest_known(columns: Int64[ndarray, " W"], rows: Int64[ndarray, " H"]) -> SensorSize:
    """The smallest known sensor with at least 99.9 % of the pixels; where none is, the smallest size with them all.

    `columns` and `rows` are how many events each column and each row of pixels has; without any it is a DVS128.
    """
    n = int(columns.sum())
    if not n:
        return WITHOUT_EVENTS
    for size in KNOWN_SENSORS:
        if min(columns[: size.width].sum(), rows[: size.height].sum()) >= 0.999 * n:
            return size
    return SensorSize(int(flatnonzero(columns)[-1]) + 1, int(flatnonzero(rows)[-1]) + 1)
