"""The sensor of a file that states none, inferred from its pixels."""

from jaxtyping import Int64
from numpy import flatnonzero, ndarray

from spikecut.pipeline.events import SensorSize

KNOWN_SENSORS = tuple(
    SensorSize(*size)
    for size in ((34, 34), (128, 128), (240, 180), (304, 240), (346, 260), (640, 480), (1280, 720), (1280, 800))
)
WITHOUT_EVENTS = KNOWN_SENSORS[1]
RULE = "the smallest known sensor that holds 99.9 % of its pixels"


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
