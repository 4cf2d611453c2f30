"""Labelled gestures in recordings whose clock was not always the same."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.errors import EmptyRecording
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.datasets.base import FrameSpec
from spikecut.sources.datasets.dvs_gesture import open_gesture_set
from spikecut.sources.datasets.gesture_labels import GestureSpan
from spikecut.sources.datasets.segments import cut, whole
from spikecut.sources.formats.aedat3 import write_aedat3

SENSOR = SensorSize(128, 128)
SPANS = [GestureSpan(0, 1_000, 2_000), GestureSpan(1, 3_000, 4_000), GestureSpan(2, 5_000, 6_000)]


def stretch(start_us: int, end_us: int, step_us: int = 100, segment: int = 0) -> EventBatch:
    t = np.arange(start_us, end_us, step_us)
    x = np.zeros(len(t), np.uint16)
    return EventBatch(t, x, x, np.ones(len(t), np.uint8), start_us, end_us, SENSOR, segment)


@dataclass(frozen=True)
class Batches:
    batches: list[EventBatch]
    sensor: SensorSize = SENSOR

    def __iter__(self) -> Iterator[EventBatch]:
        return iter(self.batches)


def n_events(*batches: EventBatch) -> list[int]:
    found = list(cut(Batches(list(batches)), SPANS))
    assert [span for span, _ in found] == SPANS
    return [len(batch) for _, batch in found]


def test_a_segment_of_a_later_clock_takes_no_labels_with_it() -> None:
    assert n_events(stretch(900_000, 950_000), stretch(0, 7_000, segment=1)) == [10, 10, 10]


def test_a_jump_over_labels_and_back_leaves_them_their_events() -> None:
    jump = [stretch(0, 2_500), stretch(2_500, 900_000, 400_000), stretch(2_500, 7_000, segment=1)]
    assert n_events(*jump) == [10, 10, 10]


def test_a_gesture_that_two_segments_hold_is_taken_from_the_one_with_more_events() -> None:
    assert n_events(stretch(0, 1_500), stretch(1_000, 7_000, segment=1)) == [10, 10, 10]
    assert n_events(stretch(0, 1_900), stretch(1_500, 7_000, segment=1))[0] == 9


def test_a_gesture_beyond_the_end_has_no_events_and_the_others_keep_theirs() -> None:
    assert n_events(stretch(0, 4_500)) == [10, 10, 0]
    assert n_events(stretch(2_500, 7_000)) == [0, 10, 10]


def test_the_whole_recording_is_its_fullest_segment() -> None:
    recording = Batches([stretch(900_000, 900_500), stretch(0, 7_000, segment=1)])
    assert len(whole(recording)) == 70
    assert whole(recording).lost.events_by_cause() == {"late": 5}


def test_a_labelled_gesture_without_events_is_an_error_of_its_own(tmp_path: Path) -> None:
    recording = replace(stretch(0, 40_000_000, 1_000), end_us=40_000_000)
    write_aedat3(tmp_path / "user01_led.aedat", [recording])
    rows = ["class,startTime_usec,endTime_usec", "1,1000000,2000000", "2,50000000,51000000", "3,60000000,61000000"]
    (tmp_path / "user01_led_labels.csv").write_text("\n".join(rows))
    (tmp_path / "trials_to_train.txt").write_text("user01_led.aedat\n")
    (tmp_path / "trials_to_test.txt").write_text("")
    (session,) = open_gesture_set(tmp_path).of("train")
    first, second, _ = session.streams(FrameSpec("events", SENSOR, SENSOR, 20_000, 60))
    assert sum(frame.n_events for frame in first) == 1_000
    with pytest.raises(EmptyRecording, match="no events in right hand wave, 50000000 to 51000000 us"):
        next(second)
