"""Events that lie in four arrays, as a batch."""

from typing import Any, Literal

from spikecut.pipeline.arrays.values import TimeUnit
from spikecut.pipeline.events import EventBatch, SensorSize


def events_from_arrays(
    t: Any,
    x: Any,
    y: Any,
    p: Any,
    sensor: SensorSize | tuple[int, int],
    *,
    time_unit: TimeUnit | None = None,
    outside: Literal["refuse", "drop"] = "refuse",
) -> EventBatch:
    """One recording from the four columns of its events, each (N,), oldest first.

    `t` are whole numbers of microseconds, or `timedelta64`; floats, and whole numbers of another unit, need a
    `time_unit` ("s", "ms", "us" or "ns"). `x` counts pixels to the right and `y` down, from 0. `p` is 0 or 1, -1 or 1,
    or False or True: OFF or ON. `sensor` is the size (width, height). Events outside it are an error, or, with
    `outside="drop"`, counted in `lost`. The arrays are not changed. One structured array, a dict of columns or a data
    frame is taken by `EventBatch.from_structured`.

    Raises:
        EventError: lengths differ, a time is not finite, has no unit or runs backwards, a pixel lies outside the sensor
            or between two, or a polarity is none of those.
        ConfigError: if `sensor` is no size, or `outside` another word.

    >>> batch = events_from_arrays([0.010, 0.012], x=[3, 0], y=[1, 2], p=[True, False], sensor=(4, 4), time_unit="s")
    >>> batch.t.tolist(), batch.p.tolist(), batch.start_us, batch.end_us
    ([10000, 12000], [1, 0], 10000, 12001)
    """
    columns = {"t": t, "x": x, "y": y, "p": p}
    return EventBatch.from_structured(columns, SensorSize.of(sensor), time_unit=time_unit, outside=outside)
