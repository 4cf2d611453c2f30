"""Truths about videos before the simulated DVS: where and when light changes, events say so."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from spikecut.pipeline.errors import CorruptRecording, EmptyRecording
from spikecut.pipeline.events import SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.simulation.pixel import DvsSpec
from spikecut.sources.simulation.video import VideoRecording, open_video
from spikecut.sources.simulation.video import _pictures as video_pictures
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


def test_a_video_that_was_filmed_upright_is_turned(tmp_path: Path) -> None:
    """Telephones store what the sensor saw, and in the header that it is to be turned: here by 90 degrees clockwise."""
    raw = bytearray(film(tmp_path / "flat.mp4").read_bytes())
    at = raw.index(b"tkhd") + 44  # the matrix of the track, behind 40 bytes of version, times, numbers and volume
    struct.pack_into(">5i", raw, at, 0, 1 << 16, 0, -1 << 16, 0)
    (tmp_path / "upright.mp4").write_bytes(raw)
    flat = check_source(open_video(tmp_path / "flat.mp4", DEFAULTS, STILL))
    upright = open_video(tmp_path / "upright.mp4", DEFAULTS, STILL)
    assert upright.sensor == SensorSize(48, 64)
    turned = check_source(upright)
    assert place_times(turned.t, 47 - turned.x, turned.y) == place_times(flat.t, flat.y, flat.x)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("b.mkv", "libx264", "yuv444p"),
        ("c.webm", "libvpx-vp9", "yuv420p"),
        ("d.avi", "mjpeg", "yuvj420p"),
        ("e.mov", "mpeg4", "yuv420p"),
        ("f.mkv", "ffv1", "bgr0"),
    ],
)
def test_pictures_and_times_are_those_that_opencv_decodes(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    """Colours, an uneven rate, in H.264 pictures that are stored in another order than shown."""
    with av.open(str(tmp_path / name), "w") as video:
        stream: Any = video.add_stream(codec, Fraction(30_000, 1_001))
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for i in range(20):
            picture = np.full((48, 64, 3), (60, 90, 30), np.uint8)
            picture[:, :, 0] = np.linspace(0, 255, 64)
            picture[18:30, 10 + 2 * i : 22 + 2 * i] = (30, 220, 90)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format=pixels)
            frame.pts, frame.time_base = i + i // 7, 1 / Fraction(30_000, 1_001)
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
    reader = cv2.VideoCapture(str(tmp_path / name), cv2.CAP_FFMPEG)
    pictures = list(video_pictures(tmp_path / name))
    assert len(pictures) == 20
    for time, grey in pictures:
        there, expected = reader.read()
        assert there
        assert np.array_equal(grey, cv2.cvtColor(expected, cv2.COLOR_BGR2GRAY))
        assert time == pytest.approx(reader.get(cv2.CAP_PROP_POS_MSEC) * 1_000, abs=1)
    assert not reader.read()[0]


def place_times(t: np.ndarray, first: np.ndarray, second: np.ndarray) -> list[tuple[int, int, int]]:
    return sorted(zip(t.tolist(), first.tolist(), second.tolist(), strict=True))


def test_times_are_those_of_the_pictures_not_of_a_fixed_rate(tmp_path: Path) -> None:
    """Pictures at 0, 40, 120 and 400 ms: light changes between the last two only, so events lie there only."""
    path = tmp_path / "uneven.mkv"
    with av.open(str(path), "w") as video:
        stream: Any = video.add_stream("ffv1", 25)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "bgr0"
        for n, grey in ((0, 60), (1, 60), (3, 60), (10, 200)):
            frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), grey, np.uint8), format="bgr24")
            frame.pts, frame.time_base = n, Fraction(1, 25)
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
    events = check_source(open_video(path, DEFAULTS, STILL))
    assert len(events.t) >= 16 * 16
    assert events.t.min() >= 120_000
    assert 300_000 < events.t.max() <= 400_000


def test_a_damaged_picture_costs_that_picture_not_the_rest(tmp_path: Path) -> None:
    """H.264, picture by picture on its own: of 12 at 25 a second the fourth is overwritten with zeros."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as video:
        stream: Any = video.add_stream("libx264", 25, {"g": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(12):
            picture = np.full((48, 64, 3), 60, np.uint8)
            picture[18:30, 10 + 2 * i : 22 + 2 * i] = 220
            video.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        video.mux(stream.encode(None))
    whole = list(video_pictures(path))
    with av.open(str(path)) as video:
        packets = [bytes(packet) for packet in video.demux() if packet.size]
    raw = path.read_bytes()
    assert raw.count(packets[3]) == 1
    path.write_bytes(raw.replace(packets[3], bytes(len(packets[3]))))
    rest = list(video_pictures(path))
    assert [time for time, _ in whole] == [40_000 * i for i in range(12)]
    assert [time for time, _ in rest] == [40_000 * i for i in range(12) if i != 3]
    del whole[3]
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(whole, rest, strict=True))


def test_a_file_of_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("pcm_s16le", 8_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8_000
        stream.layout = "mono"
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with pytest.raises(CorruptRecording, match="holds no pictures"):
        open_recording(path)
