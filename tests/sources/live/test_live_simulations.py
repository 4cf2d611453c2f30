"""Truths about sources that are simulated while they run: a camera before DVS pixels, and drawn people."""

from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError, EmptyRecording, EnvironmentProblem, UnreadableSource
from spikecut.pipeline.events import EventBatch
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.live.inputs import SOURCES, live_input
from spikecut.sources.live.inputs.base import LiveSource, Wanted
from spikecut.sources.live.inputs.waiting import Waiting

from fakes import FakeClock
from source_contract import DVS128, _collect


def opened(word: str, clock: FakeClock | None = None, reading: ReadOptions = DEFAULTS) -> LiveSource:
    row = live_input(Path(word), follow=False)
    assert row is SOURCES[word.partition(":")[0]]
    return row.open(Wanted(word, reading, DVS128, Waiting(clock or FakeClock())))


def picture(k: int) -> np.ndarray:
    """A bright square that moves 4 pixels to the right a picture."""
    made = np.full((96, 128, 3), 60, np.uint8)
    made[36:60, 10 + 4 * k : 34 + 4 * k] = 220
    return made


class FakeCapture:
    """A camera of so many pictures, 33 ms apart; then it is unplugged."""

    def __init__(self, clock: FakeClock, n: int, error: bool = False) -> None:
        self.clock, self.n, self.k, self.error, self.is_open, self.moves = clock, n, 0, error, True, True

    def isOpened(self) -> bool:
        return self.n > 0

    def read(self) -> tuple[bool, Any]:
        if self.k == self.n:
            if self.error:
                raise cv2.error("the device is gone")
            return False, None
        self.clock.time_s += 0.033
        self.k += 1
        return True, picture(self.k if self.moves else 0)

    def release(self) -> None:
        self.is_open = False


def test_a_video_stands_as_the_device_at_its_own_pace(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 40.0, (128, 96))
    for k in range(12):
        video.write(picture(k))
    video.release()
    source = opened(f"camera:{path}")
    got = _collect(source.recording)
    source.close()
    assert source.recording.sensor == DVS128
    assert len(got.t) > 500
    assert 0 <= got.t.min() < 25_000
    assert 250_000 < got.t.max() <= 275_000  # 11 intervals of 25 ms
    assert np.median(got.x[got.t < 80_000]) < np.median(got.x[got.t > 200_000])
    assert source.notes()[0].startswith(f"camera:{path}: 12 pictures")


@pytest.mark.parametrize("error", [False, True])
def test_a_camera_has_the_time_of_its_pictures_and_ends_where_it_is_unplugged(
    error: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S05: what came is used; the end is named."""
    clock = FakeClock()
    capture = FakeCapture(clock, 10, error)
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: capture)
    source = opened("camera:0", clock)
    batches = list(source.recording)
    assert [batch.end_us for batch in batches] == [33_000 * k for k in range(1, 10)]
    assert sum(map(len, batches)) > 500
    assert source.notes() == [
        "camera:0: 10 pictures: no more pictures come (the end of the file, or the camera was unplugged)"
    ]
    source.close()
    assert not capture.is_open


def test_a_scene_that_stands_still_lets_time_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """G06: a batch for every picture, with nothing but noise, so that bins close on time."""
    clock = FakeClock()
    capture = FakeCapture(clock, 40)
    capture.moves = False
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: capture)
    batches = list(islice(opened("camera:0", clock).recording, 30))
    assert batches[-1].end_us == 30 * 33_000
    assert max(map(len, batches)) < 200


def test_a_camera_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvironmentProblem, match="camera:987"):
        opened("camera:987")
    with pytest.raises(UnreadableSource, match="no such file"):
        opened("camera:nothing.avi")
    (tmp_path / "a.avi").write_bytes(b"RIFF and nothing more")
    with pytest.raises(EmptyRecording, match="no picture can be decoded"):
        opened(f"camera:{tmp_path / 'a.avi'}")


def test_drawn_people_gesture_for_ever_with_their_labels() -> None:
    source = opened("drawn:gestures")
    spans = source.spans
    assert spans is not None
    assert 5_000 < len(spans) < 20_000, "those of a day"
    assert spans[0].end_us <= spans[1].start_us
    first: list[EventBatch] = list(islice(source.recording, 40))
    again: list[EventBatch] = list(islice(opened("drawn:gestures/24").recording, 40))
    assert [batch.t.tolist() for batch in first] == [batch.t.tolist() for batch in again]
    assert first[0].start_us < spans[0].start_us
    stretch = opened("drawn:gestures", reading=ReadOptions(start_us=10_000_000, duration_us=20_000_000))
    assert stretch.spans == spans, "of a stretch, too: what is not played is not missed"
    for word in ("drawn:digits", "drawn:gestures/me"):
        with pytest.raises(ConfigError, match="nothing of this kind is drawn"):
            opened(word)
