"""Truths about events of other libraries: the same events whatever holds them, in any unit of time, and back again."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.arrays.layouts import LAYOUTS
from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError, EventError
from spikecut.pipeline.events import EventBatch, SensorSize

from streams import SENSOR, batch_of, batches

X_Y_T_P = [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")]


def columns(batch: EventBatch) -> list[list[int]]:
    return [getattr(batch, name).tolist() for name in "txyp"]


class Frame:
    """A data frame, as far as pandas and polars agree."""

    def __init__(self, **series: Any) -> None:
        self.series = series
        self.columns = list(series)

    def __getitem__(self, name: str) -> Any:
        return self.series[name]


class Store:
    """dv-processing's EventStore, as far as it goes."""

    def __init__(self, events: Any) -> None:
        self.events = events

    def numpy(self) -> Any:
        return self.events


def filled(batch: EventBatch, dtype: Any) -> Any:
    events = np.zeros(len(batch), dtype)
    for name in "txyp":
        events[name] = getattr(batch, name)
    return events


def at_times(t: Any, x: Any = None) -> Any:
    """Events as a dict of columns at given times."""
    zeros = np.zeros(len(t), np.int64)
    return {"t": t, "x": zeros if x is None else x, "y": zeros, "p": zeros}


@given(batch=batches(), like=st.sampled_from(sorted(LAYOUTS)))
def test_every_librarys_array_comes_back_as_it_went(batch: EventBatch, like: str) -> None:
    if batch.t[0] < 0 and like in ("faery", "aedat", "tonic-cifar10dvs"):
        with pytest.raises(EventError, match="which holds 0 to"):
            batch.to_structured(like)
        return
    events = batch.to_structured(like)
    untouched = events.copy()
    again = EventBatch.from_structured(events, SENSOR)
    assert columns(again) == columns(batch)
    assert np.array_equal(again.to_structured(like), events)
    assert np.array_equal(events, untouched)
    assert not any(np.shares_memory(getattr(again, name), events) for name in "txyp")


def test_a_layout_has_the_types_of_its_library() -> None:
    batch = batch_of([5, 9], [1, 2], [3, 4], [0, 1])
    assert batch.to_structured().dtype == X_Y_T_P
    assert batch.to_structured("dv").dtype.itemsize == batch.to_structured("openeb").dtype.itemsize == 16
    assert batch.to_structured("faery")["on"].tolist() == batch.to_structured("faery")["p"].tolist() == [False, True]
    assert batch.to_structured("evlib")["polarity"].tolist() == [-1, 1]
    assert batch.to_structured("evlib")["t"].dtype == "m8[us]"
    with pytest.raises(ConfigError, match="no array like 'tonik'") as caught:
        batch.to_structured("tonik")
    assert "'tonic'" in str(caught.value.hint)


def test_a_pixel_that_a_field_cannot_hold_is_refused() -> None:
    batch = batch_of([5], [40_000], [0], [0], sensor=SensorSize(65_536, 1))
    with pytest.raises(EventError, match=r"event 0: 40000 for x in an array like 'tonic', which holds -32768 to 32767"):
        batch.to_structured()


@given(batch=batches())
def test_columns_come_in_many_containers(batch: EventBatch) -> None:
    t, x, y, p = batch.t, batch.x, batch.y, batch.p
    containers: list[tuple[Any, dict[str, Any]]] = [
        ({"t": t, "x": x, "y": y, "p": p}, {}),
        ({"ts": t.tolist(), "xs": x.tolist(), "ys": y.tolist(), "ps": p.tolist(), "more": [1]}, {}),
        (Frame(x=x, y=y, timestamp=t.astype("m8[us]"), polarity=p.astype(np.int8) * 2 - 1), {}),
        ((t, x, y, p), {"columns": "txyp"}),
        ([x, y, p, t], {"columns": ("x", "y", "polarity", "timestamp")}),
        (np.stack([x.astype(np.int64), y, t, p], axis=1), {"columns": "xytp"}),
        (Store(batch.to_structured("dv")), {}),
        (batch.to_structured().view(np.recarray), {}),
        (filled(batch, [("p", "?"), ("t", ">i8"), ("y", ">u2"), ("x", ">f4")]), {}),
    ]
    for events, options in containers:
        assert columns(EventBatch.from_structured(events, SENSOR, **options)) == columns(batch)


@pytest.mark.parametrize(
    ("t", "unit", "expected"),
    [
        (np.array([0.003811, 0.25, 0.9, 1.74]), "s", [3811, 250_000, 900_000, 1_740_000]),
        (np.array([10.6, 11.4, 12.9]), "us", [11, 11, 13]),
        (np.array([1.5, 2.25], np.float32), "ms", [1500, 2250]),
        (np.array([1499, 1500], np.uint32), "ns", [1, 2]),
        (np.array([-1501, -1500, -1499]), "ns", [-2, -1, -1]),
        (np.array([3, 4], np.uint8), "s", [3_000_000, 4_000_000]),
        (np.array([10, 11], "m8[ms]"), None, [10_000, 11_000]),
        (np.array([10_499, 10_500], "m8[ns]"), None, [10, 11]),
        (np.array([3, 4], "m8[25us]"), None, [75, 100]),
        (np.array(["1970-01-01T00:00:01"], "M8[s]"), None, [1_000_000]),
        (np.array([10, 11], ">m8[us]"), None, [10, 11]),
        (np.array([2**63 - 2]), None, [2**63 - 2]),
    ],
)
def test_times_in_any_unit_become_microseconds(t: Any, unit: Any, expected: list[int]) -> None:
    assert EventBatch.from_structured(at_times(t), SENSOR, time_unit=unit).t.tolist() == expected


@pytest.mark.parametrize(
    ("t", "unit", "words"),
    [
        (np.array([0.1, 0.2]), None, "float64 without a unit"),
        (np.array([1.0, np.nan]), "s", "event 1: time nan"),
        (np.array([np.inf]), None, "event 0: time inf"),
        (np.array([1e300]), "us", "does not fit into 64 bits"),
        (np.array([2.0**63]), "us", "does not fit into 64 bits"),
        (np.array([1, 2**63 + 5], np.uint64), None, "event 1: time 9223372036854775813 does not fit"),
        (np.array([2**62]), "ms", "does not fit into 64 bits"),
        (np.array([-(2**63)]), None, "does not fit into 64 bits"),
        (np.array(["NaT", 1], "m8[us]"), None, "event 0: time NaT"),
        (np.array([1, 2], "m8"), None, "no number of seconds"),
        (np.array([1, 2], "m8[Y]"), None, "no number of seconds"),
        (np.array([1, 2], "m8[ns]"), "us", r"time_unit='us', but the times are timedelta64\[ns\]"),
        (np.array([1, 2]), "minutes", "expected one of s, ms, us, ns"),
        (np.array(["a", "b"]), None, "expected numbers or timedelta64"),
        (np.array([1, None]), None, "objects such as 1"),
        (np.array([True, False]), None, "of type bool"),
    ],
)
def test_times_of_unknown_unit_or_no_times_are_refused(t: Any, unit: Any, words: str) -> None:
    with pytest.raises(EventError, match=words):
        EventBatch.from_structured(at_times(t), SENSOR, time_unit=unit)


@pytest.mark.parametrize("x", [[0, -1, 2], [0, 7, 2], [0, 65_537, 2], [0.0, np.nan, 2.0], [0.0, -1.0, 2.0]])
def test_pixels_outside_the_sensor_are_refused_or_counted(x: list[Any]) -> None:
    events = at_times(np.array([1, 2, 3]), np.array(x))
    with pytest.raises(EventError, match=r"event 1: pixel \(.*, 0\) on a 7x5 sensor"):
        EventBatch.from_structured(events, SENSOR)
    batch = EventBatch.from_structured(events, SENSOR, outside="drop")
    assert (batch.t.tolist(), batch.x.tolist(), batch.lost.events_by_cause()) == ([1, 3], [0, 2], {"outside_sensor": 1})


@pytest.mark.parametrize(
    ("events", "options", "words"),
    [
        ((1, 2, 3, 4), {}, "a tuple does not name its columns"),
        (np.zeros((3, 4)), {}, r"an array of shape \(3, 4\) does not name its columns"),
        (np.zeros((3, 5)), {"columns": "txyp"}, "of 5 columns; expected 4: t, x, y, p"),
        (np.zeros((3, 4)), {"columns": "txyy"}, "each once"),
        (np.zeros(3), {}, r"an array of shape \(3,\) without named fields"),
        (np.zeros((2, 2), X_Y_T_P), {}, "expected one dimension"),
        (([1], [1, 2], [0], [1]), {"columns": "txyp"}, "expected one dimension and one length"),
        (([[1], [1, 2]], [1, 2], [0, 0], [1, 1]), {"columns": "txyp"}, "no array of numbers"),
        ({"t": [1], "x": [0], "p": [1]}, {}, "no column y among t, x, p of the dict"),
        ({"t": [1], "x": ["a"], "y": [0], "p": [1]}, {}, "column x is of type <U1"),
        ({"t": [1], "x": [0], "y": [0], "p": ["on"]}, {}, "the polarities are of type <U2"),
        ({"t": [1], "x": [0], "y": [0], "p": [np.nan]}, {}, "event 0: polarity nan"),
        ("events.bin", {}, "events in a str"),
        (None, {}, "events in a NoneType"),
        (object(), {}, "events in a object"),
        (np.ma.MaskedArray(np.zeros(2, X_Y_T_P), mask=[True, False]), {}, "masked"),
    ],
)
def test_what_is_no_events_gets_a_sentence(events: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(EventError, match=words):
        EventBatch.from_structured(events, SENSOR, **options)


def test_a_frame_that_cannot_be_read_gets_a_sentence() -> None:
    class Lazy(Frame):
        def __getitem__(self, name: str) -> Any:
            raise RuntimeError("collect first")

    with pytest.raises(EventError, match="column t of the Lazy cannot be read: collect first"):
        EventBatch.from_structured(Lazy(t=1, x=2, y=3, p=4), SENSOR)


@given(batch=batches(), size=st.integers(1, 20), like=st.sampled_from(["tonic", "dv"]))
def test_chunks_of_one_array_tile(batch: EventBatch, size: int, like: str) -> None:
    events, ends = batch.to_structured(like), [*range(size, len(batch), size), len(batch)]
    ends = [end for end in ends if end == len(batch) or batch.t[end] > batch.t[end - 1]]
    chunks, begin, start_us = [], 0, batch.start_us
    for end in ends:
        end_us = batch.end_us if end == len(batch) else int(batch.t[end])
        chunks.append(EventBatch.from_structured(events[begin:end], SENSOR, start_us=start_us, end_us=end_us))
        begin, start_us = end, end_us

    def frames(parts: list[EventBatch]) -> list[Any]:
        return [(f.start_us, f.n_events, f.pixels.tobytes()) for f in CountBinner(SENSOR, 50).bins(parts)]

    assert frames(chunks) == frames([batch])
    with pytest.raises(EventError, match="in a batch of"):
        EventBatch.from_structured(events, SENSOR, start_us=int(batch.t[0]) + 1, end_us=batch.end_us + 2)


def test_an_array_without_events_lasts_as_long_as_given() -> None:
    nothing = np.zeros(0, X_Y_T_P)
    batch = EventBatch.from_structured(nothing, SENSOR, start_us=5, end_us=9)
    assert (len(batch), batch.start_us, batch.end_us) == (0, 5, 9)
    assert EventBatch.from_structured(nothing, SENSOR).end_us == 0


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_of_the_real_libraries_are_read(library: str) -> None:
    frames = pytest.importorskip(library)
    batch = batch_of([5, 9], [1, 2], [3, 4], [0, 1])
    made: Callable[..., Any] = frames.DataFrame
    data = {"t": batch.t.astype("m8[us]"), "x": batch.x, "y": batch.y, "polarity": batch.p}
    assert columns(EventBatch.from_structured(made(data), SENSOR)) == columns(batch)
