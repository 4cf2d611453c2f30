"""CIFAR's published files: what is read is what was written, and no code in them is ever run."""

import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError, CorruptRecording, UnreadableSource
from spikecut.sources.datasets.images.cifar import CIFAR10, CIFAR100, Cifar, cifar_files
from spikecut.sources.datasets.images.open_images import open_pictures

from picture_layouts import as_python2, cifar_batches, coloured, write_cifar

BOTH = pytest.mark.parametrize("layout", [CIFAR10, CIFAR100], ids=lambda layout: layout.name)


@BOTH
def test_the_archive_and_the_unpacked_folder_hold_the_same_pictures(layout: Cifar, tmp_path: Path) -> None:
    packed = open_pictures(write_cifar(tmp_path / "packed", layout))
    folder = write_cifar(tmp_path / "unpacked", layout, packed=False)
    for unpacked in (open_pictures(folder), open_pictures(folder.parent)):
        assert unpacked.classes == packed.classes
        for one, other in zip(packed.pictures, unpacked.pictures, strict=True):
            assert (one.name, one.label, one.part) == (other.name, other.label, other.part)
            assert np.array_equal(one.pixels(), other.pixels())
            assert one.digest() == other.digest()


@BOTH
def test_pictures_and_labels_come_in_the_order_of_the_files(layout: Cifar, tmp_path: Path) -> None:
    found = open_pictures(write_cifar(tmp_path, layout, n_each=20))
    assert found.classes == tuple(f"class {i:02d}" for i in range(layout.n_classes))
    rng = np.random.default_rng(0)
    for at, picture in enumerate(found.pictures):
        label = at % 20 % layout.n_classes
        assert picture.label == label
        assert picture.class_name == found.classes[label]
        assert np.array_equal(picture.pixels(), coloured(label, rng))
        assert picture.pixels().shape == (3, 32, 32)


def test_the_test_file_tests_and_the_last_tenth_of_the_others_calibrates(tmp_path: Path) -> None:
    found = open_pictures(write_cifar(tmp_path, CIFAR10, n_each=20))
    parts = [picture.part for picture in found.pictures]
    assert parts == ["train"] * 90 + ["calibration"] * 10 + ["test"] * 20
    assert [picture.name for picture in found.of("calibration")] == [f"data_batch_5/{i:05d}" for i in range(10, 20)]
    assert {picture.name.split("/")[0] for picture in found.of("test")} == {"test_batch"}
    assert len(found.of("all")) == 120


class _Runs:
    """Its pickle makes a file when it is read by `pickle.load`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_code_is_refused_and_nothing_is_run(tmp_path: Path) -> None:
    folder, made = write_cifar(tmp_path / "set", packed=False), tmp_path / "made"
    raw = pickle.dumps({b"data": _Runs(made), b"labels": [0]}, protocol=3)
    (folder / "data_batch_2").write_bytes(raw)
    with pytest.raises(CorruptRecording, match=r"data_batch_2: asks for (posix|nt)\.mkdir") as caught:
        open_pictures(folder)
    assert "nothing of it was run" in str(caught.value)
    assert not made.exists()
    pickle.loads(raw)
    assert made.exists()  # so this pickle would have


@pytest.mark.parametrize(
    ("module", "name"), [("builtins", "eval"), ("numpy", "load"), ("numpy", "fromfile"), ("codecs", "decode")]
)
def test_no_other_name_is_ever_looked_up(module: str, name: str, tmp_path: Path) -> None:
    folder = write_cifar(tmp_path, packed=False)
    (folder / "batches.meta").write_bytes(f"c{module}\n{name}\n(S'1'\ntR.".encode())
    with pytest.raises(CorruptRecording, match=f"batches.meta: asks for {module}.{name}"):
        open_pictures(folder)


def test_what_stands_for_arrays_makes_arrays_of_bytes_and_nothing_else(tmp_path: Path) -> None:
    folder = write_cifar(tmp_path, packed=False)
    for data in (np.zeros((1, 3072), np.float64), np.array([[None]])):
        (folder / "data_batch_1").write_bytes(as_python2({b"data": data, b"labels": [0] * len(data)}))
        with pytest.raises(CorruptRecording, match="data_batch_1"):
            open_pictures(folder)


def test_an_array_by_columns_holds_the_same_pictures(tmp_path: Path) -> None:
    folder = write_cifar(tmp_path, packed=False)
    before = open_pictures(folder)
    said = pickle.loads((folder / "data_batch_1").read_bytes(), encoding="bytes")
    by_columns = as_python2({**said, b"data": np.asfortranarray(said[b"data"])})
    assert by_columns != as_python2(said)
    (folder / "data_batch_1").write_bytes(by_columns)
    for one, other in zip(before.pictures, open_pictures(folder).pictures, strict=True):
        assert np.array_equal(one.pixels(), other.pixels())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({b"labels": [0]}, "expected an array of N x 3072 bytes under 'data', found none"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}, "expected 2 numbers from 0 to 9 under 'labels'"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}, "expected 1 numbers from 0 to 9"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [b"0"]}, "expected 1 numbers from 0 to 9"),
        ({b"data": np.zeros((1, 3000), np.uint8), b"labels": [0]}, r"one of shape \(1, 3000\)"),
        ([1, 2], "expected a dictionary, found list"),
    ],
)
def test_a_file_that_says_something_else_is_named(value: Any, said: str, tmp_path: Path) -> None:
    folder = write_cifar(tmp_path, packed=False)
    (folder / "data_batch_1").write_bytes(as_python2(value))
    with pytest.raises(CorruptRecording, match=f"data_batch_1: .*{said}"):
        open_pictures(folder)


def test_a_cut_file_and_a_cut_archive_are_named(tmp_path: Path) -> None:
    folder = write_cifar(tmp_path, packed=False)
    file = folder / "test_batch"
    file.write_bytes(file.read_bytes()[:-3000])
    with pytest.raises(CorruptRecording, match="test_batch: not a pickle of plain data"):
        open_pictures(folder)
    archive = write_cifar(tmp_path)
    archive.write_bytes(archive.read_bytes()[:-100_000])
    with pytest.raises(CorruptRecording, match=r"cifar-10-python.tar.gz: damaged archive"):
        open_pictures(archive)


def test_a_batch_that_is_missing_is_told_and_the_others_are_used(tmp_path: Path) -> None:
    folder = write_cifar(tmp_path, n_each=20, packed=False)
    (folder / "data_batch_4").unlink()
    found = open_pictures(folder)
    assert found.notes == ("missing: data_batch_4",)
    assert len(found.of("train")) == 72
    (folder / "test_batch").unlink()
    assert open_pictures(folder).of("test") == []
    (folder / "batches.meta").unlink()
    with pytest.raises(UnreadableSource, match=r"CIFAR-10 without its file batches\.meta"):
        open_pictures(folder)


def test_only_the_published_files_are_called_genuine(tmp_path: Path) -> None:
    assert "not its published files" in open_pictures(write_cifar(tmp_path)).origin
    files = cifar_files(tmp_path / "cifar-10-python.tar.gz")
    assert files is not None
    assert files.changed == list(files.files)
    assert files.missing == []


def test_two_sets_in_one_folder_are_not_chosen_between(tmp_path: Path) -> None:
    for layout in (CIFAR10, CIFAR100):
        write_cifar(tmp_path, layout, packed=False)
    with pytest.raises(ConfigError, match="holds CIFAR-10 and CIFAR-100; give one of the two"):
        open_pictures(tmp_path)


def test_an_archive_of_something_else_is_no_set(tmp_path: Path) -> None:
    (tmp_path / "test").write_bytes(b"no pickle")
    with tarfile.open(tmp_path / "some.tar", "w") as archive:
        archive.add(tmp_path / "test", "somewhere/test")
    assert cifar_files(tmp_path / "some.tar") is None
    assert cifar_files(tmp_path) is None


def test_the_files_of_a_test_are_what_python_2_wrote() -> None:
    raw = cifar_batches(CIFAR10, 2)["data_batch_1"]
    assert b"cnumpy.core.multiarray\n_reconstruct" in raw
    assert b"_codecs" not in raw
    told = pickle.loads(raw, encoding="bytes")
    assert told[b"labels"] == [0, 1]
    assert told[b"data"].shape == (2, 3072)
