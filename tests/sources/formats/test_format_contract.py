"""What every row of `FORMATS` must do; a new row is tried with no further word."""

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from spikecut.pipeline.errors import SourceError, UnknownFormat
from spikecut.pipeline.events import EventBatch
from spikecut.sources import open_recording
from spikecut.sources.formats import FORMATS, written_formats
from spikecut.sources.formats.aedat2 import read_header
from spikecut.sources.formats.base import TextLayout
from spikecut.tools.recordings.convert import convert
from spikecut.tools.recordings.info import info

import faults
from source_contract import DVS128, TEST_WRITERS, WRITERS, check_source, opened, pattern, recording

SIGNED = [name for name, row in FORMATS.items() if row.recognise is not None]


def film(folder: Path, n_images: int, stem: str = "a") -> Path:
    """A bright square that moves to the right before grey, 64 x 48."""
    path = folder / f"{stem}.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 40.0, (64, 48))
    for i in range(n_images):
        image = np.full((48, 64, 3), 60, np.uint8)
        image[18:30, 2 * i % 50 : 12 + 2 * i % 50] = 220
        video.write(image)
    video.release()
    return path


def sample(folder: Path, name: str, n: int = 2_000) -> Path:
    """A sound recording of a format."""
    return film(folder, 8) if name == "video" else recording(folder, name, [pattern(n)])


def test_every_row_is_tried_here() -> None:
    assert {*WRITERS, "video"} == set(FORMATS)
    assert not set(TEST_WRITERS) & set(written_formats())


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_events_come_out_however_a_file_is_cut_into_batches(tmp_path: Path, name: str) -> None:
    path = sample(tmp_path, name, 700)
    whole = check_source(opened(path))
    assert len(whole.t) > 500
    for batch_events in (1, 7, 65_536):
        assert check_source(opened(path, batch_events)) == whole


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_read_back_with_polarity_and_origin_in_their_place(tmp_path: Path, name: str) -> None:
    batch = pattern(2_000, seed=4)
    found = check_source(opened(recording(tmp_path, name, [batch])))
    assert found.lists()[:4] == [getattr(batch, column).tolist() for column in "txyp"]
    assert not found.lost


@pytest.mark.parametrize("name", written_formats())
def test_a_conversion_by_name_writes_what_opens_as_that_format(tmp_path: Path, name: str) -> None:
    source, target = recording(tmp_path, "hdf5", [pattern(300)], "source"), tmp_path / f"b{FORMATS[name].suffixes[-1]}"
    report = convert(source, target, sensor=DVS128, format=name)
    assert (report.n_read, report.n_written) == (300, 300)
    assert check_source(opened(target)) == check_source(opened(source))
    assert FORMATS[name].name in opened(target).format


@pytest.mark.parametrize("name", WRITERS)
def test_damage_is_the_same_however_a_file_is_cut_into_batches(tmp_path: Path, name: str) -> None:
    path = recording(tmp_path, name, [pattern(3_000)])
    data, garbage = path.read_bytes(), np.random.default_rng(2).bytes(300)
    path.write_bytes(data[:5_000] + garbage + data[5_203:])
    try:
        whole = check_source(opened(path))
    except SourceError:
        assert name in ("hdf5", "npz")  # its structure is damaged: nothing can be saved
        return
    assert whole.lost
    for batch_events in (5, 100):
        assert check_source(opened(path, batch_events)) == whole


@pytest.mark.parametrize("name", WRITERS)
def test_sixty_mutants_are_read_in_order_and_in_range_or_refused(tmp_path: Path, name: str) -> None:
    n = 40_000 if name == "hdf5" else 1_000  # three chunks, of which damage takes one
    path = recording(tmp_path, name, [pattern(n)])
    n_read = 0
    for _, mutant in faults.mutants(path.read_bytes(), 60, seed=11):
        path.write_bytes(mutant)
        try:
            n_read += len(check_source(opened(path, 300)).t) > 0
        except SourceError:
            continue
    assert n_read > (0 if name in ("hdf5", "npz") else 30)


def _records(size: int) -> Callable[[Path, bytes, int], int]:
    """How many records a file of equal-sized records holds, begun ones too."""
    return lambda path, data, n: -(-(len(data) - (read_header(path).size if size == 8 else 0)) // size)


COUNTED: dict[str, Callable[[Path, bytes, int], int]] = {
    "aedat2": _records(8),
    "atis": _records(5),
    "text": lambda path, data, n: data.count(b"\n") + (not data.endswith(b"\n")) - 2,
    "aedat3": lambda path, data, n: n,  # the packet says how many events it should hold,
    "tonic_npy": lambda path, data, n: n,  # and so does the header
    "npy": lambda path, data, n: n,
}
HEADER = {"aedat2": 100, "aedat3": 150, "tonic_npy": 128, "npy": 256, "atis": 1, "text": 48}


@pytest.mark.parametrize("name", COUNTED)
def test_a_file_cut_off_anywhere_gives_its_first_events_and_counts_the_others(tmp_path: Path, name: str) -> None:
    n = 200
    path = recording(tmp_path, name, [pattern(n)])
    data, whole = path.read_bytes(), check_source(opened(path))
    for at in np.random.default_rng(3).integers(HEADER[name], len(data), 60).tolist():
        path.write_bytes(faults.truncate(data, at))
        found = check_source(opened(path))
        assert found.lists() == [column[: len(found.t)] for column in whole.lists()]
        assert len(found.t) + found.lost.total == COUNTED[name](path, data[:at], n)


def test_an_hdf5_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = recording(tmp_path, "hdf5", [pattern(200)])
    data = path.read_bytes()
    for at in np.random.default_rng(3).integers(1, len(data), 30).tolist():
        path.write_bytes(faults.truncate(data, at))
        with pytest.raises(SourceError, match=r"a\.h5"):
            list(opened(path))


SHORT = 100_000  # events, more than any reader takes at once


def _long(n: int) -> Iterator[EventBatch]:
    part = pattern(20_000, pause_us=2)
    for begin in range(0, n, 20_000):
        t = part.t - part.t[0] + begin * 3
        yield EventBatch(t, part.x, part.y, part.p, int(t[0]), int(t[-1]) + 1, DVS128)


@pytest.mark.parametrize("name", FORMATS)
def test_memory_is_the_same_after_five_times_the_recording(tmp_path: Path, name: str) -> None:
    peaks = []
    for times in (1, 5):
        stem = f"times_{times}"
        path = (
            film(tmp_path, 20 * times, stem)
            if name == "video"
            else recording(tmp_path, name, _long(SHORT * times), stem)
        )
        for _ in range(2 if times == 1 else 1):  # the first pass compiles and imports
            tracemalloc.start()
            total = sum(len(batch) for batch in opened(path, 4_096))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert total == SHORT * times or name == "video"
    assert peaks[2] < 1.1 * peaks[1] + 1_000_000  # the columns of all events would take 6 MB


@pytest.mark.parametrize("name", FORMATS)
def test_info_describes_it(tmp_path: Path, name: str) -> None:
    about = info(sample(tmp_path, name), DVS128)
    assert (about.sensor, about.damage) == (DVS128, [])
    assert about.n_events == (2_000 if name != "video" else about.n_events) > 500
    assert FORMATS[name].name in about.format


@pytest.mark.parametrize("name", SIGNED)
def test_content_decides_not_the_suffix(tmp_path: Path, name: str) -> None:
    path = sample(tmp_path, name)
    whole = check_source(opened(path))
    for other in (".bin", ".dat", ".h5"):
        path = path.rename(path.with_suffix(other))
        assert check_source(opened(path)) == whole


def test_a_format_without_a_signature_is_known_by_its_suffix_or_its_layout(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat, match=r"begins with|text") as caught:
        open_recording(recording(tmp_path, "atis", [pattern(10)]).rename(tmp_path / "a.dat"))
    assert ".bin" in str(caught.value.hint)
    path = tmp_path / "a.dat"
    path.write_text("1 2 30 1\n" * 9)
    with pytest.raises(UnknownFormat, match="this is text") as caught:
        open_recording(path)
    assert "--columns xytp --sensor" in str(caught.value.hint)
    assert len(check_source(open_recording(path, sensor=DVS128, text=TextLayout("xytp"))).t) == 9
