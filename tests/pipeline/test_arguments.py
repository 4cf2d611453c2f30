"""Truths about wrong arguments of public functions: each is a sentence with what was found and what is expected."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikecut
from spikecut.pipeline.errors import ConfigError, EventError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.base import TextLayout

from fakes import Script

FILE = Path(__file__).parents[1] / "data" / "tiny.es"
SENSOR = SensorSize(34, 34)
EVENTS = {"t": [1, 2], "x": [3, 4], "y": [5, 6], "p": [0, 1]}
BATCH: Any = EventBatch.from_structured(EVENTS, SENSOR)
API: Any = spikecut  # without its types
DECIDER: Any = spikecut.never(3)
NETWORK: Any = Script(np.zeros((1, 3, 2)))


def given(**options: Any) -> Any:
    return EventBatch.from_structured(EVENTS, **{"sensor": SENSOR, **options})


def opened(path: Any = FILE, **options: Any) -> Any:
    return list(spikecut.open_recording(path, **options))


def ran(model: Any = None, decider: Any = DECIDER, horizon: Any = 3) -> Any:
    return list(spikecut.run([], model or NETWORK, decider, horizon=horizon))


@pytest.mark.parametrize(
    ("call", "words", "hint"),
    [
        (lambda: given(outside="dorp"), "outside: found 'dorp'; expected 'refuse' or 'drop'", "did you mean 'drop'?"),
        (lambda: opened(on_damage="refuze"), "on_damage: found 'refuze'; expected 'salvage' or", "mean 'refuse'?"),
        (lambda: given(outside=None), "outside: found None; expected 'refuse' or 'drop'", ""),
        (lambda: given(sensor="34x34"), "sensor: found '34x34'; expected SensorSize(width, height)", ""),
        (lambda: given(sensor=(34, "a")), "sensor[1]: found 'a'; expected a whole number", ""),
        (lambda: given(columns=5), "columns: found 5; expected the names of the columns", ""),
        (lambda: API.EventBatch.from_structured(((1,),) * 4, SENSOR, columns=5), "columns: found 5", 'columns="txyp"'),
        (lambda: given(start_us="a"), "start_us: found 'a'; expected a whole number", ""),
        (lambda: given(end_us=1.5), "end_us: found 1.5; expected a whole number", ""),
        (lambda: given(segment=None), "segment: found None; expected a whole number", ""),
        (lambda: BATCH.to_structured(like=5), "like: found 5; expected the name of a library", "tonic"),
        (lambda: ran(decider=None), "decider: found None; expected a rule", "spikecut.confidence(0.9, horizon)"),
        (lambda: ran(decider="confidence"), "decider: found 'confidence'; expected a rule", "spikecut.confidence("),
        (lambda: ran(model="gestures"), "model: found 'gestures'; expected a network", "spikecut.load_network("),
        (lambda: ran(horizon="5"), "horizon: found '5'; expected a whole number", ""),
        (lambda: list(API.watch([], NETWORK, DECIDER, horizon="5")), "horizon: found '5'", ""),
        (lambda: list(API.replay([], NETWORK, None, horizon=3)), "decider: found None", ""),
        (
            lambda: list(API.replay([], NETWORK, DECIDER, horizon=3, batch_size="a")),
            "batch_size: ",
            "",
        ),
        (lambda: opened(5), "path: found 5; expected the path of a recording as a str or a Path", ""),
        (lambda: opened(batch_events="a"), "batch_events: found 'a'; expected a whole number", ""),
        (lambda: opened(start_us="a"), "start_us: found 'a'; expected a whole number", ""),
        (lambda: opened(duration_us=[1]), "duration_us: found a list of 1; expected a whole number or None", ""),
        (lambda: opened(camera=True), "camera: found True; expected a whole number or None", ""),
        (lambda: opened(text="txyp"), "text: found 'txyp'; expected a TextLayout or None", "TextLayout("),
        (lambda: opened(sensor=5), "sensor: found 5; expected SensorSize(width, height)", ""),
        (lambda: API.load_cutoff(5), "path: found 5; expected the path of a cutoff as a str or a Path", ""),
        (lambda: API.load_network(None), "path: found None; expected the path of a network, or its name,", ""),
        (lambda: API.CountBinner((34, 34), 10), "sensor: found a list of 2; expected a SensorSize", "SensorSize("),
        (lambda: API.CountBinner(SENSOR, "a"), "step_us: found 'a'; expected a number of microseconds", ""),
        (lambda: API.SensorSize("3", 4), "width: found '3'; expected a whole number", ""),
        (lambda: API.SensorSize(3, 4.5), "height: found 4.5; expected a whole number", ""),
        (lambda: API.confidence("a", 5), "alpha: found 'a'; expected a number", ""),
        (lambda: API.confidence(0.9, "5"), "horizon: found '5'; expected a whole number", ""),
        (lambda: API.never(0), "horizon: found 0; expected a whole number of at least 1", ""),
        (lambda: API.never(2**40), "horizon: found 1099511627776; expected at most 16,777,216 steps", ""),
        (lambda: API.fixed(None, 5), "steps: found None; expected a whole number", ""),
        (lambda: API.CountBinner(SENSOR, 10, "int9"), "counter: found 'int9'; expected 'uint8' or", "mean 'uint8'?"),
        (lambda: API.CountBinner(SENSOR, 10, crop=(1, 2)), "crop: found 2 values; expected four", ""),
        (lambda: API.VoxelBinner(SENSOR, "a"), "step_us: found 'a'; expected a whole number or None", ""),
        (lambda: API.filtered(5, []), "source: found 5; expected a recording", "open_recording(path)"),
        (lambda: API.EventTransform("noise:1ms", SENSOR), "filters: found 'noise:1ms'; expected a list", "such as ["),
        (lambda: API.FrameTransform(5), "binner: found 5; expected a binner", ""),
        (lambda: TextLayout(5), "columns: found 5; expected a text such as xytp, or None", ""),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_argument_is_a_sentence(call: Callable[[], Any], words: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        call()
    assert words in str(caught.value)
    assert hint in (caught.value.hint or "")


def test_a_pair_is_a_sensor_and_numbers_may_be_those_of_numpy() -> None:
    batch = given(sensor=(np.int64(34), 34), start_us=np.int32(1), end_us=1e3, segment=np.uint8(2))
    assert (batch.sensor, batch.start_us, batch.end_us, batch.segment) == (SENSOR, 1, 1_000, 2)
    assert type(batch.end_us) is int
    assert sum(map(len, opened(sensor=(128, 128), batch_events=np.int64(7), start_us=0.0))) == sum(map(len, opened()))


MASKED = np.ma.masked_array([3, 4], [False, True])


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (EVENTS | {"x": np.array([3.0, 4.5])}, "event 1: x is 4.5; expected a whole pixel"),
        (EVENTS | {"y": np.array([-0.5, 4.0])}, "event 0: y is -0.5; expected a whole pixel"),
        (EVENTS | {"x": MASKED}, "column x has masked values"),
        (EVENTS | {"timestamp": [1, 2]}, "column t is there 2 times: t, timestamp; expected one of them"),
        (np.zeros(2, [(name, "<i8") for name in ("t", "ts", "x", "y", "p")]), "column t is there 2 times: t, ts"),
    ],
)
def test_columns_that_are_ambiguous_or_no_pixels_are_refused(events: Any, words: str) -> None:
    with pytest.raises(EventError) as caught:
        EventBatch.from_structured(events, SENSOR)
    assert words in str(caught.value)
    assert caught.value.hint


def test_a_masked_column_of_a_tuple_is_refused_and_one_without_masked_values_is_read() -> None:
    with pytest.raises(EventError, match="column x has masked values"):
        EventBatch.from_structured(([1, 2], MASKED, [5, 6], [0, 1]), SENSOR, columns="txyp")
    assert (
        given().x.tolist() == EventBatch.from_structured(EVENTS | {"x": np.ma.masked_array([3, 4])}, SENSOR).x.tolist()
    )
