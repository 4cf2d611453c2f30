"""What `convert` changes is what was asked for, and nothing else; what travels along fits the new recording."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.datasets.gesture_labels import Movement, read_labels
from spikecut.sources.formats import FORMATS, written_formats
from spikecut.sources.formats.base import TextLayout
from spikecut.sources.formats.reading.sorting import Sorted
from spikecut.tools.cli import main
from spikecut.tools.recordings.conversion_steps import parse_crop, parse_shift, split
from spikecut.tools.recordings.convert import convert

from source_contract import DVS128, check_source, opened, pattern, recording
from streams import batch_of, batches, cuts

NAMES = list(written_formats())
HEADER = "class,startTime_usec,endTime_usec\n"


def run(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> dict[str, object]:
    """The object that `convert --json` prints."""
    assert main(["convert", *map(str, words), "--json"]) == code
    result: dict[str, object] = json.loads(capsys.readouterr().out)
    return result


def pairs() -> list[Any]:
    """Every format with every other; those without HDF5 are slow by their number."""
    return [
        pytest.param(first, second, marks=() if "hdf5" in (first, second) or first == second else pytest.mark.slow)
        for first in NAMES
        for second in NAMES
    ]


@pytest.mark.parametrize(("first", "second"), pairs())
def test_events_are_the_same_after_a_conversion_there_and_back(tmp_path: Path, first: str, second: str) -> None:
    source = recording(tmp_path, first, [pattern(500)], "source")
    there = tmp_path / f"there{FORMATS[second].suffixes[0]}"
    back = tmp_path / f"back{FORMATS[first].suffixes[0]}"
    try:
        convert(source, there, sensor=DVS128, format=second)
        convert(there, back, sensor=DVS128, format=first)
    except ConfigError as error:
        pytest.skip(f"a limit of the format: {error}")
    whole = check_source(opened(source))
    assert len(whole.t) == 500
    assert check_source(opened(there)).lists() == whole.lists()
    assert check_source(opened(back)).lists() == whole.lists()


def test_a_crop_keeps_its_part_and_counts_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = recording(tmp_path, "hdf5", [pattern(2_000)]), tmp_path / "part.h5"
    found = run(capsys, source, target, "--crop", "20,30,60x50")
    whole, part = check_source(open_recording(source)), open_recording(target)
    kept = (whole.x >= 20) & (whole.x < 80) & (whole.y >= 30) & (whole.y < 80)
    assert part.sensor == SensorSize(60, 50)
    assert check_source(part).lists()[:3] == [
        whole.t[kept].tolist(), (whole.x[kept] - 20).tolist(), (whole.y[kept] - 30).tolist()
    ]  # fmt: skip
    assert found["dropped"] == {"outside_crop": 2_000 - int(kept.sum())}
    assert (found["n_read"], found["n_written"]) == (2_000, int(kept.sum()))


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,0x4", "-1,2,3x4", "1,2,128x4", "a,b,cxd", "1,2,3x4x5", "9" * 12])
def test_a_crop_that_is_no_part_of_the_sensor_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--crop"):
        parse_crop(text, DVS128)


@pytest.mark.parametrize(("shift", "first_us"), [("zero", 0), ("1.5", 1_501_000), ("-0.0005", 500), ("-1", -999_000)])
def test_a_shift_moves_all_times(tmp_path: Path, shift: str, first_us: int, capsys: pytest.CaptureFixture[str]) -> None:
    times = [1_000, 1_010, 1_250]
    source = recording(tmp_path, "hdf5", [batch_of(times, sensor=DVS128)])
    run(capsys, source, tmp_path / "b.h5", f"--shift={shift}")
    assert check_source(open_recording(tmp_path / "b.h5")).t.tolist() == [first_us, first_us + 10, first_us + 250]


@pytest.mark.parametrize("text", ["", "null", "nan", "inf", "1e12", "1 2"])
def test_a_shift_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no shift"):
        parse_shift(text)


def test_a_recording_is_split_at_times_of_playing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = pattern(3_000)
    source = recording(tmp_path, "hdf5", [batch])
    found = run(capsys, source, tmp_path / "part.csv", "--split-at", "0.02", "0.05", "100")
    bounds = [0, 20_000, 50_000, 1 << 60]
    for k in range(3):
        part = check_source(open_recording(tmp_path / f"part-{k + 1}.csv"))
        played = batch.t - batch.t[0]
        assert part.t.tolist() == batch.t[(played >= bounds[k]) & (played < bounds[k + 1])].tolist()
    assert len(check_source(open_recording(tmp_path / "part-4.csv")).t) == 0
    assert [part["n_written"] for part in found["parts"]][3] == 0  # type: ignore[attr-defined]
    assert not (tmp_path / "part.csv").exists()
    assert main(["convert", str(source), str(tmp_path / "part.csv"), "--split-at", "0.02"]) == 2
    assert main(["convert", str(source), str(tmp_path / "other.csv"), "--split-at", "2", "1"]) == 2
    assert "must increase" in capsys.readouterr().err


@given(data=st.data(), stream=batches())
def test_parts_do_not_depend_on_how_the_stream_was_cut(data: st.DataObject, stream: EventBatch) -> None:
    length_us = stream.end_us - stream.start_us
    times = tuple(sorted(data.draw(st.sets(st.integers(1, length_us + 5), max_size=3))))

    def parts(pieces: Sequence[EventBatch]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for part, batch in split(pieces, times):
            found.setdefault(part, []).extend(batch.t.tolist())
        return {part: t for part, t in found.items() if t}

    whole = parts([stream])
    assert parts(data.draw(cuts(stream))) == whole
    edges = [0, *times, 1 << 60]
    played = stream.t - stream.start_us
    for part, t in whole.items():
        assert t == stream.t[(played >= edges[part]) & (played < edges[part + 1])].tolist()


def test_a_part_after_a_reset_of_the_clock_begins_a_segment_of_its_own() -> None:
    stream = [batch_of([0, 10], end_us=20), batch_of([5, 30], start_us=5, end_us=40, segment=1)]
    found = [(part, batch.segment, batch.t.tolist()) for part, batch in split(stream, (15, 30))]
    assert found == [(0, 0, [0, 10]), (1, 0, []), (1, 1, [5]), (2, 0, [30])]


def test_disorder_of_any_size_is_sorted_instead_of_dropped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch, source = pattern(3_000), tmp_path / "a.txt"
    order = np.random.default_rng(5).permutation(3_000)
    x, y, t, p = (getattr(batch, name)[order] for name in "xytp")
    np.savetxt(source, np.stack([x, y, t, p], axis=1), "%d")
    words = ["--columns", "xytp", "--sensor", "128x128"]
    dropped = run(capsys, source, tmp_path / "plain.h5", *words, code=3)["dropped"]
    assert dropped["late"] > 1_000  # type: ignore[index]
    found = run(capsys, source, tmp_path / "sorted.h5", "--sort", *words)
    assert (found["n_written"], found["dropped"]) == (3_000, {})
    target = check_source(open_recording(tmp_path / "sorted.h5"))
    by_time = np.argsort(t, kind="stable")
    assert target.lists()[:4] == [column[by_time].tolist() for column in (t, x, y, p)]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    text = TextLayout("xytp")
    for run_events in (1, 700, 10_000):  # runs hold whole chunks of about 500 events
        opened = open_recording(source, sensor=DVS128, text=text, batch_events=500)
        assert check_source(Sorted(opened, tmp_path, run_events)) == target


def labelled(folder: Path) -> Path:
    """A recording of 100 ms from 1 s on, with three gestures."""
    t = np.arange(1_000_000, 1_100_000, 100)
    source = recording(folder, "aedat2", [batch_of(t.tolist(), sensor=DVS128)], "walk")
    rows = "1,1000000,1030000\n2,1030000,1060000\n11,1070000,1100000\n"
    (folder / "walk_labels.csv").write_text(HEADER + rows)
    return source


def spans(path: Path) -> list[tuple[int, int, int]]:
    return [(span.label + 1, span.start_us, span.end_us) for span in read_labels(path).spans]


def test_labels_travel_along(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = labelled(tmp_path)
    found = run(capsys, source, tmp_path / "same.h5")
    assert (tmp_path / "same_labels.csv").read_bytes() == (tmp_path / "walk_labels.csv").read_bytes()
    assert found["labels"] == [str(tmp_path / "same_labels.csv")]
    run(capsys, source, tmp_path / "zero.h5", "--shift", "zero")
    assert spans(tmp_path / "zero_labels.csv") == [(1, 0, 30_000), (2, 30_000, 60_000), (11, 70_000, 100_000)]
    run(capsys, source, tmp_path / "late.h5", "--start", "0.04", "--duration", "0.04", "--shift=-1")
    assert spans(tmp_path / "late_labels.csv") == [(2, 40_000, 60_000), (11, 70_000, 80_000)]
    run(capsys, source, tmp_path / "part.h5", "--split-at", "0.05")
    assert spans(tmp_path / "part-1_labels.csv") == [(1, 1_000_000, 1_030_000), (2, 1_030_000, 1_050_000)]
    assert spans(tmp_path / "part-2_labels.csv")[0] == (2, 1_050_000, 1_060_000)


def test_movements_that_are_no_gesture_travel_along(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = labelled(tmp_path)
    rows = "2,1000000,1030000,\n0,1030000,1060000,walks by\n0,1070000,1100000,drinks\n"
    (tmp_path / "walk_labels.csv").write_text(HEADER.replace("\n", ",movement\n") + rows)
    run(capsys, source, tmp_path / "late.h5", "--start", "0.05", "--shift=-1")
    assert spans(tmp_path / "late_labels.csv") == []
    movements = read_labels(tmp_path / "late_labels.csv").movements
    assert movements == (Movement("walks by", 50_000, 60_000), Movement("drinks", 70_000, 99_901))


def test_labels_beside_the_target_are_not_replaced_unless_that_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = labelled(tmp_path)
    (tmp_path / "b_labels.csv").write_text("mine")
    assert main(["convert", str(source), str(tmp_path / "b.h5")]) == 2
    assert "b_labels.csv exists already" in capsys.readouterr().err
    assert (tmp_path / "b_labels.csv").read_text() == "mine"
    assert not (tmp_path / "b.h5").exists()
    run(capsys, source, tmp_path / "b.h5", "--overwrite")
    assert len(spans(tmp_path / "b_labels.csv")) == 3


def test_labels_of_the_same_name_hold_for_both_or_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = labelled(tmp_path)
    assert "labels" not in run(capsys, source, tmp_path / "walk.h5")
    assert main(["convert", str(source), str(tmp_path / "walk.bin"), "--shift", "zero"]) == 2
    assert "choose another name for the target" in capsys.readouterr().err


def frames(folder: Path, n: int = 12) -> Path:
    """A bright square that moves to the right, as pictures whose numbers have no leading zeros."""
    folder.mkdir()
    for i in range(n):
        picture = np.full((24, 32), 60, np.uint8)
        picture[8:16, i : i + 8] = 220
        cv2.imwrite(str(folder / f"frame{i}.png"), picture)
    return folder


def test_a_folder_of_pictures_becomes_events_whose_truth_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = frames(tmp_path / "frames"), tmp_path / "out.h5"
    words = ("--fps", "50", "--seed", "3", "--truth", tmp_path / "kinds.npz")
    found = run(capsys, source, target, "--pixel", "noisy", *words)
    events = check_source(open_recording(target))
    kinds = np.load(tmp_path / "kinds.npz")
    assert kinds["names"].tolist() == ["signal", "shot", "leak", "hot"]
    assert len(kinds["kind"]) == len(events.t) == found["n_written"]
    assert found["n_signal"] == int((kinds["kind"] == 0).sum()) > 100
    assert found["n_signal"] + found["n_noise"] == found["n_written"]  # type: ignore[operator]
    assert found["n_noise"] > 100  # type: ignore[operator]
    near = (events.y >= 8) & (events.y < 16) & (events.x < 20)
    assert near[kinds["kind"] == 0].mean() > 0.9
    assert near[kinds["kind"] == 1].mean() < 0.4
    assert 200_000 < events.t[-1] < 220_000  # 11 intervals of 20 ms
    run(capsys, source, tmp_path / "again.h5", "--pixel", "noisy", "--fps", "50", "--seed", "3")
    assert check_source(open_recording(tmp_path / "again.h5")) == events
    found = run(capsys, source, tmp_path / "b.h5", "--pixel", "clean", "--fps", "50", "--truth", tmp_path / "b.npy")
    assert np.load(tmp_path / "b.npy").tolist() == [0] * found["n_written"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["frames", "a.h5"], "is a directory"),
        (["empty", "a.h5", "--fps", "9"], "0 pictures; events need at least two"),
        (["mixed", "a.h5", "--fps", "9"], "the first picture has 32x24"),
        (["a.aedat", "a.h5", "--pixel", "clean"], "--pixel, --fps and --seed are for videos"),
        (["a.aedat", "a.h5", "--truth", "a.npz"], "--truth is known of simulated events only"),
        (["frames", "a.h5", "--fps", "9", "--truth", "a.txt"], "written are .npy and .npz"),
        (["frames", "a.h5", "--fps", "9", "--truth", "a.npz", "--crop", "0,0,2x2"], "goes with a whole recording"),
        (["frames", "a.h5", "--fps", "0"], "--fps"),
        (["frames", "a.h5", "--fps", "9", "--pixel", "dirty"], "dirty"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path,
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    frames(tmp_path / "frames")
    cv2.imwrite(str(frames(tmp_path / "mixed", 2) / "frame9.png"), np.zeros((9, 9), np.uint8))
    (tmp_path / "empty").mkdir()
    recording(tmp_path, "aedat2", [pattern(10)])
    assert main(["convert", *words]) in (2, 4)
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "a.h5").exists()


def test_names_with_control_characters_are_printed_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = recording(tmp_path, "hdf5", [pattern(10)])
    assert main(["convert", str(source), str(tmp_path / "b\x1b[31m.csv")]) == 0
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert "b\\x1b[31m.csv: 10 events" in printed.out


@pytest.mark.parametrize(("name", "size"), [("aedat2", 8), ("atis", 5), ("dat", 8)])
def test_records_in_any_order_are_sorted_and_none_is_taken_for_garbage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, size: int
) -> None:
    """Without `--sort` leaps of time are what garbage is known by; with it no leap is."""
    batch = pattern(3_000)
    source = recording(tmp_path, name, [batch])
    data, n_bytes = source.read_bytes(), 3_000 * size
    order = np.random.default_rng(5).permutation(3_000)
    records = np.frombuffer(data[-n_bytes:], np.uint8).reshape(3_000, size)[order]
    source.write_bytes(data[:-n_bytes] + records.tobytes())
    found = run(capsys, source, tmp_path / "sorted.h5", "--sort", "--sensor", "128x128")
    assert (found["n_written"], found["dropped"]) == (3_000, {})
    target = check_source(open_recording(tmp_path / "sorted.h5"))
    order = order[np.argsort(batch.t[order], kind="stable")]
    assert target.lists()[:4] == [getattr(batch, column)[order].tolist() for column in "txyp"]
    for run_events in (1, 700):
        assert check_source(Sorted(opened(source, 500), tmp_path, run_events)) == target
