"""Faults of pixels, polarities and rates (rows G of the list of faults)."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.representations import REPRESENTATIONS, representation
from spikecut.sources import open_recording
from spikecut.sources.formats.base import TextLayout
from spikecut.sources.formats.reading.ordering import REORDER_US, Chunk, in_order
from spikecut.tools.cli import main
from spikecut.tools.recordings.info import info

from source_contract import DVS128, WRITERS, check_source, opened, pattern, recording
from streams import batch_of


def one_event() -> EventBatch:
    return batch_of([1_234], [5], [100], [1], sensor=DVS128)


def of_one_polarity(p: int) -> EventBatch:
    batch = pattern(2_000)
    return batch_of(batch.t.tolist(), batch.x.tolist(), batch.y.tolist(), [p] * 2_000, sensor=DVS128)


def no_number(word: str) -> NoReturn:
    raise AssertionError(f"{word} in the JSON of a command")


def parsed(text: str) -> list[dict[str, Any]]:
    """Lines of JSON without NaN or infinity."""
    return [json.loads(line, parse_constant=no_number) for line in text.splitlines()]


def test_a_polarity_that_is_none_costs_its_event_in_text(tmp_path: Path) -> None:
    """G04."""
    (tmp_path / "a.txt").write_text("0 0 10 1\n0 0 20 2\n0 0 30 -7\n0 0 40 0\n")
    read = check_source(open_recording(tmp_path / "a.txt", sensor=DVS128, text=TextLayout("xytp")))
    assert (read.t.tolist(), read.p.tolist()) == ([10, 40], [1, 0])
    assert read.lost.events_by_cause() == {"unreadable": 2}


@pytest.mark.parametrize("name", ["npy", "npz"])
def test_a_polarity_that_is_none_costs_its_event_in_an_array(tmp_path: Path, name: str) -> None:
    """G04."""
    columns: dict[str, Any] = {
        "t": np.arange(4),
        "x": np.zeros(4, np.int16),
        "y": np.zeros(4, np.int16),
        "p": np.array([1, 2, -7, 0]),
    }
    path = tmp_path / f"a.{name}"
    if name == "npz":
        np.savez(path, **columns)
    else:
        rows = np.zeros(4, [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "<i8")])
        for column, values in columns.items():
            rows[column] = values
        np.save(path, rows)
    read = check_source(opened(path))
    assert (read.t.tolist(), read.p.tolist()) == ([0, 3], [1, 0])
    assert read.lost.total == 2


@pytest.mark.parametrize("name", WRITERS)
def test_a_single_event_is_a_recording(tmp_path: Path, name: str) -> None:
    """G06."""
    path = recording(tmp_path, name, [one_event()])
    read = check_source(opened(path))
    assert [column[0] for column in read.lists()] == [1_234, 5, 100, 1, 0]
    (frame,) = CountBinner(DVS128, 1_000).bins(opened(path))
    assert frame.n_events == int(frame.pixels.sum()) == 1
    assert np.isfinite(info(path, DVS128).rate_hz)


@pytest.mark.parametrize("p", [0, 1])
@pytest.mark.parametrize("name", WRITERS)
def test_one_polarity_alone_stays_that_polarity(tmp_path: Path, name: str, p: int) -> None:
    """G06."""
    read = check_source(opened(recording(tmp_path, name, [of_one_polarity(p)])))
    assert (len(read.p), set(read.p.tolist())) == (2_000, {p})


@pytest.mark.parametrize("batch", [one_event(), of_one_polarity(0), of_one_polarity(1)], ids=["single", "off", "on"])
@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_every_representation_of_little_is_finite(name: str, batch: EventBatch) -> None:
    """G06."""
    for slices in ({"step_us": 10_000}, {"n_events": 500}):
        frames = list(representation(name, DVS128, **slices).bins([batch]))
        assert sum(frame.n_events for frame in frames) == len(batch)
        assert all(np.isfinite(frame.pixels).all() for frame in frames)


@pytest.mark.parametrize("batch", [one_event(), of_one_polarity(1)], ids=["single", "on"])
@pytest.mark.parametrize("words", [["run", "--model", "gestures"], ["info", "--model", "gestures"], ["info"]])
def test_commands_say_no_nan(
    tmp_path: Path, batch: EventBatch, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """G06."""
    command, *rest = words
    assert main([command, str(recording(tmp_path, "aedat4", [batch])), *rest, "--json"]) == 0
    lines = parsed(capsys.readouterr().out)
    assert lines or command == "run"  # nothing began to move: no decision


def storm(n_events: int, per_us: int = 100) -> Iterator[Chunk]:
    """Events of a megapixel sensor at 100 million a second."""
    n = 250_000
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 1280, n).astype(np.uint16), rng.integers(0, 720, n).astype(np.uint16)
    p, t = rng.integers(0, 2, n).astype(np.uint8), np.arange(n) // per_us
    for begin in range(0, n_events, n):
        yield Chunk(t + begin // per_us, x, y, p)


def test_a_storm_of_events_is_binned_in_bounded_memory() -> None:
    """G07: 100 million events a second; what must wait are 10 ms of them."""
    sensor, n_events = SensorSize(1280, 720), 10_000_000
    binner = CountBinner(sensor, 5_000, "uint16")
    assert sum(frame.n_events for frame in binner.bins(in_order(storm(250_000), sensor, Path("a")))) == 250_000
    tracemalloc.start()
    total = 0
    for frame in binner.bins(in_order(storm(n_events), sensor, Path("a"))):
        total += frame.n_events
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == n_events
    waiting = REORDER_US * 100 * 13
    assert peak < 4 * waiting < n_events * 13 / 2
