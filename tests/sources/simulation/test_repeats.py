"""Truths about counterparts with as many recordings as the set: which pictures are shown again, and in which part."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError
from spikecut.sources.datasets.catalog import CIFAR10_DVS, N_CALTECH101, N_MNIST, PublishedSet
from spikecut.sources.datasets.class_folders import list_recordings, open_set
from spikecut.sources.datasets.digests import split_digest
from spikecut.sources.datasets.parts import DIVISIONS, part_of_recording
from spikecut.sources.simulation import simulated_datasets
from spikecut.sources.simulation.repeats import REPEATED, repeats_of
from spikecut.sources.simulation.simulated_datasets import COUNTERPARTS, Picture, pictures_of
from spikecut.tools.batch import simulate
from spikecut.tools.cli import main

COUNTS = N_CALTECH101.counts[None]
FEW = replace(N_CALTECH101, counts={None: {name: COUNTS[name] for name in ("Faces_easy", "ant", "inline_skate")}})
FOUR = sorted(CIFAR10_DVS.classes)[:4]


def pictures_for(numbers: dict[str, Sequence[int]]) -> list[Picture]:
    return [
        Picture(Path("images"), f"{name}/{n}.png", PurePosixPath(name, N_CALTECH101.file_name(name, n)))
        for name, group in numbers.items()
        for n in group
    ]


def without(dropped: int, published: PublishedSet, rng: np.random.Generator) -> list[Picture]:
    """All pictures of a set but some of every class, drawn at random; one of each class and part stays."""
    numbers: dict[str, Sequence[int]] = {}
    for name, count in published.counts[None].items():
        parts = {part_of_recording(f"{name}/image_{n:04d}.bin"): n for n in range(1, count + 1)}
        others = [n for n in range(1, count + 1) if n not in parts.values()]
        numbers[name] = [*parts.values(), *rng.choice(others, len(others) - dropped, replace=False)]
    return pictures_for(numbers)


def test_the_set_has_8709_recordings_of_101_classes() -> None:
    """The numbers of Caltech-101 without `Faces`, BACKGROUND_Google without the file that is no picture."""
    assert (sum(COUNTS.values()), len(COUNTS)) == (8_709, 101)
    some = {"accordion": 55, "airplanes": 800, "Motorbikes": 798, "Faces_easy": 435, "inline_skate": 31, "watch": 239}
    assert some.items() <= COUNTS.items()


@settings(max_examples=30)
@given(st.integers(0, 12), st.integers(0, 99))
def test_a_repeated_picture_is_in_one_part_whatever_is_missing(dropped: int, seed: int) -> None:
    pictures = without(dropped, FEW, np.random.default_rng(seed))
    repeated = repeats_of(pictures, FEW, Path("images"))
    assert len(repeated) == 3 * dropped
    for repeat, original in repeated.items():
        assert original in pictures
        assert repeat.entry == original.entry
        assert repeat.recording.parent == original.recording.parent
        assert part_of_recording(str(repeat.recording)) == part_of_recording(str(original.recording))


def test_with_repeats_there_are_the_names_of_the_whole_set_each_once() -> None:
    pictures = without(10, N_CALTECH101, np.random.default_rng(3))
    names = [str(p.recording) for p in (*pictures, *repeats_of(pictures, N_CALTECH101, Path("images")))]
    whole = {f"{k}/{N_CALTECH101.file_name(k, n)}" for k, count in COUNTS.items() for n in range(1, count + 1)}
    assert len(names) == 8_709
    assert set(names) == whole


def test_pictures_of_a_class_and_part_take_turns() -> None:
    """Of `ant` three pictures train, and none of the three is repeated twice oftener than another."""
    kept = [n for n in range(1, 43) if part_of_recording(f"ant/image_{n:04d}.bin") != "train"]
    train = [n for n in range(1, 43) if n not in kept]
    whole = pictures_for({k: range(1, n + 1) for k, n in COUNTS.items() if k != "ant"})
    pictures = whole + pictures_for({"ant": [*kept, *train[:3]]})
    times = Counter(repeats_of(pictures, N_CALTECH101, Path("images")).values())
    assert len(times) == 3
    assert sum(times.values()) == len(train) - 3
    assert max(times.values()) - min(times.values()) <= 1


@pytest.mark.parametrize(
    ("numbers", "problem"),
    [
        ({"ant": [1]}, "BACKGROUND_Google"),
        ({k: range(1, n + 1) for k, n in COUNTS.items() if k != "ant"}, "no picture of ant"),
    ],
)
def test_a_class_or_part_without_pictures_is_refused(numbers: dict[str, Sequence[int]], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        repeats_of(pictures_for(numbers), N_CALTECH101, Path("images"))


def test_a_set_that_is_divided_by_folders_is_not_completed() -> None:
    with pytest.raises(ConfigError, match="N-MNIST are not completed"):
        repeats_of([], N_MNIST, Path("images"))


def missing_of(name: str) -> int:
    """One of the first twenty numbers of a class that train."""
    return [n for n in range(1, 21) if part_of_recording(f"{name}/image_{n:04d}.bin") == "train"][1]


def put(folder: Path) -> Path:
    """Small pictures, each number with pixels of its own: nineteen of each of four classes."""
    import cv2

    for name in FOUR:
        (folder / name).mkdir(parents=True)
        for n in range(1, 21):
            pixels = np.random.default_rng(n).integers(0, 255, (8, 8), dtype=np.uint8)
            if n != missing_of(name):
                assert cv2.imwrite(str(folder / name / f"image_{n:04d}.png"), pixels)
    return folder


def made(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.bin")}


@pytest.fixture
def tiny_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four classes of twenty recordings stand for N-Caltech101; there are nineteen pictures of each."""
    tiny = replace(N_CALTECH101, counts={None: dict.fromkeys(FOUR, 20)})
    monkeypatch.setattr(simulate, "imitated", lambda origin: tiny)
    show = replace(COUNTERPARTS["ncaltech101"].show, corners=((2.2, 4.2),), image_us=10_000)
    monkeypatch.setitem(simulated_datasets.COUNTERPARTS, "ncaltech101", replace(COUNTERPARTS["ncaltech101"], show=show))
    return put(tmp_path / "images")


def test_existing_names_keep_their_bytes_and_repeats_have_bytes_of_their_own(
    tiny_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simulate", "ncaltech101", str(tmp_path / "plain"), "--images", str(tiny_set)]
    assert main(words) == 0
    assert not (tmp_path / "plain" / "Caltech101" / REPEATED).exists()
    words[2] = str(tmp_path / "whole")
    assert main([*words, "--complete"]) == 0
    assert "4 of them show a picture again, with other noise; .repeated says which" in capsys.readouterr().err
    plain, whole = made(tmp_path / "plain"), made(tmp_path / "whole")
    assert (len(plain), len(whole)) == (76, 80)
    assert plain.items() <= whole.items()
    lines = (tmp_path / "whole" / "Caltech101" / REPEATED).read_text().splitlines()
    pairs = dict(line.split("\t") for line in lines)
    assert {f"Caltech101/{name}" for name in pairs} == whole.keys() - plain.keys()
    for repeat, original in pairs.items():
        assert whole[f"Caltech101/{repeat}"] != whole[f"Caltech101/{original}"]
    parts = {r.name: part_of_recording(r.name) for r in list_recordings(tmp_path / "whole")}
    assert all(parts[repeat] == parts[original] for repeat, original in pairs.items())
    origin = open_set(tmp_path / "whole").origin
    assert origin.endswith(", 4 recordings repeat one of them: simulated, made from pictures")
    assert "repeat" not in open_set(tmp_path / "plain").origin


def test_a_completed_set_goes_on_and_is_not_mixed_with_a_plain_one(
    tiny_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simulate", "ncaltech101", str(tmp_path / "set"), "--images", str(tiny_set), "--complete"]
    assert main(words) == 0
    whole = made(tmp_path / "set")
    (tmp_path / "set" / "Caltech101" / FOUR[0] / f"image_{missing_of(FOUR[0]):04d}.bin").unlink()
    assert main(words) == 0
    assert made(tmp_path / "set") == whole
    capsys.readouterr()
    assert main(words[:-1]) == 2
    assert "4 recordings repeat one of them" in capsys.readouterr().err
    assert main([*words[:-1], "--overwrite"]) == 0
    assert not (tmp_path / "set" / "Caltech101" / REPEATED).exists()
    assert len(made(tmp_path / "set")) == 76


def test_complete_and_count_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", "ncaltech101", str(tmp_path), "--images", "x.zip", "--complete", "--count", "3"]
    assert main(words) == 2
    assert "leave one of them out" in capsys.readouterr().err


def test_the_pictures_that_we_have_make_the_genuine_parts(real_data: Path) -> None:
    images = real_data / "caltech101_240x180.zip"
    pictures = pictures_of(images, COUNTERPARTS["ncaltech101"]).used
    repeated = repeats_of(pictures, N_CALTECH101, images)
    assert len(pictures) + len(repeated) == 8_709
    recordings = [Named(str(p.recording)) for p in (*pictures, *repeated)]
    for part in DIVISIONS:
        members = [r for r in recordings if part_of_recording(r.name) == part]
        assert split_digest(members) == N_CALTECH101.splits[part]


class Named:
    def __init__(self, name: str) -> None:
        self.name = name
