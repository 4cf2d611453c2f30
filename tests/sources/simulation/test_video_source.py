"""Truths about videos before the simulated DVS: where and when light changes, events say so."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from spikecut.pipeline.errors import CorruptRecording, EmptyRecording
from spikecut.pipeline.events import SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.simulation.pixel import DvsSpec
from spikecut.sources.simulation.video import VideoRecording, open_video
from spikecut.tools.frame_streams import network_for

from source_contract import check_source

STILL = DvsSpec(mismatch=0.0)


def film(path: Path, n: int = 12, size: tuple[int, int] = (64, 48), fps: float = 40.0) -> Path:
    """A bright square of 12 x 12 on grey that moves 2 pixels to the right a picture."""
    codec = {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}[path.suffix]
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, size)
    assert video.isOpened()
    for i in range(n):
        picture = np.full((size[1], size[0], 3), 60, np.uint8)
        picture[18:30, 10 + 2 * i : 22 + 2 * i] = 220
        video.write(picture)
    video.release()
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_moving_square_is_seen_where_and_when_it_moves(tmp_path: Path, suffix: str) -> None:
    recording = open_recording(film(tmp_path / f"a{suffix}"))
    assert isinstance(recording, VideoRecording)
    assert recording.sensor == SensorSize(64, 48)
    found = check_source(open_video(tmp_path / f"a{suffix}", DEFAULTS, STILL))
    assert len(found.t) > 500
    assert 0 <= found.t.min() < 25_000
    assert 250_000 < found.t.max() <= 275_000  # 11 intervals of 25 ms
    near = (found.y >= 15) & (found.y < 33)
    assert near.mean() > 0.95  # the coding of the video itself changes a little elsewhere
    middle = [np.median(found.x[near & (found.t >= t) & (found.t < t + 50_000)]) for t in (0, 100_000, 200_000)]
    assert middle[0] < middle[1] < middle[2]
    last = found.t >= 250_000
    front = last & near & (found.x >= 42)
    back = last & near & (found.x < 34)
    assert found.p[front].mean() > 0.9  # it grows bright before the square,
    assert found.p[back].mean() < 0.1  # and dark behind it


def test_a_video_is_shown_to_the_sensor_that_is_asked_for(tmp_path: Path) -> None:
    """Of 64 x 48 the middle 48 x 48 lands on 24 x 24: the square of 12 rows covers rows 9 to 14 there."""
    found = check_source(open_video(film(tmp_path / "a.avi"), ReadOptions(SensorSize(24, 24)), STILL))
    assert found.x.max() < 24
    assert found.y.max() < 24
    assert ((found.y >= 8) & (found.y <= 15)).mean() > 0.95
    left, right = np.quantile(found.x, [0.02, 0.98])  # columns 10 to 43, less the 8 that are cut off, by 2
    assert (left <= 3, right <= 19) == (True, True)


def test_the_same_seed_gives_the_same_events_and_another_others(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    noisy = DvsSpec(shot_noise_hz=20.0)
    assert check_source(open_video(path, DEFAULTS, noisy, 1)) == check_source(open_video(path, DEFAULTS, noisy, 1))
    assert check_source(open_video(path, DEFAULTS, noisy, 1)) != check_source(open_video(path, DEFAULTS, noisy, 2))


def test_a_video_is_meant_for_the_gestures(tmp_path: Path) -> None:
    assert network_for(film(tmp_path / "a.mp4")) == "gestures"


def test_a_broken_video_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(film(tmp_path / "b.mp4").read_bytes()[:300])
    with pytest.raises((CorruptRecording, EmptyRecording), match=r"a\.mp4"):
        open_recording(path)
