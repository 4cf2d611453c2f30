"""Truths about folders of recordings: every file has one part, by its name alone."""

import json
from pathlib import Path

import pytest

from spikecut.pipeline.errors import ConfigError, EmptyRecording, UnreadableSource
from spikecut.sources import open_recording
from spikecut.sources.datasets.class_folders import list_recordings, part_of
from spikecut.sources.datasets.digests import split_digest
from spikecut.sources.datasets.parts import Part
from spikecut.sources.formats.aedat2 import write_aedat2
from spikecut.sources.formats.atis import write_atis
from spikecut.tools.cli import main

from source_contract import pattern

PARTS: tuple[Part, ...] = ("train", "calibration", "test")


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

    from spikecut.sources.datasets.class_folders import LabelledRecording

    names = zipfile.ZipFile(real_data / "nmnist_train1000.zip").namelist()
    recordings = [LabelledRecording(Path(name), 0, Path(name).parent.name) for name in names if name.endswith(".bin")]
    sizes = [len(part_of(recordings, part)) for part in ("train", "calibration", "test")]
    assert sizes == [581, 203, 216]


def test_the_same_names_have_the_same_split_wherever_they_lie(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        folder_of(tmp_path / name, 30)
    (tmp_path / "there" / "a" / "00007.bin").write_bytes(b"other")
    here, there = list_recordings(tmp_path / "here"), list_recordings(tmp_path / "there")
    assert split_digest(part_of(here, "train")) == split_digest(reversed(part_of(there, "train")))
    assert split_digest(here) != split_digest(here[1:])


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


def nmnist(root: Path, *divisions: str) -> Path:
    """N-MNIST as published: two folders, each numbering its digits from 1."""
    for division in divisions:
        for number in range(1, 201):
            path = root / division / str(number % 10) / f"{number:05d}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\1\2\x80\0\3")
    return root


def named(root: Path, part: Part) -> set[str]:
    return {str(r.path.relative_to(root)) for r in part_of(list_recordings(root), part)}


def test_what_nmnist_publishes_to_test_tests_and_nothing_else_does(tmp_path: Path) -> None:
    root = nmnist(tmp_path / "N-MNIST", "Train", "Test")
    assert named(root, "test") == {str(path.relative_to(root)) for path in (root / "Test").glob("*/*.bin")}
    fitted, heldout = named(root, "train"), named(root, "calibration")
    assert fitted | heldout == {str(path.relative_to(root)) for path in (root / "Train").glob("*/*.bin")}
    assert not fitted & heldout
    assert {(r.label, r.class_name) for r in list_recordings(root)} == {(k, str(k)) for k in range(10)}


def test_a_test_folder_beside_train_moves_nothing_that_calibrates(tmp_path: Path) -> None:
    alone, whole = nmnist(tmp_path / "alone", "Train"), nmnist(tmp_path / "whole", "Train", "Test")
    assert named(alone, "calibration") == named(whole, "calibration")
    assert named(alone, "train") | named(alone, "test") == named(whole, "train")
    assert [r.path for r in list_recordings(alone)] == [r.path for r in list_recordings(alone / "Train")]
    assert named(alone / "Train", "test") == {name.removeprefix("Train/") for name in named(alone, "test")}


def test_where_three_folders_say_the_parts_no_name_does(tmp_path: Path) -> None:
    root = nmnist(tmp_path / "pieces", "train", "calibration", "test")
    for part in PARTS:
        assert named(root, part) == {str(path.relative_to(root)) for path in (root / part).glob("*/*.bin")}
        assert len(named(root, part)) == 200
    assert [r.part for r in list_recordings(root)] == ["train"] * 200 + ["calibration"] * 200 + ["test"] * 200
    assert len(named(root, "all")) == 600
    for path in [path for path in (root / "test").glob("*/*.bin") if path.parent.name == "7"]:
        path.rename(path.with_name(f"cifar10_ship_{path.stem}.aedat"))
    assert len(named(root, "test")) == 200


def test_three_folders_stay_what_they_are_when_one_is_missing(tmp_path: Path) -> None:
    whole = nmnist(tmp_path / "pieces", "train", "calibration", "test")
    for here in (nmnist(tmp_path / "a", "train", "calibration"), nmnist(tmp_path / "b", "calibration", "test")):
        for part in PARTS:
            assert named(here, part) == (named(whole, part) if (here / part).is_dir() else set())


def test_ncaltech101_opens_from_the_folder_above(tmp_path: Path) -> None:
    folder = tmp_path / "Caltech101"
    for name in ("BACKGROUND_Google", "Faces_easy", "accordion"):
        (folder / name).mkdir(parents=True)
        write_atis(folder / name / "image_0001.bin", [pattern(50)])
    (tmp_path / "Caltech101_annotations" / "accordion").mkdir(parents=True)
    recordings = list_recordings(tmp_path)
    assert recordings == list_recordings(folder)
    assert [(r.label, r.name) for r in recordings][2] == (2, "accordion/image_0001.bin")
    assert sum(map(len, open_recording(recordings[0].path))) == 50


def test_cifar10_dvs_opens_as_published(tmp_path: Path) -> None:
    for name in ("airplane", "truck"):
        (tmp_path / name).mkdir()
        for number in (0, 10, 9):
            write_aedat2(tmp_path / name / f"cifar10_{name}_{number}.aedat", [pattern(50)])
    (tmp_path / "__MACOSX" / "airplane").mkdir(parents=True)
    recordings = list_recordings(tmp_path)
    assert [(r.label, r.class_name) for r in recordings] == [(0, "airplane")] * 3 + [(1, "truck")] * 3
    assert sum(map(len, open_recording(recordings[0].path))) == 50


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    for name in ("test", "train"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.bin").write_bytes(b"12345")
    assert [(r.class_name, r.division) for r in list_recordings(tmp_path)] == [("test", None), ("train", None)]


@pytest.mark.parametrize("layout", ["Train/5/00001.bin", "Caltech101/ant/image_0001.bin", "ant/image_0001.bin"])
def test_somebody_one_folder_off_is_told_where_to_go(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "set" / layout
    path.parent.mkdir(parents=True)
    path.write_bytes(b"12345")
    assert len(list_recordings(tmp_path / "set")) == 1
    with pytest.raises(EmptyRecording) as caught:
        list_recordings(tmp_path)
    assert caught.value.hint == f"the class folders lie deeper: give {tmp_path / 'set'}"


def test_an_archive_that_was_not_unpacked_is_named(tmp_path: Path) -> None:
    (tmp_path / "airplane.zip").touch()
    with pytest.raises(EmptyRecording) as caught:
        list_recordings(tmp_path)
    assert caught.value.hint == "airplane.zip is not unpacked"


def test_text_is_a_recording_where_its_layout_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "".join(f"{i * 100} {i % 34} {i % 30} {i % 2}\n" for i in range(200))
    for digit in "012":
        (tmp_path / digit).mkdir()
        for i in range(3):
            (tmp_path / digit / f"{i}.txt").write_text(text)
    assert [one.name for one in list_recordings(tmp_path, text=True)] == [f"{d}/{i}.txt" for d in "012" for i in "012"]
    with pytest.raises(EmptyRecording) as caught:
        list_recordings(tmp_path)
    assert "--columns txyp" in str(caught.value.hint)
    words = ["replay", str(tmp_path), "--model", "nmnist", "--part", "all", "--json"]
    assert main(words) == 4
    assert main([*words, "--columns", "txyp", "--sensor", "34x34"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 9
