"""Truths about folders of recordings: every file has one part, by its name alone."""

from pathlib import Path

import pytest

from spikecut.pipeline.errors import ConfigError, EmptyRecording, UnreadableSource
from spikecut.sources.datasets import list_recordings, part_of


def folder_of(root: Path, n: int, classes: str = "ab") -> Path:
    for name in classes:
        (root / name).mkdir()
        for i in range(n):
            (root / name / f"{i:05d}.bin").write_bytes(bytes([i % 256]) * 5)
    return root


def test_the_parts_divide_a_folder_and_overlap_nowhere(tmp_path: Path) -> None:
    recordings = list_recordings(folder_of(tmp_path, 300))
    parts = [part_of(recordings, part) for part in ("train", "calibration", "test")]
    assert sorted(r.path for part in parts for r in part) == sorted(r.path for r in recordings)
    assert [round(len(part) / 600, 1) for part in parts] == [0.6, 0.2, 0.2]
    assert part_of(recordings, "all") == recordings


def test_more_recordings_move_none_of_the_others(tmp_path: Path) -> None:
    before = {r.path for r in part_of(list_recordings(folder_of(tmp_path, 20)), "test")}
    for i in range(20, 60):
        (tmp_path / "a" / f"{i:05d}.bin").write_bytes(b"12345")
    after = {r.path for r in part_of(list_recordings(tmp_path), "test")}
    assert before <= after


def test_the_real_recordings_divide_as_the_card_says(real_data: Path) -> None:
    """581 train, 203 calibration, 216 test: the division that every figure for N-MNIST rests on."""
    import zipfile

    from spikecut.sources.datasets import LabelledRecording

    names = zipfile.ZipFile(real_data / "nmnist_train1000.zip").namelist()
    recordings = [LabelledRecording(Path(name), 0, Path(name).parent.name) for name in names if name.endswith(".bin")]
    sizes = [len(part_of(recordings, part)) for part in ("train", "calibration", "test")]
    assert sizes == [581, 203, 216]


def test_labels_follow_the_names_of_the_network(tmp_path: Path) -> None:
    recordings = list_recordings(folder_of(tmp_path, 1), classes=["x", "b", "a"])
    assert {r.class_name: r.label for r in recordings} == {"a": 2, "b": 1}


def test_a_folder_that_is_no_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder 'b' is none of the classes a, c"):
        list_recordings(folder_of(tmp_path, 1), classes=["a", "c"])


def test_missing_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="no such folder"):
        list_recordings(tmp_path / "nowhere")
    (tmp_path / "a").mkdir()
    with pytest.raises(EmptyRecording, match="no recordings in its class folders"):
        list_recordings(tmp_path)
