"""`spikecut cut`: class folders that every other command takes, made of recordings and of nothing else."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.datasets.class_folders import MADE_BY, list_recordings, origin_of, part_of
from spikecut.sources.formats.aedat2 import write_aedat2
from spikecut.sources.formats.hdf5_writer import write_hdf5
from spikecut.tools.checks.set_check import check_set
from spikecut.tools.cli import main

from source_contract import DVS128, check_source, pattern, write_text

PIECE_US = 20_000


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three streams of two classes, 14 to 16 pieces of 20 ms each, and a note."""
    folder = tmp_path_factory.mktemp("streams")
    for seed, name in enumerate(("mug", "box_a", "box_b")):
        write_aedat2(folder / f"{name}.aedat", [pattern(7_500 + 200 * seed, seed=seed)])
    (folder / "README").write_text("things\n")
    return folder


def told(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    said = capsys.readouterr()
    return said.out, said.err


def test_pieces_of_streams_are_class_folders_divided_by_time(
    streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "objects"
    assert main(["cut", str(streams), str(out), "--piece", "0.02"]) == 0
    recordings = list_recordings(out)
    assert {r.class_name for r in recordings} == {"box", "mug"}
    for name in ("mug", "box_a", "box_b"):
        whole = check_source(open_recording(streams / f"{name}.aedat"))
        n = int(whole.t[-1] + 1 - whole.t[0]) // PIECE_US
        numbers = {
            part: sorted(int(r.path.stem[-3:]) for r in part_of(recordings, part) if r.path.stem[:-4] == name)
            for part in ("train", "calibration", "test")
        }
        assert numbers["train"][0] == 0
        assert numbers["calibration"][0] == numbers["train"][-1] + 2
        assert numbers["test"][0] == numbers["calibration"][-1] + 2
        assert numbers["test"][-1] == n - 1
        assert sum(map(len, numbers.values())) == n - 2
        for recording in (r for r in recordings if r.path.stem[:-4] == name):
            found = check_source(open_recording(recording.path))
            begin = int(whole.t[0]) + int(recording.path.stem[-3:]) * PIECE_US
            inside = (begin <= whole.t) & (whole.t < begin + PIECE_US)
            assert found.t.tolist() == (whole.t[inside] - begin).tolist()
            for column in "xyp":
                assert getattr(found, column).tolist() == getattr(whole, column)[inside].tolist()
    printed, complained = told(capsys)
    assert f"{len(recordings)} pieces of 0.02 s of 2 classes: box, mug" in printed
    assert "from 3 recordings as they are" in printed
    assert "not used: README" in complained
    assert origin_of(out) == ""


def test_every_event_is_written_or_said_to_be_left_out(
    streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "objects"
    assert main(["cut", str(streams), str(out), "--piece", "0.02", "--skip", "0.03", "--format", "aedat"]) == 0
    written = sum(len(check_source(open_recording(path)).t) for path in out.glob("*/*/*.aedat"))
    printed, complained = told(capsys)
    numbers = [int(line.split()[2].replace(",", "")) for line in complained.splitlines() if "events" in line]
    assert len(numbers) == 2
    assert f"{written:,} events" in printed
    assert written + sum(numbers) == 3 * 7_500 + 200 + 400


def test_whole_recordings_of_text_are_divided_by_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "txt"
    for digit in "07":
        (texts / digit).mkdir(parents=True)
        for k in range(30):
            write_text(texts / digit / f"{k}.txt", [pattern(40, seed=10 * k + int(digit), first_us=500 + k)])
    out = tmp_path / "digits"
    assert main(["cut", str(texts), str(out), "--columns", "xytp", "--sensor", "128x128"]) == 0
    recordings = list_recordings(out)
    assert Counter(r.class_name for r in recordings) == {"0": 30, "7": 30}
    assert {(r.division, r.part) for r in recordings} == {(None, None)}
    batch = pattern(40, seed=127, first_us=512)
    found = check_source(open_recording(out / "7" / "12.h5"))
    assert found.lists()[:4] == [(batch.t - batch.t[0]).tolist(), batch.x.tolist(), batch.y.tolist(), batch.p.tolist()]
    assert "60 whole recordings of 2 classes" in told(capsys)[0]
    assert check_set(out, read=True).faults == ()


def test_text_without_columns_is_no_recording_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_text(tmp_path / "a.txt", [pattern(10)])
    assert main(["cut", str(tmp_path), str(tmp_path / "out")]) == 4
    assert "text is read once --columns says what it is" in told(capsys)[1]


def test_damage_is_counted_and_the_code_is_3(streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    data = (streams / "mug.aedat").read_bytes()
    (tmp_path / "in" / "mug.aedat").write_bytes(data[:-3])
    assert main(["cut", str(tmp_path / "in"), str(tmp_path / "out")]) == 3
    assert "left out 1: the file ends inside a record" in told(capsys)[1]
    assert len(check_source(open_recording(tmp_path / "out" / "mug" / "mug.h5")).t) == 7_499


def still(t: list[int], segment: int) -> EventBatch:
    zeros = np.zeros(len(t), np.uint16)
    return EventBatch(np.array(t), zeros, zeros, zeros.astype(np.uint8), t[0], t[-1] + 1, DVS128, segment)


def test_pieces_without_events_and_other_clocks_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    # seven pieces: the fourth (30,000) and the sixth lie between the parts
    times = [0, 10_000, 20_000, 30_000, 40_000, 69_999]
    write_hdf5(tmp_path / "in" / "still.h5", [still([0, 10_000], 0), still(times, 1)], DVS128)
    assert main(["cut", str(tmp_path / "in"), str(tmp_path / "out"), "--piece", "0.01"]) == 0
    complained = told(capsys)[1]
    assert "1 events in pieces left out between two parts" in complained
    assert "2 events before or after a reset of the clock" in complained
    assert "not written" not in complained
    assert len(list((tmp_path / "out").glob("*/*/*.h5"))) == 5
    write_hdf5(tmp_path / "in" / "still.h5", [still([0, 69_999], 0)], DVS128)
    assert main(["cut", str(tmp_path / "in"), str(tmp_path / "more"), "--piece", "0.01"]) == 0
    assert "not written: 3 pieces without an event" in told(capsys)[1]


def test_what_a_program_made_stays_marked(streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = shutil.copytree(streams, tmp_path / "drawn")
    (drawn / MADE_BY).write_text("drawing of seed 0\n")
    assert main(["cut", str(drawn), str(tmp_path / "pieces"), "--piece", "0.02"]) == 0
    assert origin_of(tmp_path / "pieces") == "; ".join(["drawing of seed 0, cut"] * 3)
    assert "simulated recordings (drawing of seed 0)" in told(capsys)[0]
    assert main(["cut", str(drawn), str(tmp_path / "whole")]) == 0
    assert origin_of(tmp_path / "whole") == "drawing of seed 0, cut"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--piece", "0.09"], 2, "box_a.aedat: 3 pieces of 90 ms"),
        (["--piece", "0"], 2, "--piece 0"),
        (["--piece", "nan"], 2, "--piece 'nan'"),
        (["--skip", "-1"], 2, "--skip '-1'"),
        (["--skip", "9"], 2, "nothing is left after the first 9000 ms"),
    ],
)
def test_what_cannot_be_cut_leaves_nothing_behind(
    streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    assert main(["cut", str(streams), str(tmp_path / "out"), *words]) == code
    assert said in told(capsys)[1]
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_cannot_hold_the_sensor_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    sensor = SensorSize(241, 180)  # of no camera that wrote the format
    whole = pattern(500)
    batch = EventBatch(whole.t, whole.x, whole.y, whole.p, whole.start_us, whole.end_us, sensor)
    write_hdf5(tmp_path / "in" / "a.h5", [batch], sensor)
    assert main(["cut", str(tmp_path / "in"), str(tmp_path / "out"), "--format", "aedat"]) == 2
    complained = told(capsys)[1]
    assert f"{tmp_path / 'out' / 'a' / 'a.aedat'}: a 241x180 sensor" in complained
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_folder_that_holds_something_is_left_alone(
    streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()
    assert main(["cut", str(streams), str(tmp_path / "out")]) == 2
    assert "exists already" in told(capsys)[1]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["precious"]
    (tmp_path / "out" / "precious").unlink()
    assert main(["cut", str(streams), str(tmp_path / "out")]) == 0


def test_what_is_divided_already_or_named_twice_is_refused(
    streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cut", str(streams), str(tmp_path / "out"), "--piece", "0.02"]) == 0
    assert main(["cut", str(tmp_path / "out"), str(tmp_path / "again")]) == 2
    assert "is divided already, into train, calibration, test" in told(capsys)[1]
    assert main(["cut", str(tmp_path / "out" / "train"), str(tmp_path / "again")]) == 0
    (tmp_path / "in").mkdir()
    write_aedat2(tmp_path / "in" / "a.aedat", [pattern(9)])
    write_hdf5(tmp_path / "in" / "a.h5", [pattern(9)], DVS128)
    assert main(["cut", str(tmp_path / "in"), str(tmp_path / "twice")]) == 2
    assert "2 recordings of 'a' are called 'a'" in told(capsys)[1]


def test_the_real_streams_of_objects_become_a_sound_set(real_data: Path, tmp_path: Path) -> None:
    assert main(["cut", str(real_data / "dvs128_objects"), str(tmp_path / "objects"), "--piece", "1"]) == 0
    found = check_set(tmp_path / "objects", read=True)
    assert found.faults == ()
    assert [found.splits()[part][0] for part in ("train", "calibration", "test")] == [69, 22, 22]
    assert found.n_events == 1_515_698
