"""`spikecut data check` and `info` on pictures: what was published is counted, and what is damaged is named."""

import dataclasses
import hashlib
import json
import pickle
from pathlib import Path

import pytest

from spikecut.sources.datasets.catalog import CIFAR10_DVS
from spikecut.sources.datasets.images import cifar
from spikecut.sources.datasets.images.cifar import CIFAR10, Cifar
from spikecut.tools.checks import image_check as picture_check
from spikecut.tools.checks.data_check import run_data_check
from spikecut.tools.checks.image_check import KNOWN, KnownSet, check_pictures
from spikecut.tools.cli import main
from spikecut.tools.commands.files.data import Data

from picture_layouts import COLOURS, cifar_batches, coloured, encoded, write_cifar, write_folders, write_tiny_imagenet


def as_if_published(monkeypatch: pytest.MonkeyPatch, n_each: int) -> Cifar:
    """CIFAR-10 with `n_each` pictures a file: the MD5 are those of the files that a test makes."""
    digests = {name: hashlib.md5(raw).hexdigest() for name, raw in cifar_batches(CIFAR10, n_each).items()}
    small = dataclasses.replace(
        CIFAR10,
        train=tuple((name, digests[name]) for name, _ in CIFAR10.train),
        test=(CIFAR10.test[0], digests[CIFAR10.test[0]]),
        meta=(CIFAR10.meta[0], digests[CIFAR10.meta[0]]),
    )
    monkeypatch.setattr(cifar, "CIFAR10", small)
    few = KnownSet("CIFAR-10", KNOWN["CIFAR-10"].home, 10, 5 * n_each // 10, n_each // 10)
    monkeypatch.setitem(KNOWN, "CIFAR-10", few)
    return small


def told(path: Path, capsys: pytest.CaptureFixture[str], *, read: bool = False) -> tuple[int, str]:
    code = run_data_check(Data("check", path, read=read))
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()[1:]) <= 80
    return code, " ".join(text.split())


@pytest.mark.parametrize("packed", [True, False])
def test_a_whole_copy_of_cifar_10_is_called_complete(
    packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    as_if_published(monkeypatch, 20)
    code, text = told(write_cifar(tmp_path, n_each=20, packed=packed), capsys, read=True)
    assert code == 0
    assert "origin CIFAR-10, the genuine files" in text
    assert "pictures 90 10 20 120 120" in text
    assert "class 07 9 1 2 12 12" in text
    assert "verdict complete: CIFAR-10 as published, 120 pictures of 10 classes" in text


def test_what_is_missing_or_changed_of_cifar_10_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    as_if_published(monkeypatch, 20)
    folder = write_cifar(tmp_path, n_each=20, packed=False)
    (folder / "data_batch_3").unlink()
    (folder / "test_batch").write_bytes(cifar_batches(CIFAR10, 20, seed=1)["test_batch"])
    code, text = told(folder, capsys)
    assert code == 3
    assert "missing file: 1 data_batch_3" in text
    assert text.count("data_batch_3") == 1
    assert "test_batch: its MD5 is another than that of the published file" in text
    assert "incomplete: 100 of the 120 pictures of CIFAR-10 can be used" in text
    assert f"see {KNOWN['CIFAR-10'].home}" in text


def test_a_file_of_cifar_that_would_run_code_is_unreadable_and_the_others_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    as_if_published(monkeypatch, 20)
    folder = write_cifar(tmp_path, n_each=20, packed=False)
    (folder / "data_batch_2").write_bytes(pickle.dumps({"data": print}))
    code, text = told(folder, capsys)
    assert code == 3
    assert "unreadable: 1 data_batch_2: asks for builtins.print" in text
    assert "missing" not in text
    assert "100 of the 120" in text
    (folder / "batches.meta").write_bytes(b"nothing")
    code, text = told(folder, capsys)
    assert code == 4
    assert "batches.meta: not a pickle of plain data" in text


def test_the_numbers_of_complete_copies_are_those_that_were_published() -> None:
    assert {name: (one.n_classes * one.train, one.n_classes * one.test) for name, one in KNOWN.items()} == {
        "CIFAR-10": (50_000, 10_000),
        "CIFAR-100": (50_000, 10_000),
        "Tiny-ImageNet": (100_000, 10_000),
    }
    assert KNOWN["Tiny-ImageNet"].unlabelled == 10_000


def test_tiny_imagenet_is_counted_class_by_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_tiny_imagenet(tmp_path, n_train=5, n_val=2, n_test=4)
    assert "incomplete: 21 of the 110,000 pictures of Tiny-ImageNet" in told(root, capsys)[1]
    monkeypatch.setitem(
        KNOWN, "Tiny-ImageNet", dataclasses.replace(KNOWN["Tiny-ImageNet"], n_classes=3, train=5, test=2, unlabelled=4)
    )
    code, text = told(root, capsys, read=True)
    assert code == 0
    assert "complete: Tiny-ImageNet as published, 21 pictures of 3 classes" in text
    assert "4 pictures in test have no labels: not used" in text
    (root / "train" / "n01443537" / "images" / "n01443537_3.JPEG").unlink()
    (root / "test" / "images" / "test_1.JPEG").unlink()
    (root / "val" / "images" / "val_1.JPEG").unlink()
    code, text = told(root, capsys)
    assert code == 3
    assert "goldfish: 4 of 5 to train on" in text
    assert "salamander: 1 of 2 to test on" in text
    assert "missing: 1 of 6 pictures in val" in text
    assert "incomplete: 19 of the 21 pictures" in text
    assert "test: 3 of 4 without labels" in text


def test_a_copy_of_cifar_10_in_class_folders_is_not_called_genuine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(KNOWN, "CIFAR-10", KnownSet("CIFAR-10", "home", 3, 4, 2))
    monkeypatch.setattr(
        picture_check,
        "CIFAR10_DVS",
        dataclasses.replace(CIFAR10_DVS, counts={None: dict.fromkeys(COLOURS, 1)}),
    )
    root = write_folders(tmp_path / "set", 4, 2, suffix=".jpg")
    code, text = told(root, capsys)
    assert code == 0
    assert "origin JPEG pictures: not the genuine archive" in text
    assert "verdict sound: 18 pictures of 3 classes, as many as CIFAR-10 has" in text
    (root / "train" / "red" / "0000.jpg").unlink()
    code, text = told(root, capsys)
    assert (code, "red: 3 of 4 to train on" in text) == (3, True)


def test_pictures_that_cannot_be_read_or_lie_in_two_parts_are_found_by_reading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_folders(tmp_path / "set", 4, 2)
    (root / "train" / "red" / "0001.png").write_bytes(b"no picture")
    (root / "test" / "red" / "0007.png").write_bytes((root / "train" / "red" / "0002.png").read_bytes())
    code, text = told(root, capsys)
    assert (code, "sound, not a set that is known here: 19 pictures of 3 classes" in text) == (0, True)
    code, text = told(root, capsys, read=True)
    assert code == 3
    assert "unreadable: 1 train/red/0001.png: not a picture that OpenCV reads (10 bytes)" in text
    assert "1 picture to test on, byte for byte, also to train on" in text
    assert "not whole, not a set that is known here: 18 pictures" in text


def test_the_same_as_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_cifar(tmp_path, n_each=20)
    assert main(["data", "check", str(path), "--json"]) == 3
    facts = json.loads(capsys.readouterr().out)
    assert facts["set"] == "CIFAR-10"
    assert (facts["pictures_expected"], facts["pictures_usable"]) == (60_000, 120)
    assert facts["counts"]["pictures"] == {"train": 90, "calibration": 10, "test": 20, "all": 120, "published": 60_000}
    assert {fault["kind"] for fault in facts["faults"]} == {"not as published"}
    found = check_pictures(path)
    assert facts["splits"]["test"] == dict(zip(("n", "sha256"), found.splits()["test"], strict=True))


def test_a_file_that_is_no_archive_is_told_what_is_expected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.txt").write_text("1 2 3 4")
    assert main(["data", "check", str(tmp_path / "one.txt")]) == 4
    assert "no set of pictures; expected cifar-10-python.tar.gz" in capsys.readouterr().err


def test_info_says_what_a_picture_and_a_set_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    picture = np.broadcast_to(np.array([9, 90, 200], np.uint8).reshape(3, 1, 1), (3, 5, 7))
    (tmp_path / "one.png").write_bytes(encoded(picture, ".png"))
    assert main(["info", str(tmp_path / "one.png")]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "format picture (png) size 7x5 mean red 9, green 90, blue 200" in text
    assert main(["info", str(write_cifar(tmp_path, n_each=20)), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["pictures"] == {"train": 90, "calibration": 10, "test": 20, "all": 120}
    assert facts["classes"] == 10
    (tmp_path / "two.jpg").write_bytes(encoded(coloured(0, np.random.default_rng(0)), ".jpg")[:-5])
    assert main(["info", str(tmp_path / "two.jpg")]) == 4
    assert "a JPEG picture that ends early" in capsys.readouterr().err
