"""Pieces of a long recording: every event in one, times from 0, and the parts apart in time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError, EmptyRecording
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.datasets.time_split import FEWEST, Stretch, events_of, longest_stretch, parts_of, planned

from streams import SENSOR, batch_of, batches, cuts


@dataclass(frozen=True)
class Held:
    """A recording that was never on disk."""

    batches: tuple[EventBatch, ...]
    path: Path = Path("held.h5")
    format: str = "none"
    sensor: SensorSize = SENSOR

    def __iter__(self) -> Iterator[EventBatch]:
        return iter(self.batches)


def held(*parts: EventBatch) -> Held:
    return Held(parts)


def cut_up(recording: Held, piece_us: int | None, skip_us: int = 0) -> tuple[dict[int, list[int]], Any]:
    """The times of every piece by its number, and the pieces."""
    stretch = longest_stretch(recording)
    pieces = planned(recording, stretch, piece_us, skip_us)
    found: dict[int, list[int]] = {}
    for piece, batch in events_of(recording, stretch, pieces):
        assert len(batch)
        found.setdefault(piece.number, []).extend(batch.t.tolist())
    return found, pieces


def test_seven_pieces_worked_out_by_hand() -> None:
    recording = held(batch_of([1_000, 1_009, 1_010, 1_025, 1_044, 1_045, 1_069, 1_072]))
    found, pieces = cut_up(recording, 10)
    assert [(piece.number, piece.start_us, piece.end_us) for piece in pieces][-1] == (6, 1_060, 1_070)
    assert [piece.part for piece in pieces] == ["train", "train", "train", None, "calibration", None, "test"]
    assert found == {0: [0, 9], 1: [0], 2: [5], 4: [4, 5], 6: [9]}  # 3 and 5 are silent; 1,072 is in none


def test_what_comes_first_can_be_left_out_and_what_stays_whole_is_divided_by_its_name() -> None:
    recording = held(batch_of([100, 130, 131, 190]))
    found, (whole,) = cut_up(recording, None, skip_us=30)
    assert found == {0: [0, 1, 60]}
    assert (whole.start_us, whole.end_us, whole.part) == (130, 191, "all")


@given(n=st.integers(FEWEST, 5_000))
def test_parts_follow_each_other_in_time_with_one_piece_between(n: int) -> None:
    parts = parts_of(n)
    assert len(parts) == n
    assert parts.count(None) == 2
    kept = [part for part in parts if part]
    assert kept == sorted(kept, key=["train", "calibration", "test"].index)
    assert all(None in (before, after) or before == after for before, after in pairwise(parts))
    shares = np.array([kept.count(part) for part in ("train", "calibration", "test")])
    assert (shares >= 1).all()
    assert (np.abs(shares - np.array([0.6, 0.2, 0.2]) * (n - 2)) <= [1, 0.5, 0.5]).all()


@given(data=st.data(), batch=batches(), piece_us=st.integers(1, 60), skip_us=st.integers(0, 60))
def test_every_event_of_a_whole_piece_comes_once_however_the_stream_was_cut(
    data: st.DataObject, batch: EventBatch, piece_us: int, skip_us: int
) -> None:
    recording = Held(tuple(data.draw(cuts(batch))))
    begin = int(batch.t[0]) + skip_us
    n = max(0, int(batch.t[-1]) + 1 - begin) // piece_us
    if n < FEWEST:
        with pytest.raises(ConfigError, match=r"held\.h5: "):
            cut_up(recording, piece_us, skip_us)
        return
    found, pieces = cut_up(recording, piece_us, skip_us)
    assert len(pieces) == n
    expected: dict[int, list[int]] = {}
    for time in batch.t.tolist():
        number, since = divmod(time - begin, piece_us)
        if 0 <= number < n:
            expected.setdefault(number, []).append(since)
    assert found == expected


def test_pixels_and_polarities_stay_with_their_times() -> None:
    recording = held(batch_of([5, 6, 7], [1, 2, 3], [4, 0, 1], [0, 1, 1]), batch_of([9], [6], [2], [0], start_us=8))
    stretch = longest_stretch(recording)
    ((_, first), (_, second)) = events_of(recording, stretch, planned(recording, stretch, None, 1))
    assert [first.t.tolist(), first.x.tolist(), first.y.tolist(), first.p.tolist()] == [[0, 1], [2, 3], [0, 1], [1, 1]]
    assert [second.t.tolist(), second.x.tolist(), second.y.tolist(), second.p.tolist()] == [[3], [6], [2], [0]]


def test_of_a_recording_whose_clock_was_reset_the_longest_stretch_is_cut() -> None:
    lost = DropCounts.of(DropCause.late, 3)
    first = replace(batch_of([10, 20]), lost=lost)
    recording = held(
        first, batch_of([0, 50], segment=1), batch_of([60], start_us=51, segment=1), batch_of([7, 9], segment=2)
    )
    stretch = longest_stretch(recording)
    assert stretch == Stretch(1, 0, 61, n_events=3, n_elsewhere=4, lost=stretch.lost)
    assert stretch.lost.events_by_cause() == {"late": 3}
    assert cut_up(recording, None)[0] == {0: [0, 50, 60]}


def test_what_is_too_short_or_empty_is_said() -> None:
    recording = held(batch_of([0, 49_999]))
    assert len(cut_up(recording, 10_000)[1]) == 5
    with pytest.raises(ConfigError, match=r"held\.h5: 4 pieces of 12 ms in 50 ms; it takes 5") as caught:
        cut_up(recording, 12_000)
    assert "--piece" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="lasts 50 ms; nothing is left after the first 50 ms"):
        cut_up(recording, None, skip_us=50_000)
    with pytest.raises(EmptyRecording, match="not one event"):
        longest_stretch(held(batch_of([], start_us=0, end_us=9)))
    assert longest_stretch(recording).lost == NOTHING_LOST
