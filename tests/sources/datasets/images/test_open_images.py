"""Sets of pictures in folders and archives: which parts they have, what of them is read, what is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError, EmptyRecording, MissingLabels, UnknownFormat, UnreadableSource
from spikecut.pipeline.events import SensorSize
from spikecut.sources.datasets.digests import split_digest
from spikecut.sources.datasets.images.cifar import CIFAR10
from spikecut.sources.datasets.images.image_files import bytes_of, colours, files_in, grey
from spikecut.sources.datasets.images.image_sets import PictureSet, fitted
from spikecut.sources.datasets.images.open_images import holds_pictures, one_picture, open_pictures
from spikecut.sources.datasets.parts import Part, fraction_of

from picture_layouts import COLOURS, coloured, encoded, write_cifar, write_folders, write_tiny_imagenet, zipped

THREE = np.array([10, 130, 250], np.uint8).reshape(3, 1, 1)


def names(found: PictureSet) -> dict[str, list[str]]:
    return {part: [one.name for one in found.of(part)] for part in ("train", "calibration", "test")}


def test_what_was_published_to_test_tests_and_a_tenth_of_the_rest_calibrates(tmp_path: Path) -> None:
    found = open_pictures(write_folders(tmp_path / "set", 100, 10))
    parts = names(found)
    assert parts["test"] == [f"{name}/{i:04d}.png" for name in sorted(COLOURS) for i in range(10)]
    assert 15 < len(parts["calibration"]) < 45
    assert all(0.8 <= fraction_of(name) < 0.9 for name in parts["calibration"])
    assert len(parts["train"]) + len(parts["calibration"]) == 300


def test_a_set_that_is_not_divided_is_divided_by_its_names(tmp_path: Path) -> None:
    found = open_pictures(write_folders(tmp_path / "set", 100))
    limits: dict[Part, tuple[float, float]] = {"train": (0.0, 0.8), "calibration": (0.8, 0.9), "test": (0.9, 1.0)}
    for part, (low, high) in limits.items():
        members = found.of(part)
        assert members
        assert all(low <= fraction_of(one.name) < high for one in members)


def test_folders_that_say_all_three_parts_do(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "set", 10, 10)
    shutil.copytree(root / "test", root / "calibration")
    found = open_pictures(root)
    assert {one.entry.split("/")[0]: one.part for one in found.pictures} == {
        part: part for part in ("train", "calibration", "test")
    }
    assert [len(found.of(part)) for part in ("train", "calibration", "test")] == [30, 30, 30]


@pytest.mark.parametrize("name", ["val", "Valid", "validation"])
def test_validation_tests_where_nothing_else_does_and_calibrates_otherwise(name: str, tmp_path: Path) -> None:
    root = write_folders(tmp_path / "set", 30, 10)
    parts = names(open_pictures(root))
    (root / "test").rename(root / name)
    assert names(open_pictures(root)) == parts
    shutil.copytree(root / name, root / "Testing")
    found = open_pictures(root)
    assert {one.entry.split("/")[0]: one.part for one in found.pictures} == {
        "train": "train",
        name: "calibration",
        "Testing": "test",
    }
    assert [len(found.of(part)) for part in ("train", "calibration", "test")] == [90, 30, 30]


def test_a_folder_and_its_archive_are_the_same_set_however_it_is_named_inside(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "set", 30, 10)
    here, there = open_pictures(root), open_pictures(zipped(root, below="deeper/within/"))
    assert names(here) == names(there)
    assert split_digest(here.of("train")) == split_digest(there.of("train"))
    for one, other in zip(here.pictures, there.pictures, strict=True):
        assert one.digest() == other.digest()
        assert np.array_equal(one.pixels(), other.pixels())
        assert one.path.read_bytes() == bytes_of(other.images, other.entry)


def test_red_is_the_first_colour(tmp_path: Path) -> None:
    found = open_pictures(write_folders(tmp_path / "set", 2, 2))
    assert found.classes == ("blue", "green", "red")
    for picture in found.pictures:
        brightest = COLOURS[int(picture.pixels().mean((1, 2)).argmax())]
        assert brightest == picture.class_name == found.classes[picture.label]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_picture_written_without_loss_is_read_as_it_was(width: int, height: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (3, height, width), np.uint8)
    assert np.array_equal(colours(encoded(picture, ".png"), Path("one.png")), picture)


def test_a_grey_picture_is_three_times_the_same() -> None:
    import cv2

    image = np.random.default_rng(0).integers(0, 256, (5, 4), np.uint8)
    raw = cv2.imencode(".png", image)[1].tobytes()
    assert np.array_equal(colours(raw, Path("grey.png")), np.stack([image] * 3))
    assert np.array_equal(grey(raw, Path("grey.png")), image)


def test_jpeg_is_said_to_be_jpeg(tmp_path: Path) -> None:
    assert open_pictures(write_folders(tmp_path / "png", 1)).origin.startswith("pictures in class folders")
    root = write_folders(tmp_path / "jpeg", 2, suffix=".jpg")
    assert open_pictures(root).origin == "JPEG pictures: not the genuine archive"
    (root / "red" / "one.png").write_bytes(encoded(coloured(0, np.random.default_rng(0)), ".png"))
    assert open_pictures(root).origin == "JPEG pictures (6 of 7): not the genuine archive"


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_picture_that_ends_early_is_refused(suffix: str, cut: int) -> None:
    raw = encoded(coloured(0, np.random.default_rng(0)), suffix)
    colours(raw, Path("whole"))
    with pytest.raises(UnreadableSource, match=r"one\.\w+: (a JPEG picture that ends early|not a picture)"):
        colours(raw[:-cut], Path("one").with_suffix(suffix))


def test_what_lies_behind_a_jpeg_and_a_thumbnail_before_it_are_no_matter() -> None:
    raw = encoded(coloured(0, np.random.default_rng(0)), ".jpg")
    thumbnail = b"\xff\xe1" + (len(raw) + 2).to_bytes(2, "big") + raw
    whole = raw[:2] + thumbnail + raw[2:]
    for behind in (b"", bytes(500), raw):
        assert np.array_equal(colours(whole + behind, Path("one.jpg")), colours(raw, Path("one.jpg")))
    with pytest.raises(UnreadableSource, match="a JPEG picture that ends early"):
        colours(whole[:-2], Path("one.jpg"))


def test_a_picture_damaged_in_its_archive_is_refused(tmp_path: Path) -> None:
    path = zipped(write_folders(tmp_path / "set", 1))
    raw = bytearray(path.read_bytes())
    at = raw.index(b"IDAT")  # a PNG's pixels, which zip stores as they are
    raw[at + 20] ^= 255
    path.write_bytes(bytes(raw))
    with pytest.raises(UnreadableSource, match="damaged in its archive"):
        [one.pixels() for one in open_pictures(path).pictures]


@pytest.mark.parametrize(
    ("at", "value", "said"), [(8, 1, "is encrypted"), (10, 9, "compression")], ids=["encrypted", "deflate64"]
)
def test_a_picture_that_python_cannot_unpack_is_refused(at: int, value: int, said: str, tmp_path: Path) -> None:
    path = zipped(write_folders(tmp_path / "set", 1))
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + at] = value  # of the first file, in the list at the archive's end
    path.write_bytes(bytes(raw))
    with pytest.raises(UnreadableSource, match=rf"blue/0000\.png: cannot be unpacked: .*{said}"):
        open_pictures(path).pictures[0].pixels()


def test_files_that_are_not_used_are_counted_by_cause(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "set", 2)
    (root / "red" / "notes.txt").write_text("")
    (root / "red" / ".DS_Store").write_text("")
    (root / "cover.png").write_text("")
    assert open_pictures(root).notes == (
        "1 file hidden, not used",
        "1 file no picture by suffix, not used",
        "1 file outside class folders, not used",
    )


def test_tiny_imagenet_is_read_as_published(tmp_path: Path) -> None:
    found = open_pictures(write_tiny_imagenet(tmp_path, n_train=40))
    assert found.classes == ("goldfish", "salamander", "Egyptian cat")  # in the order of their numbers in WordNet
    assert found.origin == "Tiny-ImageNet, JPEG pictures as published"
    assert found.notes == ("2 pictures in test have no labels: not used",)
    assert [one.name for one in found.of("test")] == [
        f"{wnid}/val_{i}.JPEG" for i, wnid in enumerate(["n01443537", "n01629819", "n02124075"] * 2)
    ]
    assert [one.label for one in found.of("test")] == [0, 1, 2] * 2
    assert all(0.8 <= fraction_of(one.name) < 0.9 for one in found.of("calibration"))
    assert len(found.of("train")) + len(found.of("calibration")) == 120
    for one in found.pictures:
        assert one.pixels().shape == (3, 64, 64)
        assert int(one.pixels().mean((1, 2)).argmax()) == one.label


def test_tiny_imagenet_is_the_same_in_its_archive(tmp_path: Path) -> None:
    root = write_tiny_imagenet(tmp_path)
    here, there = open_pictures(root), open_pictures(zipped(root, below="tiny-imagenet-200/"))
    assert names(here) == names(there)
    assert here.classes == there.classes
    assert [one.digest() for one in here.pictures] == [one.digest() for one in there.pictures]


def test_tiny_imagenet_without_labels_for_val_is_refused(tmp_path: Path) -> None:
    root = write_tiny_imagenet(tmp_path)
    (root / "val" / "val_annotations.txt").unlink()
    with pytest.raises(MissingLabels, match="nothing else says what val shows"):
        open_pictures(root)


def test_words_that_two_classes_share_are_told_whole(tmp_path: Path) -> None:
    root = write_tiny_imagenet(tmp_path)
    words = "n01443537\tcrane, bird\nn01629819\tcrane, machine\nn02124075\tcat\n"
    (root / "words.txt").write_text(words)
    assert open_pictures(root).classes == ("crane, bird", "crane, machine", "cat")
    (root / "words.txt").write_text(words.replace("bird", "machine"))
    assert open_pictures(root).classes == ("n01443537", "n01629819", "cat")
    (root / "words.txt").unlink()
    assert open_pictures(root).classes == ("n01443537", "n01629819", "n02124075")


def test_classes_are_numbered_as_a_network_knows_them(tmp_path: Path) -> None:
    found = open_pictures(write_folders(tmp_path / "set", 1))
    assert found.numbered(["red", "yellow", "green", "blue"]) == (3, 2, 0)
    with pytest.raises(ConfigError, match="class 'blue' is none of the classes red, green"):
        found.numbered(["red", "green"])


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(1, 40))
def test_a_picture_is_fitted_to_any_size_and_one_colour_stays_that_colour(w: int, h: int, to_w: int, to_h: int) -> None:
    picture = np.broadcast_to(THREE, (3, h, w))
    out = fitted(picture, SensorSize(to_w, to_h))
    assert out.shape == (3, to_h, to_w)
    assert (out == THREE).all()


def test_a_picture_keeps_its_shape_and_loses_its_ends() -> None:
    wide = np.zeros((3, 4, 12), np.uint8)
    wide[:, :, 4:8] = 200  # the middle third, which is square
    assert (fitted(wide, SensorSize(2, 2)) == 200).all()
    assert (fitted(wide, SensorSize(4, 4)) == 200).all()
    assert fitted(wide, SensorSize(12, 4)) is wide


def test_a_picture_in_an_archive_is_found_by_its_path(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "set", 2)
    for path in (root / "red" / "0001.png", zipped(root) / "red" / "0001.png"):
        pixels, name = one_picture(path)
        assert name == "red"
        assert np.array_equal(pixels, colours((root / "red" / "0001.png").read_bytes(), path))
    unpacked = write_cifar(tmp_path, CIFAR10, packed=False)
    for root in (write_cifar(tmp_path), unpacked):
        pixels, name = one_picture(root / "test_batch" / "00007")
        assert name == "class 07"
        assert pixels.mean((1, 2)).argmax() == 7 % 3
        with pytest.raises(UnreadableSource, match="no such picture"):
            one_picture(root / "test_batch" / "77777")
    with pytest.raises(UnreadableSource, match="no such picture"):
        one_picture(tmp_path / "nowhere.png")


def test_a_picture_of_unpacked_tiny_imagenet_has_the_class_that_the_set_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_tiny_imagenet(tmp_path)
    trains = Path("train", "n01443537", "images", "n01443537_1.JPEG")
    assert one_picture(root / trains)[1] == "goldfish"
    assert one_picture(root / "val" / "images" / "val_2.JPEG")[1] == "Egyptian cat"
    assert one_picture(root / "test" / "images" / "test_0.JPEG")[1] == "images"  # nobody published what it shows
    monkeypatch.chdir(root / "val")
    assert one_picture(Path("images", "val_2.JPEG"))[1] == "Egyptian cat"
    (root / "val" / "val_annotations.txt").unlink()
    assert one_picture(root / trains)[1] == "images"


def test_what_is_no_set_of_pictures_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="cannot read"):
        open_pictures(tmp_path / "nowhere")
    (tmp_path / "one.bin").write_bytes(b"12345")
    with pytest.raises(UnknownFormat, match=r"one.bin: no set of pictures; expected cifar-10-python.tar.gz"):
        open_pictures(tmp_path / "one.bin")
    with pytest.raises(EmptyRecording, match=r"no pictures in class folders \(1 file no picture by suffix"):
        open_pictures(tmp_path)


def test_a_folder_of_recordings_holds_no_pictures(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "set", 1)
    assert holds_pictures(root)
    assert holds_pictures(zipped(root))
    assert holds_pictures(write_cifar(tmp_path))
    assert not holds_pictures(root / "red" / "0000.png")
    np.savez(tmp_path / "outputs.npz", outputs=np.zeros(3))
    assert not holds_pictures(tmp_path / "outputs.npz")
    (root / "red" / "00001.bin").write_bytes(b"12345")
    assert not holds_pictures(root)
    assert not holds_pictures(tmp_path / "nowhere")


def _zip_of(folder: Path, n_each: int) -> Path:
    return zipped(write_folders(folder, 2 * n_each))


@pytest.mark.parametrize("write", [write_cifar, _zip_of], ids=["tar", "zip"])
def test_an_archive_that_has_changed_is_read_anew(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(tmp_path / "set", n_each=20)
    before = open_pictures(path)
    assert open_pictures(path) is before
    assert len(before.pictures) == 120
    after = open_pictures(write(tmp_path / "set", n_each=30))
    assert after.path == path
    assert len(after.pictures) == 180
    assert after.pictures[-1].pixels().shape == (3, 32, 32)


def test_the_jpeg_copy_of_cifar_10_divides_as_the_docs_say(real_data: Path) -> None:
    path = real_data / "cifar10_jpeg.zip"
    if not path.is_file():
        pytest.skip(f"no pictures of CIFAR-10 at {path} (set SPIKECUT_DATA)")
    found = open_pictures(path)
    assert found.origin == "JPEG pictures: not the genuine archive"
    assert [len(found.of(part)) for part in ("train", "calibration", "test")] == [44_949, 5_051, 10_000]
    assert len(files_in(path)) == 60_000
    frog = one_picture(path / "test" / "frog" / "0000.jpg")
    assert (frog[0].shape, frog[1]) == ((3, 32, 32), "frog")
