"""Faults around recordings (rows X and O of the list of faults): links, folders, labels, bytes behind the end."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.errors import SourceError
from spikecut.pipeline.events import DropCause, EventBatch
from spikecut.sources.datasets.dvs_gesture import open_gesture_set
from spikecut.sources.formats.aedat3 import write_aedat3
from spikecut.sources.formats.hdf5_writer import write_hdf5
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.cli import main

from source_contract import DVS128, WRITERS, check_source, opened, pattern, recording

HEADER = "class,startTime_usec,endTime_usec"
DECLARED_END = ("aedat4", "hdf5", "npy", "npz", "tonic_npy")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten digits, and in their folders a dangling link, an empty file, and a folder called like a recording."""
    folder = tmp_path_factory.mktemp("digits") / "digits"
    write_digits(folder, 10, seed=0)
    (folder / "8" / "dangling.bin").symlink_to(folder / "nowhere.bin")
    (folder / "8" / "folder.bin").mkdir()
    (folder / "3" / "empty.bin").touch()
    return folder


def test_replay_names_what_is_no_recording_and_goes_on(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """X16, C02, C01."""
    assert main(["replay", str(digits), "--model", "nmnist", "--cutoff", "none", "--json"]) == 3
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert (report["n"], report["n_unreadable"]) == (10, 3)
    for name, reason in (("dangling", "no such file"), ("folder", "is a directory"), ("empty", "the file is empty")):
        (line,) = [line for line in err.splitlines() if f"{name}.bin" in line]
        assert line.startswith("quarantined: ")
        assert reason in line


def test_data_check_names_what_is_no_recording(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """X16."""
    assert main(["data", "check", str(digits), "--read"]) == 3
    text = capsys.readouterr().out
    assert "8/dangling.bin: no such file" in text
    assert "8/folder.bin: is a directory" in text
    assert "10 of 13 recordings can be used" in text


@pytest.mark.parametrize("extra", [b"\xff" * 3, b"\0" * 64, bytes(range(1, 40)) * 100], ids=["3", "64", "3900"])
@pytest.mark.parametrize("name", DECLARED_END)
def test_bytes_behind_a_declared_end_are_told_with_their_place(tmp_path: Path, name: str, extra: bytes) -> None:
    """X08."""
    path = recording(tmp_path, name, [pattern(2_000)])
    whole, data = check_source(opened(path)), path.read_bytes()
    path.write_bytes(data + extra)
    read = check_source(opened(path))
    assert read.lists() == whole.lists()
    assert read.losses() == {"trailing": (0, len(extra))}
    assert read.lost.losses[DropCause.trailing].at_byte == len(data)


@pytest.mark.parametrize("name", ["aedat2", "aedat3", "dat", "evt21", "text"])
def test_random_bytes_behind_the_last_event_are_told(tmp_path: Path, name: str) -> None:
    """X08: where no end is declared they are read, and what is no event is counted."""
    path = recording(tmp_path, name, [pattern(2_000)])
    whole = check_source(opened(path))
    path.write_bytes(path.read_bytes() + bytes(range(1, 40)) * 100)
    read = check_source(opened(path))
    assert read.lists() == whole.lists()
    assert read.lost


def times_beyond(folder: Path, name: str, times: Sequence[int]) -> Path:
    """Events at 0, 1, ... 99 us and then at times that no clock shows."""
    t = [*range(100), *times]
    path = folder / f"a.{name}"
    if name == "txt":
        path.write_text("".join(f"0 0 {time} 1\n" for time in t))
        return path
    rows = np.zeros(len(t), [("t", "<u8"), ("x", "<i2"), ("y", "<i2"), ("p", "?")])
    rows["t"] = np.array(t, np.uint64)
    np.save(path, rows)
    return path


@pytest.mark.parametrize("time", [2**62 + 1, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("name", ["txt", "npy"])
def test_times_near_the_largest_number_are_counted_and_never_negative(tmp_path: Path, name: str, time: int) -> None:
    """X09."""
    read = check_source(opened(times_beyond(tmp_path, name, [time, time])))
    assert read.t.tolist() == list(range(100))
    assert read.lost.total == 2


def session(folder: Path, rows: Sequence[str]) -> Path:
    """A session of one person: 40 s with an event every ms, and its labels."""
    t = np.arange(0, 40_000_000, 1_000)
    zeros = np.zeros(len(t), np.uint16)
    folder.mkdir(exist_ok=True)
    path = folder / "user01_led.aedat"
    write_aedat3(path, [EventBatch(t, zeros, zeros, zeros.astype(np.uint8), 0, 40_000_000, DVS128)])
    (folder / "user01_led_labels.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    (folder / "trials_to_train.txt").write_text("user01_led.aedat\n")
    (folder / "trials_to_test.txt").write_text("")
    return path


@pytest.mark.parametrize("row", ["2,50000000,51000000", "2,30000000,30000000"], ids=["beyond the end", "of no length"])
@pytest.mark.parametrize("words", [["info"], ["run", "--model", "gestures"]])
def test_a_label_without_events_is_told(
    tmp_path: Path, row: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """X14, L01."""
    path = session(tmp_path, ["1,1000000,2000000", row])
    command, *rest = words
    assert main([command, str(path), *rest]) == 3
    out, err = capsys.readouterr()
    assert "no events in the labelled gesture right hand wave" in out + err


@pytest.mark.parametrize("row", ["2,50000000,51000000", "2,30000000,30000000"])
def test_replay_leaves_a_label_without_events_out_and_says_so(
    tmp_path: Path, row: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """X14."""
    session(tmp_path, ["1,1000000,2000000", row, "3,31000000,32000000"])
    words = ["replay", str(tmp_path), "--part", "all", "--model", "gestures", "--cutoff", "none", "--json"]
    assert main(words) == 3
    out, err = capsys.readouterr()
    assert (json.loads(out)["n"], json.loads(out)["n_unreadable"]) == (2, 1)
    assert "no events in right hand wave" in err


@pytest.mark.parametrize("name", ["aedat3", "hdf5"])
def test_labels_keep_their_events_behind_a_burst_of_another_clock_and_a_leap(tmp_path: Path, name: str) -> None:
    """X13: 50 events of another clock, then the recording, in which one time leaps 1,000 s ahead."""
    folder = tmp_path / "set"
    path = session(folder, ["1,1000000,2000000", "2,30000000,31000000"])
    (before,) = {tuple(len(batch) for _, batch in one.clips()) for one in open_gesture_set(folder).of("train")}
    assert before == (1_000, 1_000)
    t = np.arange(0, 40_000_000, 1_000)
    t[5_000] += 1_000_000_000
    zeros = np.zeros(len(t), np.uint16)
    burst = 10**9 + np.arange(50)
    stale = EventBatch(burst, zeros[:50], zeros[:50], zeros[:50].astype(np.uint8), 10**9, 10**9 + 50, DVS128)
    parts = [
        EventBatch(t[a:b], zeros[a:b], zeros[a:b], zeros[a:b].astype(np.uint8), int(t[a]), int(t[b - 1]) + 1, DVS128, s)
        for a, b, s in ((0, 5_000, 1), (5_000, 5_001, 1), (5_001, 40_000, 2))
    ]
    write = write_aedat3 if name == "aedat3" else write_hdf5
    write(path, [stale, *parts], DVS128)
    (after,) = {tuple(len(batch) for _, batch in one.clips()) for one in open_gesture_set(folder).of("train")}
    assert after == before


@pytest.mark.parametrize("name", WRITERS)
def test_a_dangling_link_and_a_link_to_itself_are_named(tmp_path: Path, name: str) -> None:
    """X16."""
    path = recording(tmp_path, name, [pattern(100)])
    for target in (tmp_path / "nowhere", path):
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        with pytest.raises(SourceError, match=path.name):
            opened(path)
