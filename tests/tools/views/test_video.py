"""Files that videos leave behind: whole, playable, and never over somebody else's."""

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem, InUse
from spikecut.pipeline.events import EventBatch, Frame, SensorSize
from spikecut.pipeline.metrics.session_score import Score
from spikecut.pipeline.results import Decision, Rest, Step, StopReason
from spikecut.sources.formats.hdf5_writer import write_hdf5
from spikecut.tools.views import encoders
from spikecut.tools.views.base import Summary
from spikecut.tools.views.encoders import ANIMATIONS, CODECS
from spikecut.tools.views.palette import OverlayStyle
from spikecut.tools.views.video import VideoSink

from full_disk import full_disk

STEP_US = 10_000
SMALL = OverlayStyle(scale=0.25)


def step(index: int) -> Step:
    pixels = np.zeros((2, 34, 34), np.uint8)
    pixels[index % 2, index % 34] = 1
    frame = Frame(index, 0, index * STEP_US, (index + 1) * STEP_US, pixels, 34)
    total = np.array([0.0, index], np.float32)
    return Step(index, frame, total, total, float(index))


def decision(steps: int) -> Decision:
    total = np.array([0.0, steps], np.float32)
    return Decision(1, steps, StopReason.cutoff, 1.0, 0, steps * STEP_US, 34 * steps, total)


def sink(path: Path, **more: object) -> VideoSink:
    arguments: dict[str, object] = {"names": ("no", "yes"), "horizon": 10, "step_us": STEP_US, "style": SMALL}
    return VideoSink(path, **(arguments | more))  # type: ignore[arg-type]


def record(path: Path, **more: object) -> VideoSink:
    """Three steps, a decision held for 0.2 s, two bins at rest."""
    with sink(path, hold_s=0.2, **more) as video:
        for index in range(3):
            video.write(step(index))
        video.write(decision(3))
        for index in range(3, 5):
            video.write(Rest(step(index).frame))
    return video


def interrupted(video: VideoSink, error: BaseException, after: int = 1) -> None:
    """Something goes wrong in the loop around the sink."""
    with video:
        for index in range(after):
            video.write(step(index))
        raise error


def images(path: Path) -> list[UInt8[ndarray, "h w 3"]]:
    """What a player decodes, blue first; the absolute path, because FFmpeg takes a name with a colon for a protocol."""
    with av.open(str(path.absolute())) as video:
        return [frame.to_ndarray(format="bgr24") for frame in video.decode(video=0)]


def count_images(path: Path) -> int:
    return len(images(path))


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_as_many_images_are_read_as_were_written(tmp_path: Path, suffix: str) -> None:
    video = record(tmp_path / f"out{suffix}")
    assert video.n_images == 3 + 5 + 2
    assert count_images(video.path) == 10
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]


@pytest.mark.parametrize("suffix", ANIMATIONS)
def test_an_animation_shows_every_moment_for_as_long_as_the_video_would(tmp_path: Path, suffix: str) -> None:
    video = record(tmp_path / f"out{suffix}")
    read, animation = cv2.imreadanimation(str(video.path))
    assert read
    assert [int(duration) for duration in animation.durations] == [40, 40, 40, 200, 40, 40]


@pytest.mark.parametrize("scale", [0.25, 0.5, 0.73])
@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_no_codec_trims_the_picture(tmp_path: Path, suffix: str, scale: float) -> None:
    video = record(tmp_path / f"out{suffix}", style=OverlayStyle(scale=scale))
    height, width, _ = images(video.path)[0].shape
    assert (width, height) == pytest.approx((960 * scale, 540 * scale), abs=1)
    assert (width % 2, height % 2) == (0, 0)  # of odd sizes players show nothing


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_colours_and_times_are_those_that_were_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    encoder = encoders.encoder_for(path, 25.0, (61, 35))
    for left in range(0, 40, 2):
        image = np.full((35, 61, 3), (90, 200, 20), np.uint8)
        image[8:24, left : left + 16] = (20, 60, 220)
        encoder.write(image, 1)
    encoder.close()
    with av.open(str(path)) as video:
        frames = list(video.decode(video=0))
    assert [round(float((frame.time or 0) * 25)) for frame in frames] == list(range(20))
    shown = frames[10].to_ndarray(format="bgr24").astype(int)  # by the matrix that the file states
    assert shown[30, 50] == pytest.approx((90, 200, 20), abs=12)
    assert shown[16, 28] == pytest.approx((20, 60, 220), abs=12)


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_the_images_show_what_the_overlay_drew(tmp_path: Path, suffix: str) -> None:
    video = record(tmp_path / f"out{suffix}", style=OverlayStyle())
    above_timeline = [image[469, 20 + 275].astype(int) for image in images(video.path)]  # where 3 of 10 steps are over
    marker = [red - blue > 80 for blue, _, red in above_timeline]
    assert marker == [False] * 3 + [True] * 7


@pytest.mark.parametrize(("speed", "images"), [(None, 10), (1.0, 2), (0.25, 10), (0.1, 25), (0.125, 20), (100.0, 0)])
def test_a_video_lasts_as_long_as_its_speed_says(tmp_path: Path, speed: float | None, images: int) -> None:
    with sink(tmp_path / "out.mkv", speed=speed) as video:
        for index in range(10):
            video.write(step(index))
    assert video.n_images == images
    assert video.path.exists() == (images > 0)


def test_one_file_takes_recordings_one_after_another_and_a_card(tmp_path: Path) -> None:
    with sink(tmp_path / "out.mkv") as video:
        for title in ("first", "second", "third"):
            video.begin(title, truth="yes")
            video.write(step(0))
        video.card(["done", "recordings\t3"], seconds=0.4)
    assert count_images(video.path) == 3 + 10


def test_finish_completes_the_file_and_shows_the_score_if_there_is_one(tmp_path: Path) -> None:
    for name, score, n_images in (("scored.avi", Score(right=2, missed=1), 1 + 75), ("plain.avi", None, 1)):
        with sink(tmp_path / name) as video:
            video.write(step(0))
            video.finish(Summary(n_events=1, n_bins=1, n_steps=1, n_decisions=0, sensor_us=STEP_US, score=score))
            assert count_images(tmp_path / name) == n_images


def test_the_truth_is_the_name_of_a_class(tmp_path: Path) -> None:
    video = sink(tmp_path / "out.mkv")
    with pytest.raises(ConfigError, match="'maybe'") as caught:
        video.begin("seven.bin", "maybe")
    assert caught.value.hint == "known are no, yes"
    with pytest.raises(ConfigError, match="'maybe'"):
        video.expect("maybe")


def test_a_colon_or_a_percent_sign_in_its_name_does_not_trouble_a_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [f"{stem}{suffix}" for stem in ("2024-01-01T10:30:05", "take %03d") for suffix in (*CODECS, *ANIMATIONS)]
    for name in names:
        record(Path(name))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_file_that_is_there_stays_as_it_is_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"
    path.write_bytes(b"somebody's")
    with pytest.raises(ConfigError, match="exists already"):
        sink(path)
    assert path.read_bytes() == b"somebody's"
    record(path, overwrite=True)
    assert count_images(path) == 10


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out.mkv"
    path.write_bytes(b"somebody's")
    with pytest.raises(KeyboardInterrupt):
        interrupted(sink(path, overwrite=True), KeyboardInterrupt())
    assert path.read_bytes() == b"somebody's"


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_an_error_on_the_way_leaves_a_file_that_plays(tmp_path: Path, suffix: str) -> None:
    video = sink(tmp_path / f"out{suffix}")
    with pytest.raises(ZeroDivisionError) as caught:
        interrupted(video, ZeroDivisionError(), after=7)
    assert not video.path.exists()
    assert count_images(video.partial) == 7
    assert str(video.partial) in caught.value.__notes__[0]


def test_of_two_writers_of_one_video_the_second_is_refused(tmp_path: Path) -> None:
    first, second = sink(tmp_path / "out.mkv"), sink(tmp_path / "out.mkv")
    with first:
        first.write(step(0))
        with pytest.raises(InUse, match="another process"):
            second.__enter__()
    assert count_images(tmp_path / "out.mkv") == 1


def test_an_error_of_the_loop_is_not_blamed_on_the_video(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"seven\.bin"):
        interrupted(sink(tmp_path / "out.mkv"), FileNotFoundError("seven.bin"))


def test_an_error_before_the_first_image_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        interrupted(sink(tmp_path / "out.mkv"), ZeroDivisionError(), after=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_a_killed_process_leaves_a_video_that_plays(tmp_path: Path, suffix: str) -> None:
    code = (
        "import os, signal, sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from test_video import sink, step\n"
        "with sink(Path(sys.argv[1])) as video:\n"
        "    for index in range(400): video.write(step(index))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    folders = [Path(__file__).parent, Path(__file__).parents[2]]
    done = subprocess.run([sys.executable, "-c", code, tmp_path / f"out{suffix}", *folders], check=False)
    assert done.returncode == -signal.SIGKILL
    assert count_images(tmp_path / f"out.partial{suffix}") >= 350  # all but two seconds


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_half_way_leaves_what_it_showed(tmp_path: Path, number: signal.Signals) -> None:
    t = np.arange(0, 600_000_000, 5_000)
    place = (t // 5_000 % 34).astype(np.uint16)
    events = EventBatch(t, place, place, np.ones(len(t), np.uint8), 0, 600_000_000, SensorSize(34, 34))
    write_hdf5(tmp_path / "long.h5", [events], SensorSize(34, 34))
    command = [sys.executable, "-m", "spikecut", "run", "long.h5", "--save", "out.mp4"]
    run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    partial = tmp_path / "out.partial.mp4"
    while run.poll() is None and not (partial.exists() and partial.stat().st_size > 50_000):
        time.sleep(0.05)
    run.send_signal(number)
    _, errors = run.communicate()
    assert run.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number], errors
    assert not (tmp_path / "out.mp4").exists()
    n_images = count_images(partial)
    assert n_images >= 25
    if number != signal.SIGKILL:  # the file was ended as at a good end: one index, which states how long it lasts
        with av.open(str(partial)) as video:
            assert video.streams.video[0].frames == n_images


def test_an_unknown_suffix_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        sink(tmp_path / "out.mov")
    assert caught.value.hint == "known are .mkv .mp4 .webm .avi .webp .gif"


def test_a_missing_folder_is_named_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="no folder"):
        sink(tmp_path / "nowhere" / "out.mkv")


@pytest.mark.parametrize("values", [{"fps": 0.0}, {"speed": 0.0}, {"hold_s": -1.0}])
def test_rates_that_cannot_be_are_refused(tmp_path: Path, values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="positive"):
        sink(tmp_path / "out.mkv", **values)


def test_a_sink_that_is_not_open_says_how_to_open_it(tmp_path: Path) -> None:
    video = sink(tmp_path / "out.mkv")
    with pytest.raises(ConfigError) as caught:
        video.write(step(0))
    assert "with VideoSink" in (caught.value.hint or "")


def test_an_animation_beyond_memory_is_refused_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "_MOST_BYTES", 3 * 240 * 136 * 3)
    video = sink(tmp_path / "out.webp")
    with pytest.raises(ConfigError, match="more than 3 images") as caught:
        interrupted(video, ZeroDivisionError(), after=4)
    assert ".mkv" in (caught.value.hint or "")
    assert len(cv2.imreadanimation(str(video.partial))[1].frames) == 3


def test_a_codec_that_is_missing_is_an_environment_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = dataclasses.replace(CODECS[".mkv"], name="libnothing")
    monkeypatch.setattr(encoders, "CODECS", {**CODECS, ".mkv": missing})
    with pytest.raises(EnvironmentProblem, match="no encoder libnothing") as caught, sink(tmp_path / "out.mkv"):
        pass
    assert ".webp" in (caught.value.hint or "")


def test_without_pyav_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(EnvironmentProblem, match="PyAV does not load") as caught, sink(tmp_path / "out.mkv"):
        pass
    assert caught.value.hint == "pip install av"


def test_an_image_of_another_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = sink(tmp_path / "out.mkv")
    monkeypatch.setattr(video.overlay, "draw", lambda scene: np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ConfigError, match="an image of 8 x 8"):
        interrupted(video, ZeroDivisionError())


@pytest.mark.parametrize("suffix", [*CODECS, *ANIMATIONS])
@pytest.mark.parametrize("missing", [0.5, 300])
def test_a_full_disk_leaves_the_old_video_even_where_an_encoder_says_nothing(
    suffix: str, missing: float, tmp_path: Path
) -> None:
    path = tmp_path / f"out{suffix}"

    def write(overwrite: bool) -> None:
        with VideoSink(path, names=["a", "b"], horizon=5, step_us=10_000, overwrite=overwrite) as video:
            for i in range(10):
                video.card([f"page {i * i * 7919}"] * 5, 0.2)

    write(False)
    before = path.read_bytes()
    limit = int(len(before) * missing) if missing < 1 else len(before) - int(missing)
    with full_disk(limit), pytest.raises(EnvironmentProblem):
        write(True)
    assert path.read_bytes() == before
