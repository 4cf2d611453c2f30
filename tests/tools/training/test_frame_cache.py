"""Truths about kept frames: they are those that would be packed now, or they are packed now."""

import dataclasses
import hashlib
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from spikecut.models.training.epochs import TrainingPlan
from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import EmptyRecording, EnvironmentProblem
from spikecut.sources import open_recording
from spikecut.sources.datasets.class_folders import LabelledRecording, list_recordings
from spikecut.sources.datasets.dvs_gesture import open_gesture_set
from spikecut.sources.datasets.gesture_session import Session
from spikecut.sources.formats.atis import write_atis
from spikecut.tools.training.frame_cache import VERSION, Frames, cache_folder, kept_frames
from spikecut.tools.training.packing import pack_examples, pack_recordings, view_for
from spikecut.tools.training.recipe import Recipe, read_recipe

from source_contract import DATA, DVS128, pattern

RECIPE = dataclasses.replace(read_recipe("nmnist"), sensor=DVS128, training=TrainingPlan(window=4), downsample=8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPIKECUT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "frames"


@pytest.fixture
def recordings(tmp_path: Path) -> list[LabelledRecording]:
    for seed, name in enumerate("aabab"):
        (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
        write_atis(tmp_path / "set" / name / f"{seed}.bin", [pattern(900, seed)])
    return list_recordings(tmp_path / "set")


def pack(recordings: list[LabelledRecording], recipe: Recipe = RECIPE) -> Frames:
    frames, labels = pack_recordings(recordings, recipe, "train")
    assert labels.tolist() == [recording.label for recording in recordings]
    return frames


def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a recording was read again")

    monkeypatch.setattr(LabelledRecording, "streams", refuse)


def test_kept_frames_are_the_first_frames_of_every_recording(
    recordings: list[LabelledRecording], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = np.zeros((5, 4, 2, 16, 16), np.uint8)
    for i, recording in enumerate(recordings):
        binner = CountBinner(DVS128, RECIPE.network.step_us, downsample=8)
        for frame, target in zip(binner.bins(open_recording(recording.path, sensor=DVS128)), wanted[i], strict=False):
            target[:] = frame.pixels
    assert wanted.any(axis=(2, 3, 4)).all()
    assert np.array_equal(pack(recordings), wanted)
    no_reading(monkeypatch)
    assert np.array_equal(pack(recordings), wanted)


def test_other_content_or_other_numbers_never_meet_old_frames(recordings: list[LabelledRecording], cache: Path) -> None:
    first = pack(recordings).copy()
    path = recordings[0].path
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[2] ^= 0x80  # the polarity of the first event
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    changed = pack(recordings)
    assert not np.array_equal(changed[0], first[0])
    assert np.array_equal(changed[1:], first[1:])
    spec = dataclasses.replace(RECIPE.network, step_us=5_000)
    for recipe in (
        dataclasses.replace(RECIPE, network=spec),
        dataclasses.replace(RECIPE, downsample=4),
        dataclasses.replace(RECIPE, training=TrainingPlan(window=5)),
        dataclasses.replace(RECIPE, spare_steps=2),
    ):
        assert pack(recordings, recipe).shape[1:] == view_for(recipe).distinct
    assert np.array_equal(pack(recordings[::-1]), changed[::-1])
    assert len(list(cache.glob("*.npy"))) == 7


@pytest.mark.parametrize("damage", ["a byte", "its end", "about", "not json", "other json"])
def test_damage_is_noticed_and_mended(recordings: list[LabelledRecording], cache: Path, damage: str) -> None:
    whole = pack(recordings).copy()
    (frames,), (about,) = cache.glob("*.npy"), cache.glob("*.json")
    data = bytearray(frames.read_bytes())
    if damage == "a byte":
        data[-40] ^= 1
        frames.write_bytes(data)
    elif damage == "its end":
        frames.write_bytes(data[:-1])
    elif damage == "about":
        about.unlink()
    else:
        about.write_text("{" if damage == "not json" else "[1]")
    assert np.array_equal(pack(recordings), whole)
    assert hashlib.sha256(frames.read_bytes()).hexdigest() in about.read_text()


def test_writing_to_frames_does_not_change_what_is_kept(recordings: list[LabelledRecording]) -> None:
    frames = pack(recordings)
    whole = frames.copy()
    torch.from_numpy(frames)[:] = 7
    assert (frames == 7).all()
    assert np.array_equal(pack(recordings), whole)


def test_no_more_than_one_example_is_held_in_memory(cache: Path) -> None:
    shape = (64, 4, 2, 256, 256)

    def examples() -> Iterator[tuple[Frames, int]]:
        for i in range(64):
            yield np.full(shape[1:], i, np.uint8), 0

    tracemalloc.start()
    kept = kept_frames({"of": "memory"}, shape, examples())
    picked = kept.frames[[3, 60]].max(axis=(1, 2, 3, 4)).tolist()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert picked == [3, 60]
    assert kept.frames.nbytes == 64 << 19
    assert peak < kept.frames.nbytes / 8


def test_recordings_of_which_none_can_be_read_leave_nothing_behind(
    recordings: list[LabelledRecording], cache: Path
) -> None:
    for recording in recordings:
        recording.path.write_bytes(b"")
    with pytest.raises(EmptyRecording):
        pack(recordings)
    assert list(cache.iterdir()) == []


def test_a_recording_that_cannot_be_read_is_quarantined_each_time(
    recordings: list[LabelledRecording], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = pack(recordings).copy()
    recordings[3].path.write_bytes(b"")
    for _ in range(2):
        frames, labels = pack_recordings(recordings, RECIPE, "train")
        assert np.array_equal(frames, whole[[0, 1, 2, 4]])
        assert labels.tolist() == [recordings[i].label for i in (0, 1, 2, 4)]
        error = capsys.readouterr().err
        assert f"train: quarantined, for they cannot be read: {recordings[3].name}\n" in error


def test_a_cache_that_cannot_be_written_is_named(recordings: list[LabelledRecording], cache: Path) -> None:
    cache.parent.write_text("a file where a folder should be")
    with pytest.raises(EnvironmentProblem, match="frames cannot be kept here") as caught:
        pack(recordings)
    assert "SPIKECUT_CACHE" in str(caught.value.hint)


def test_what_reading_has_cost_is_said_every_time(
    recordings: list[LabelledRecording], capsys: pytest.CaptureFixture[str]
) -> None:
    path = recordings[1].path
    path.write_bytes(path.read_bytes()[:-2])
    longer = dataclasses.replace(RECIPE, training=TrainingPlan(window=40))
    for _ in range(2):
        pack(recordings, longer)
        assert f"train: events lost: {recordings[1].name}: 1\n" in capsys.readouterr().err


def test_the_gestures_of_sessions_are_kept_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = dataclasses.replace(read_recipe("gestures"), training=TrainingPlan(window=3), spare_steps=1)
    for user in (1, 2):
        folder = tmp_path / "ibmGestureTrain" / f"user{user:02d}_led"
        folder.mkdir(parents=True)
        for label in (3, 0):
            rows = [[10 * user, 4 * label, label % 2, t] for t in range(0, 100, 7)]
            np.save(folder / f"{label}.npy", np.array(rows, np.float64))
    gestures = open_gesture_set(tmp_path).examples("train")
    frames, labels = pack_examples(gestures, recipe, "train")
    assert labels.tolist() == [0, 3, 0, 3]
    assert frames.shape == (4, 4, 2, 32, 32)
    assert [np.argwhere(frames[i].sum(0)).tolist() for i in range(4)] == [
        [[0, 0, 2]], [[1, 3, 2]], [[0, 0, 5]], [[1, 3, 5]]
    ]  # fmt: skip
    monkeypatch.setattr(Session, "clips", None)
    assert np.array_equal(pack_examples(gestures, recipe, "train")[0], frames)


def test_nothing_packs_to_nothing() -> None:
    assert pack([]).shape == (0, 4, 2, 16, 16)


def test_the_cache_lies_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("SPIKECUT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/spikecut")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/spikecut")


def test_frames_do_not_change_without_a_new_version() -> None:
    """Where this fails, frame_cache.VERSION has to be one more: kept frames would be old ones."""
    tiny = [LabelledRecording(DATA / f"tiny{suffix}", 0, "tiny") for suffix in (".aedat", ".bin", ".h5")]
    assert (VERSION, hashlib.sha256(pack(tiny).tobytes()).hexdigest()[:16]) == (1, "a5feb279ddb44c0c")
