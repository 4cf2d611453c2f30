"""Counterparts of published sets: what the real recordings measure, the simulated ones must measure too."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut import CountBinner, load_network, record_outputs
from spikecut.pipeline.errors import ConfigError, EmptyRecording, UnreadableSource
from spikecut.pipeline.events import EventBatch
from spikecut.sources import open_recording
from spikecut.sources.datasets.class_folders import list_recordings
from spikecut.sources.simulation.drawn_digits import DrawnDigit, written
from spikecut.sources.simulation.saccades import CIFAR10_DVS, NCALTECH101, NMNIST, Show, shown
from spikecut.sources.simulation.simulated_datasets import COUNTERPARTS, digest_of, pictures_of
from spikecut.tools.cli import main

_SHOWS = {"nmnist": NMNIST, "ncaltech101": NCALTECH101, "cifar10dvs": CIFAR10_DVS}
_LEGS = np.array([0, 105_000, 210_000, 315_000])


def _measure(batches: list[EventBatch]) -> np.ndarray:
    """Events, those of each 105 ms, the share of ON (5); those of each 15 ms (21); how far the middle of ON lies from
    that of OFF, x and y in pixels, in each 105 ms (6)."""
    t, x, y, p = (np.concatenate([getattr(batch, column) for batch in batches]) for column in "txyp")
    apart = []
    for start, end in pairwise(_LEGS):
        on, off = (np.array([x, y])[:, (t >= start) & (t < end) & (p == side)] for side in (1, 0))
        apart += list(on.mean(1) - off.mean(1)) if on.size and off.size else [0.0, 0.0]
    rate = np.histogram(t, np.arange(0, 315_001, 15_000))[0]
    return np.array([len(t), *np.histogram(t, _LEGS)[0], 100 * p.mean(), *rate, *apart])


def _drawn(show: Show, n: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.asarray(np.mean([_measure(list(shown(written(i % 10, rng), show, rng))) for i in range(n)], 0))


def _rate_off(made: np.ndarray, real: np.ndarray) -> float:
    """How much of the events comes at another time: the sum over 15 ms of how far their shares are apart."""
    shares = [measured[5:26] / measured[5:26].sum() for measured in (made, real)]
    return float(np.abs(shares[0] - shares[1]).sum())


def _way_off(made: np.ndarray, real: np.ndarray) -> float:
    """How far ON lies from where it should beside OFF, in pixels, at most."""
    return float(np.abs(made[26:] - real[26:]).max())


@pytest.fixture(scope="module")
def real_digits(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The mean of 1,000 real recordings."""
    folder = tmp_path_factory.mktemp("nmnist")
    with zipfile.ZipFile(real_data / "nmnist_train1000.zip") as packed:
        packed.extractall(folder)
    recordings = list_recordings(folder / "Train")
    real = [_measure(list(open_recording(r.path, sensor=NMNIST.sensor))) for r in recordings]
    return np.asarray(np.mean(real, 0))


@pytest.mark.slow
def test_the_counterpart_of_nmnist_measures_what_the_real_recordings_do(real_digits: np.ndarray) -> None:
    """Events in all, in each third, and the share of ON within 15 %; when they come; on which side ON lies of OFF."""
    made = _drawn(NMNIST, 300)
    assert np.abs(made[:5] / real_digits[:5] - 1).max() < 0.15
    assert _rate_off(made, real_digits) < 0.25
    assert _way_off(made, real_digits) < 1.2
    clear = np.abs(real_digits[26:]) > 0.5
    assert clear.sum() == 5
    assert (np.sign(made[26:]) == np.sign(real_digits[26:]))[clear].all()


@pytest.mark.parametrize(
    ("wrong", "measure", "least"),
    [
        (replace(NMNIST, jerks=False), _rate_off, 0.45),
        (replace(NMNIST, corners=tuple((-x, -y) for x, y in NMNIST.corners)), _way_off, 5.0),
        (replace(NMNIST, negative=False), _way_off, 5.0),
    ],
    ids=["even speed", "reversed motion", "bright for dark"],
)
def test_a_wrong_camera_would_be_noticed(
    wrong: Show, measure: Callable[[np.ndarray, np.ndarray], float], least: float, real_digits: np.ndarray
) -> None:
    assert measure(_drawn(wrong, 30), real_digits) > least


def test_a_network_that_saw_only_real_recordings_reads_the_simulated_ones() -> None:
    network, card = load_network("nmnist")
    binner = CountBinner(card.sensor, card.spec.step_us)
    streams = [binner.bins(DrawnDigit(n % 10, seed=1_000 + n)) for n in range(60)]
    outputs = record_outputs(streams, 60, network, horizon=30)
    right = outputs.sum(1).argmax(1) == np.arange(60) % 10
    assert right.mean() >= 0.9


@pytest.mark.parametrize(
    ("name", "published", "end_us", "n"),
    [
        ("ncaltech101", 115_297, 300_140, 40),
        pytest.param("ncaltech101", 115_297, 300_140, 150, marks=pytest.mark.slow),
        pytest.param("cifar10dvs", 205_071, 1_298_400, 150, marks=pytest.mark.slow),
    ],
)
def test_counterparts_have_the_published_number_of_events_and_length(
    real_data: Path, name: str, published: int, end_us: int, n: int
) -> None:
    """Means over the whole genuine sets, as jackd/stsc published them; here over `n` pictures."""
    images = real_data / {"ncaltech101": "caltech101_240x180.zip", "cifar10dvs": "cifar10_jpeg.zip"}[name]
    pictures = pictures_of(images, COUNTERPARTS[name]).used
    picks = np.random.default_rng(0).choice(len(pictures), n, replace=False)
    counts = []
    for pick in picks:
        batches = list(shown(pictures[pick].pixels(), _SHOWS[name], np.random.default_rng(pick)))
        counts.append(sum(map(len, batches)))
    assert np.mean(counts) == pytest.approx(published, rel=0.15)
    assert batches[-1].end_us == pytest.approx(end_us, rel=0.01)


def test_a_grey_wall_shows_nothing_but_noise() -> None:
    for show in _SHOWS.values():
        side = show.sensor.height // show.enlarged
        batches = list(shown(np.full((side, side), 90, np.uint8), show, np.random.default_rng(0)))
        seconds, pixels = show.end_us * 1e-6, side**2 * show.enlarged**2
        inside = sum(int(((b.x < side * show.enlarged) & (b.x > 0)).sum()) for b in batches)
        assert inside < 2 * show.camera.shot_noise_hz * seconds * pixels


@pytest.mark.parametrize("show", _SHOWS.values(), ids=_SHOWS)
def test_the_picture_moves_without_a_jump_from_the_middle_to_the_last_corner(show: Show) -> None:
    path = np.array([show.offset(t) for t in range(0, show.end_us + 1, 100)])
    assert tuple(path[0]) == (0.0, 0.0)
    assert path[-1] == pytest.approx(show.corners[-1], abs=1e-9)
    assert np.abs(np.diff(path, axis=0)).max() < 0.03
    assert np.abs(path).max() < 8
    for n, corner in enumerate(show.corners, start=1):
        assert show.offset(show.rest_us + n * show.leg_us) == pytest.approx(corner, abs=1e-9)


@given(st.integers(0, 4), st.integers(0, 4))
def test_a_picture_that_lies_elsewhere_gives_the_same_events_there(dx: int, dy: int) -> None:
    """Without noise and mismatch: the camera has no favourite pixel."""
    quiet = replace(NMNIST, camera=replace(NMNIST.camera, mismatch=0.0, shot_noise_hz=0.0), image_us=10_000)
    picture = np.zeros((28, 28), np.uint8)
    picture[8:14, 6:16] = 200

    def events(moved: np.ndarray) -> set[tuple[int, ...]]:
        batches = shown(moved, quiet, np.random.default_rng(0))
        return {
            (int(t), int(x), int(y), int(p)) for b in batches for t, x, y, p in zip(b.t, b.x, b.y, b.p, strict=True)
        }

    elsewhere = events(np.roll(picture, (dy, dx), (0, 1)))
    assert elsewhere == {(t, x + dx, y + dy, p) for t, x, y, p in events(picture)}


def _write_pictures(folder: Path, n: int = 2, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    import cv2

    for label in classes:
        (folder / label).mkdir(parents=True)
        for i in range(1, n + 1):
            pixels = np.random.default_rng(i).integers(0, 255, (32, 32), dtype=np.uint8)
            assert cv2.imwrite(str(folder / label / f"image_{i:04d}.png"), pixels)
    return folder


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("ncaltech101", ["Caltech101/cat/image_0001.bin", "Caltech101/dog/image_0002.bin"]),
        ("cifar10dvs", ["CIFAR10DVS/cat/cifar10_cat_0.aedat", "CIFAR10DVS/dog/cifar10_dog_1.aedat"]),
    ],
)
def test_recordings_are_written_in_the_genuine_layout_and_again_alike(
    tmp_path: Path, what: str, names: list[str]
) -> None:
    images = _write_pictures(tmp_path / "images")
    assert main(["simulate", what, str(tmp_path / "a"), "--images", str(images)]) == 0
    assert main(["simulate", what, str(tmp_path / "b"), "--images", str(images), "--jobs", "2"]) == 0
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*") if path.name != ".drawn")
    assert len(files) == 4
    assert set(map(Path, names)) <= set(files)
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
        batches = list(open_recording(tmp_path / "a" / file, sensor=_SHOWS[what].sensor))
        assert sum(map(len, batches)) > 1_000
        assert sum(batch.lost.total for batch in batches) == 0


def test_a_counterpart_is_checked_as_one_and_not_as_the_published_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = _write_pictures(tmp_path / "images", classes=("accordion", "ant"))
    folder = tmp_path / "made"
    assert main(["simulate", "ncaltech101", str(folder), "--images", str(images), "--seed", "3"]) == 0
    capsys.readouterr()
    assert main(["data", "check", str(folder), "--read"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "origin simulated, not recorded (counterpart of N-Caltech101, seed 3, pictures " in told
    assert "verdict sound: 4 simulated recordings of 2 classes; N-Caltech101 has 8,709" in told
    assert "missing" not in told
    assert main(["data", "check", str(folder / "Caltech101"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    digest = digest_of(pictures_of(images, COUNTERPARTS["ncaltech101"]).used)
    assert (found["set"], found["drawn"]) == ("N-Caltech101", f"counterpart of N-Caltech101, seed 3, pictures {digest}")
    assert (found["recordings_expected"], found["recordings_usable"], found["published_split"]) == (4, 4, False)
    assert found["counts"]["recordings"]["published"] == 8_709
    assert (found["classes"]["ant"]["all"], found["classes"]["ant"]["published"]) == (2, 42)
    (folder / "Caltech101" / "ant" / "image_0001.bin").write_bytes(b"")
    assert main(["data", "check", str(folder)]) == 3
    told = " ".join(capsys.readouterr().out.split())
    assert "unreadable: 1 Caltech101/ant/image_0001.bin: the file is empty" in told
    assert "not whole: 3 of 4 simulated recordings can be used to mend remove what is damaged" in told


@pytest.mark.parametrize(
    ("what", "below", "title", "published"),
    [("nmnist", "Train", "N-MNIST", "60,000"), ("cifar10dvs", "CIFAR10DVS", "CIFAR10-DVS", "10,000")],
)
def test_a_counterpart_of_other_classes_is_known_by_who_made_it(
    what: str, below: str, title: str, published: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = _write_pictures(tmp_path / "images", 1)
    assert main(["simulate", what, str(tmp_path / "made"), "--images", str(images)]) == 0
    capsys.readouterr()
    assert main(["data", "check", str(tmp_path / "made" / below)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"origin simulated, not recorded (counterpart of {title}, seed 0, pictures " in told
    assert f"sound: 2 simulated recordings of 2 classes; {title} has {published}" in told


def _put(folder: Path, *names: str) -> Path:
    """One small picture under all these names."""
    import cv2

    for n, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(n).integers(0, 255, (28, 28), dtype=np.uint8)
        (folder / name).write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return folder


@pytest.mark.parametrize(
    ("names", "recordings"),
    [
        (
            ["train/5/1.png", "train/0/2.png", "TEST/7/00001.png", "TEST/7/00003.png"],
            ["Train/5/00001.bin", "Train/0/00002.bin", "Test/7/00001.bin", "Test/7/00003.bin"],
        ),
        (["mnist/Training/5/60000.png", "mnist/testing/5/17.png"], ["Train/5/60000.bin", "Test/5/00017.bin"]),
        (
            ["train/0/1.png", "train/1/1.png", "test/1/9.png"],
            ["Train/0/00001.bin", "Train/1/00002.bin", "Test/1/00009.bin"],
        ),
        (["0/a.png", "0/b.png", "1/7.png"], ["Train/0/00001.bin", "Train/0/00002.bin", "Train/1/00003.bin"]),
    ],
    ids=["own numbers", "other names", "numbers that begin anew", "no division"],
)
def test_digits_are_divided_as_their_pictures_and_numbered_through_all_classes(
    names: list[str], recordings: list[str], tmp_path: Path
) -> None:
    found = pictures_of(_put(tmp_path, *names), COUNTERPARTS["nmnist"])
    assert {picture.entry: str(picture.recording) for picture in found.used} == dict(
        zip(names, recordings, strict=True)
    )


def test_a_number_does_not_depend_on_how_many_digits_are_made(tmp_path: Path) -> None:
    images = _put(tmp_path, "0/a.png", "0/b.png", "1/c.png", "1/d.png")
    few = pictures_of(images, replace(COUNTERPARTS["nmnist"], most=1)).used
    assert [str(picture.recording) for picture in few] == ["Train/0/00001.bin", "Train/1/00003.bin"]


def test_what_trains_and_what_tests_lie_apart_and_both_are_known_as_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = _put(tmp_path / "images", "train/0/1.png", "train/1/2.png", "test/0/1.png", "test/1/2.png")
    assert main(["simulate", "nmnist", str(tmp_path / "made"), "--images", str(images)]) == 0
    assert "4 simulated recordings of 2 classes" in capsys.readouterr().out
    divisions = [recording.division for recording in list_recordings(tmp_path / "made")]
    assert divisions == ["train", "train", "test", "test"]
    assert main(["data", "check", str(tmp_path / "made")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "sound: 4 simulated recordings of 2 classes" in told
    assert "nothing says" not in told


def test_every_file_is_used_or_counted_with_its_cause(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = _put(
        tmp_path / "images",
        *("ant/image_0001.png", "ant/image_0002.png", "ant/._image_0001.png", "__MACOSX/ant/image_0003.png"),
        *("ant/.thumbs/image_0004.png", "ant/notes.txt", "image_0001.png", "Faces/image_0001.png"),
    )
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in images.rglob("*.*"):
            if path.is_file():
                archive.write(path, path.relative_to(images))
    for source in (images, tmp_path / "images.zip"):
        command = ["simulate", "ncaltech101", str(tmp_path / "made"), "--images", str(source), "--count", "1"]
        assert main(command) == 0
        causes = "1 beyond 1 a class, 3 hidden, 1 in Faces, 1 no picture by suffix, 1 outside class folders"
        assert f"8 files read = 1 used + 7 dropped ({causes})" in capsys.readouterr().err


def test_what_was_laid_beside_a_counterpart_is_not_taken_for_simulated_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = _write_pictures(tmp_path / "images", 1, ("0", "1"))
    assert main(["simulate", "nmnist", str(tmp_path / "made"), "--images", str(images)]) == 0
    real = tmp_path / "made" / "Test" / "0" / "00001.bin"
    real.parent.mkdir(parents=True)
    real.write_bytes((tmp_path / "made" / "Train" / "0" / "00001.bin").read_bytes())
    capsys.readouterr()
    assert main(["data", "check", str(tmp_path / "made")]) == 0
    assert "nothing says that the recordings in Test were simulated, too" in capsys.readouterr().out


def test_an_archive_is_as_good_as_a_folder_and_the_class_faces_is_left_out(tmp_path: Path) -> None:
    images = _write_pictures(tmp_path / "images", 1, ("Faces", "Faces_easy"))
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in images.rglob("*.png"):
            archive.write(path, path.relative_to(images))
    (packed,) = pictures_of(tmp_path / "images.zip", COUNTERPARTS["ncaltech101"]).used
    (loose,) = pictures_of(images, COUNTERPARTS["ncaltech101"]).used
    assert packed.recording == loose.recording
    assert packed.recording.parent.name == "Faces_easy"
    assert (packed.pixels() == loose.pixels()).all()


def test_what_cannot_be_shown_is_named(tmp_path: Path) -> None:
    kind = COUNTERPARTS["ncaltech101"]
    with pytest.raises(UnreadableSource, match="none"):
        pictures_of(tmp_path / "none", kind)
    (tmp_path / "cat").mkdir()
    with pytest.raises(EmptyRecording, match="no pictures"):
        pictures_of(tmp_path, kind)
    (tmp_path / "cat" / "image_0001.jpg").write_bytes(b"no picture")
    with pytest.raises(UnreadableSource, match=r"image_0001\.jpg"):
        pictures_of(tmp_path, kind).used[0].pixels()
    (tmp_path / "cat" / "front.jpg").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"front\.jpg has no number"):
        pictures_of(tmp_path, kind)


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        ("image_0001.bin", [], "image_0001.bin"),
        ("image_0099.bin", ["--overwrite"], "nothing says that it was simulated"),
    ],
)
def test_other_recordings_are_not_mixed_with_simulated_ones_nor_overwritten(
    name: str, flags: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = _write_pictures(tmp_path / "images", 1)
    real = tmp_path / "set" / "Caltech101" / "cat" / name
    real.parent.mkdir(parents=True)
    real.write_bytes(b"real")
    command = ["simulate", "ncaltech101", str(tmp_path / "set"), "--images", str(images), *flags]
    assert main(command) == 2
    assert said in capsys.readouterr().err
    assert real.read_bytes() == b"real"


def _made(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.bin")}


@pytest.mark.parametrize("change", ["another picture", "one more", "one less", "another seed", "a stranger"])
def test_recordings_of_other_pictures_are_refused_or_replaced_but_never_mixed(
    change: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--overwrite` leaves what a fresh folder would hold, and nothing else."""
    images, folder = _put(tmp_path / "images", "cat/1.png", "cat/2.png"), tmp_path / "made"
    command = ["simulate", "ncaltech101", str(folder), "--images", str(images)]
    assert main(command) == 0
    before = _made(folder)
    match change:
        case "another picture":
            (images / "cat" / "2.png").write_bytes((images / "cat" / "1.png").read_bytes())
        case "one more":
            (images / "cat" / "3.png").write_bytes((images / "cat" / "1.png").read_bytes())
        case "one less":
            (images / "cat" / "2.png").unlink()
        case "another seed":
            command += ["--seed", "1"]
        case _:
            (folder / "Caltech101" / "cat" / "image_0009.bin").write_bytes(b"stranger")
            before = _made(folder)
    assert main(command) == 2
    assert "counterpart of N-Caltech101, seed" in capsys.readouterr().err
    assert _made(folder) == before
    assert main([*command, "--overwrite"]) == 0
    fresh = [str(tmp_path / "fresh") if part == str(folder) else part for part in command]
    assert main(fresh) == 0
    assert _made(folder) == _made(tmp_path / "fresh")
    marker = Path("Caltech101", ".drawn")
    assert (folder / marker).read_text() == (tmp_path / "fresh" / marker).read_text()


def test_an_interrupted_counterpart_is_finished_even_from_an_archive_of_the_same_pictures(tmp_path: Path) -> None:
    images, folder = _put(tmp_path / "images", "cat/1.png", "cat/2.png"), tmp_path / "made"
    assert main(["simulate", "ncaltech101", str(folder), "--images", str(images)]) == 0
    whole = _made(folder)
    (folder / "Caltech101" / "cat" / "image_0002.bin").unlink()
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in images.rglob("*.png"):
            archive.write(path, Path("101_ObjectCategories", path.relative_to(images)))
    assert main(["simulate", "ncaltech101", str(folder), "--images", str(tmp_path / "images.zip")]) == 0
    assert _made(folder) == whole


@pytest.mark.parametrize(
    ("width", "height", "fits"), [(300, 200, (240, 160)), (200, 400, (90, 180)), (2, 2_000, (1, 180))]
)
def test_a_picture_of_caltech_larger_than_the_sensor_is_shrunk_as_a_whole(
    width: int, height: int, fits: tuple[int, int]
) -> None:
    """Its far corner is seen, and what lies at the corner of the events is where the shrunk picture ends."""
    noisy = replace(NCALTECH101, camera=replace(NCALTECH101.camera, shot_noise_hz=500.0))
    batches = list(shown(np.full((height, width), 128, np.uint8), noisy, np.random.default_rng(0)))
    x, y = (np.concatenate([getattr(batch, column) for batch in batches]) for column in "xy")
    assert (int(x.max()) + 1, int(y.max()) + 1) == fits


def test_a_shrunk_picture_gives_the_events_of_the_small_one() -> None:
    """Squares of 2 x 2 equal pixels are one pixel each at half the size."""
    small = np.random.default_rng(0).integers(0, 255, (180, 240), dtype=np.uint8)
    large = small.repeat(2, 0).repeat(2, 1)
    first, second = (
        [
            event
            for b in islice(shown(picture, NCALTECH101, np.random.default_rng(1)), 20)
            for event in zip(b.t, b.x, b.y, strict=True)
        ]
        for picture in (small, large)
    )
    assert len(first) > 1_000
    assert first == second


def test_a_picture_too_large_for_its_set_is_named_and_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import cv2

    images = _put(tmp_path / "images", "cat/1.png")
    assert cv2.imwrite(str(images / "cat" / "2.png"), np.zeros((40, 30), np.uint8))
    for jobs in ("1", "2"):
        command = ["simulate", "nmnist", str(tmp_path / jobs), "--images", str(images), "--jobs", jobs]
        assert main(command) == 2
        told = capsys.readouterr().err.replace("\n", "")
        assert f"{images / 'cat' / '2.png'}: a picture of 30x40 pixels for a sensor of 34x34" in told
        assert not list((tmp_path / jobs).rglob("*.partial"))


def test_gestures_are_not_made_from_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "gestures", str(tmp_path), "--images", "x.zip"]) == 2
    assert "drawn, not made from pictures" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
