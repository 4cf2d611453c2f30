"""Truths about `spikecut data check` on class folders: what was published is asked for by name, the rest is counted."""

import dataclasses
import hashlib
import json
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.events import EventBatch
from spikecut.sources.datasets import catalog as published
from spikecut.sources.datasets.catalog import CIFAR10_DVS, N_CALTECH101, N_MNIST, SETS, PublishedSet, recognise
from spikecut.sources.datasets.class_folders import list_recordings, part_of
from spikecut.sources.formats.aedat2 import write_aedat2
from spikecut.sources.formats.atis import write_atis
from spikecut.tools.checks.data_check import run_data_check
from spikecut.tools.checks.set_check import check_set
from spikecut.tools.commands.files.data import Data

LABELS = "5041921314"  # MNIST begins so
FEW_DIGITS = dataclasses.replace(
    N_MNIST,
    counts={"train": {name: LABELS.count(name) for name in "0123459"}, "test": {"7": 1, "2": 1}},
    labels_md5={
        "train": hashlib.md5(struct.pack(">II", 0x801, 10) + bytes(map(int, LABELS))).hexdigest(),
        "test": hashlib.md5(struct.pack(">II", 0x801, 2) + b"\x07\x02").hexdigest(),
    },
)
FEW_OBJECTS = dataclasses.replace(N_CALTECH101, counts={None: {"ant": 30, "bass": 3}})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with shorter lists: twelve digits, thirty-three objects."""
    monkeypatch.setattr(published, "SETS", (FEW_DIGITS, FEW_OBJECTS, CIFAR10_DVS))


def recording(path: Path, seed: int, n: int = 3) -> None:
    """A few events unlike those of any other seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(n) * 100 + seed
    zeros = np.zeros(n, np.uint16)
    batch = EventBatch(t, zeros, zeros, zeros.astype(np.uint8), int(t[0]), int(t[-1]) + 1, CIFAR10_DVS.sensor)
    (write_aedat2 if path.suffix == ".aedat" else write_atis)(path, [batch])


def digits(root: Path) -> Path:
    for division, labels in (("Train", LABELS), ("Test", "72")):
        for number, label in enumerate(labels, start=1):
            recording(root / division / label / f"{number:05d}.bin", number + 50 * (division == "Test"))
    return root


def objects(root: Path) -> Path:
    for seed, (name, n) in enumerate(FEW_OBJECTS.counts[None].items()):
        for number in range(1, n + 1):
            recording(root / "Caltech101" / name / f"image_{number:04d}.bin", number + 50 * seed)
    return root


def told(folder: Path, capsys: pytest.CaptureFixture[str], *, read: bool = False) -> tuple[int, str]:
    code = run_data_check(Data("check", folder, read=read))
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()[1:]) <= 80
    return code, " ".join(text.split())


def test_the_published_lists_have_the_published_counts() -> None:
    counts = {one.name: [sum(classes.values()) for classes in one.counts.values()] for one in SETS}
    assert counts == {"N-MNIST": [60_000, 10_000], "N-Caltech101": [8_709], "CIFAR10-DVS": [10_000]}
    assert [len(one.classes) for one in SETS] == [10, 101, 10]
    assert "Faces" not in N_CALTECH101.classes
    assert {"BACKGROUND_Google", "Faces_easy"} < N_CALTECH101.classes


def test_caltech101_is_counted_right(real_data: Path) -> None:
    """Of the genuine pictures ten a class are missing here; no number is above the published count."""
    import zipfile

    names = [name for name in zipfile.ZipFile(real_data / "caltech101_240x180.zip").namelist() if name.endswith(".jpg")]
    for class_name, n in N_CALTECH101.counts[None].items():
        numbers = [int(Path(name).stem.removeprefix("image_")) for name in names if name.startswith(f"{class_name}/")]
        assert len(numbers) == n - 10
        assert set(numbers) <= set(N_CALTECH101.numbers(None, class_name))


def test_the_digits_recorded_from_mnist_are_numbered_as_in_it(real_data: Path) -> None:
    import zipfile

    names = zipfile.ZipFile(real_data / "nmnist_train1000.zip").namelist()
    found = {int(Path(name).stem): Path(name).parent.name for name in names if name.endswith(".bin")}
    assert "".join(found[number] for number in range(1, 11)) == LABELS


@pytest.mark.parametrize("one", [N_CALTECH101, CIFAR10_DVS], ids=lambda one: one.name)
def test_the_published_split_is_that_of_the_published_names(one: PublishedSet) -> None:
    """By the rule anew: the first 8 bytes of the SHA-256 of each name, or the number in CIFAR10-DVS."""
    parts: dict[str, list[str]] = {"train": [], "calibration": [], "test": []}
    for class_name in one.classes:
        for number in one.numbers(None, class_name):
            name = f"{class_name}/{one.file_name(class_name, number)}"
            if one is CIFAR10_DVS:
                fraction, bounds = number / 1000, (0.8, 0.9)
            else:
                fraction, bounds = int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) / 16**16, (0.6, 0.8)
            parts["train" if fraction < bounds[0] else "calibration" if fraction < bounds[1] else "test"].append(name)
    for part, names in parts.items():
        text = "".join(name + "\n" for name in sorted(names))
        assert hashlib.sha256(text.encode()).hexdigest() == one.splits[part]  # type: ignore[index]


@pytest.mark.parametrize(
    "one", [N_CALTECH101, pytest.param(CIFAR10_DVS, marks=pytest.mark.slow)], ids=lambda one: one.name
)
def test_a_complete_copy_is_called_so(one: PublishedSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = b"#!AER-DAT2.0\r\n" if one is CIFAR10_DVS else b"\1\1\0\0\7"
    for name, n in one.counts[None].items():
        (tmp_path / name).mkdir()
        for number in range(one.first, one.first + n):
            (tmp_path / name / one.file_name(name, number)).write_bytes(header)
    code, text = told(tmp_path, capsys)
    n, classes = sum(one.counts[None].values()), len(one.classes)
    assert (code, f"complete: {one.name} as published, {n:,} recordings of {classes} classes" in text) == (0, True)
    assert f"test {len(part_of(list_recordings(tmp_path), 'test')):,} {one.splits['test'][:12]}" in text
    assert "(SHA-256 of the names; the published split)" in text


@pytest.mark.usefixtures("small")
def test_complete_digits_lie_in_the_folders_that_mnist_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = told(digits(tmp_path), capsys, read=True)
    assert (code, "complete: N-MNIST as published, 12 recordings of 8 classes" in text) == (0, True)
    assert "events 36" in text
    one, two = tmp_path / "Train" / "0" / "00002.bin", tmp_path / "Train" / "4" / "00003.bin"
    one.rename(tmp_path / "Train" / "4" / "00002.bin")
    two.rename(tmp_path / "Train" / "0" / "00003.bin")
    code, text = told(tmp_path, capsys)
    assert code == 3
    assert "wrong class: 1 Train: some recordings lie in the folder of another class" in text
    assert "not whole, though all 12 recordings of N-MNIST can be used" in text


@pytest.mark.usefixtures("small")
def test_train_alone_is_no_incomplete_set_where_it_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digits(tmp_path)
    for division, n in (("Train", 10), ("Test", 2)):
        code, text = told(tmp_path / division, capsys)
        assert (code, f"complete: N-MNIST to {division.lower()} as published, {n} recordings" in text) == (0, True)
    for path in (tmp_path / "Test").glob("*/*"):
        path.unlink()
    code, text = told(tmp_path, capsys)
    assert code == 3
    assert "missing folder: 2 Test: all of its 2 recordings" in text


def test_a_thousand_real_digits_are_a_part_of_sixty_thousand(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import zipfile

    zipfile.ZipFile(real_data / "nmnist_train1000.zip").extractall(tmp_path)
    code, text = told(tmp_path / "Train", capsys, read=True)
    assert code == 3
    assert "missing recording: 59,000 Train: 01001.bin to 60000.bin" in text
    assert "recordings 581 203 216 1,000 60,000" in text
    assert "split train 581 32ff2fd78360, calibration 203 9ec9bb5bc7ed, test 216 72c33a93d5b7" in text
    assert "incomplete: 1,000 of the 60,000 recordings of N-MNIST to train can be used" in text
    assert "damaged" not in text
    assert "same content" not in text


@pytest.mark.usefixtures("small")
def test_a_number_in_two_digits_and_too_many_of_one_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = digits(tmp_path) / "Train"
    (train / "9" / "00001.bin").write_bytes((train / "5" / "00001.bin").read_bytes())
    (train / "0" / "00002.bin").rename(train / "5" / "00002.bin")
    (train / "3" / "00008.bin").unlink()
    code, text = told(tmp_path, capsys, read=True)
    assert code == 3
    assert "missing recording: 1 Train: 00008.bin" in text
    assert "there twice: 1 Train: 00001.bin in 5 and 9" in text
    assert "wrong class: 1 Train: 2 recordings in the folder of 5, 1 were published" in text
    assert "same content: 1 Train/9/00001.bin: as Train/5/00001.bin" in text
    assert "incomplete: 11 of the 12 recordings" in text


@pytest.mark.usefixtures("small")
def test_what_is_missing_is_named_in_runs_and_what_is_too_much_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = objects(tmp_path) / "Caltech101"
    for number in (3, 7, 8, 9):
        (root / "ant" / f"image_{number:04d}.bin").unlink()
    recording(root / "ant" / "image_0031.bin", 90)
    recording(root / "ant" / "image_1.bin", 91)
    recording(root / "Faces" / "image_0001.bin", 92)
    (root / "bass" / "ReadMe.txt").touch()
    code, text = told(tmp_path, capsys)
    assert code == 3
    assert "missing recording: 4 ant: image_0003.bin, image_0007.bin to image_0009.bin " in text
    assert "unexpected recording: 2 ant: image_0031.bin, image_1.bin" in text
    assert "unexpected class: 1 Faces: 1 recordings" in text
    assert "notes no recordings, and so not used: bass/ReadMe.txt" in text
    assert "incomplete: 29 of the 33 recordings of N-Caltech101 can be used" in text
    assert "to mend see https://www.garrickorchard.com/datasets/n-caltech101" in text
    for number in range(1, 31, 2):
        (root / "ant" / f"image_{number:04d}.bin").unlink(missing_ok=True)
    assert "image_0025.bin and 2 more" in told(tmp_path, capsys)[1]
    for path in (root / "bass").iterdir():
        path.unlink()
    assert "missing folder: 3 bass: all of its 3 recordings" in told(tmp_path, capsys)[1]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("content", "read", "words", "n_usable"),
    [
        (b"", False, "unreadable: 1 Caltech101/ant/image_0001.bin: the file is empty (0 bytes)", 32),
        (b"\x1f\x8b\x08\x00", False, "unreadable: 1 Caltech101/ant/image_0001.bin: this is a gzip file", 32),
        (b"#!AER-DAT2.0\r\n", False, "other sensor: 1 Caltech101/ant/image_0001.bin: 128x128 pixels; expected", 32),
        (b"\0\xf0\0\0\0", True, "no events: 1 Caltech101/ant/image_0001.bin", 32),
        (b"\1\1\0\0\7\1", True, "image_0001.bin: 1 events lost: the file ends inside a record", 33),
        (b"\1\1\0\0\7\xf1\1\0\0\7", True, "image_0001.bin: 1 events lost: the pixel lies outside the sensor", 33),
    ],
)
def test_every_damage_is_named(
    content: bytes, read: bool, words: str, n_usable: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (objects(tmp_path) / "Caltech101" / "ant" / "image_0001.bin").write_bytes(content)
    code, text = told(tmp_path, capsys, read=read)
    assert (code, words in text) == (3, True)
    assert len(check_set(tmp_path, read=read).usable) == n_usable


@pytest.mark.usefixtures("small")
def test_many_faults_of_a_kind_are_cut_short_for_people_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (objects(tmp_path) / "Caltech101" / "ant").iterdir():
        path.write_bytes(b"")
    code, text = told(tmp_path, capsys)
    assert (code, "unreadable: 30" in text, "and 10 more; --json has them all" in text) == (3, True, True)
    assert run_data_check(Data("check", tmp_path, json=True)) == 3
    assert len(json.loads(capsys.readouterr().out)["faults"]) == 30
    for path in (tmp_path / "Caltech101" / "bass").iterdir():
        path.write_bytes(b"")
    assert told(tmp_path, capsys)[0] == 4


@pytest.mark.usefixtures("small")
def test_the_json_says_what_the_table_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (objects(tmp_path) / "Caltech101" / "bass" / "image_0002.bin").unlink()
    assert run_data_check(Data("check", tmp_path, json=True)) == 3
    found = json.loads(capsys.readouterr().out)
    fault = {"kind": "missing recording", "file": "bass", "message": "image_0002.bin", "n": 1}
    assert (found["set"], found["faults"], found["events"]) == ("N-Caltech101", [fault], None)
    assert (found["recordings_expected"], found["recordings_usable"]) == (33, 32)
    assert found["counts"]["recordings"]["all"] == found["counts"]["recordings"]["published"] - 1 == 32
    assert (found["classes"]["bass"]["all"], found["classes"]["bass"]["published"]) == (2, 3)
    assert {part: split["n"] for part, split in found["splits"].items()} == {
        part: found["counts"]["recordings"][part] for part in ("train", "calibration", "test")
    }
    assert found["published_split"] is False


def test_other_class_folders_are_counted_and_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, name in enumerate(("0", "1")):
        recording(tmp_path / name / "drawn_001.bin", seed)
    assert recognise(list_recordings(tmp_path)) is None
    code, text = told(tmp_path, capsys, read=True)
    assert (code, "sound, not a set that is known here: 2 recordings of 2 classes" in text) == (0, True)
    (tmp_path / "0" / "drawn_002.bin").touch()
    code, text = told(tmp_path, capsys)
    assert (code, "not whole: 2 of 3 recordings can be used" in text) == (3, True)
    assert "to mend" not in text


def test_what_is_assumed_of_many_recordings_is_one_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(3):
        recording(tmp_path / "0" / f"drawn_{n:03d}.bin", n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code, text = told(tmp_path, capsys)
    assert code == 0
    assert text.count("states no sensor") == 1
    assert "3 recordings: an ATIS .bin file" in text
