"""`spikecut info` and `spikecut convert`."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats import FORMATS, written_formats
from spikecut.sources.formats.hdf5_writer import write_hdf5
from spikecut.tools.commands.files.convert import Convert
from spikecut.tools.commands.watch.info import Info
from spikecut.tools.recordings.convert import convert, run_convert
from spikecut.tools.recordings.info import info, info_of, parse_sensor, run_info

from source_contract import DVS128, WRITERS, check_source, pattern, recording


def batch_of(t: list[int], sensor: SensorSize = DVS128, segment: int = 0) -> EventBatch:
    zeros = np.zeros(len(t), np.uint16)
    p = (np.arange(len(t)) % 2).astype(np.uint8)
    return EventBatch(np.array(t, np.int64), zeros, zeros, p, t[0], t[-1] + 1, sensor, segment)


def test_the_numbers_of_a_recording_worked_out_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    # from 100 on the bins of 10 ms begin at 100, 10,100 and 20,100: they hold 2, 3 and 1 events
    first = batch_of([100, 10_099, 10_100, 12_000, 20_099, 20_100])
    write_hdf5(path, [first, batch_of([7, 9], segment=1)], DVS128)
    found = info(path)
    assert (found.n_events, found.n_on, found.n_segments) == (8, 4, 2)
    assert (found.t_first_us, found.t_last_us, found.covered_us) == (100, 9, 20_000 + 2)
    assert found.peak_events == 3
    assert found.rate_hz == pytest.approx(8 / 0.020002)
    assert found.damage == []


def test_the_peak_does_not_depend_on_batches(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    WRITERS["atis"](path, [pattern(2_000)])
    assert info_of(open_recording(path, batch_events=64)).peak_events == info(path).peak_events


def test_the_json_has_these_keys_and_no_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.aedat"
    WRITERS["aedat2"](path, [pattern(50)])
    assert run_info(Info(path, json=True)) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["format", "sensor", "n_events", "n_on", "t_first_us", "t_last_us", "damage"]
    assert (found["format"], found["sensor"], found["n_events"]) == ("AEDAT 2.0", [128, 128], 50)


def test_damage_is_told_with_its_place_and_the_code_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.aedat"
    WRITERS["aedat2"](path, [pattern(50)])
    data = path.read_bytes()
    path.write_bytes(data[:-3])
    assert run_info(Info(path, json=True)) == 3
    (damage,) = json.loads(capsys.readouterr().out)["damage"]
    assert damage == {
        "cause": "cut_off",
        "events": 1,
        "bytes": 5,
        "at_byte": len(data) - 8,
        "sentence": "the file ends inside a record",
    }
    assert run_info(Info(path)) == 3
    said = capsys.readouterr().out
    assert "the file ends inside a record" in said
    assert "damaged: 1 of 50 events lost" in said


def test_signals_of_the_camera_are_mentioned_and_are_no_damage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.aedat"
    WRITERS["aedat2"](path, [pattern(50)])
    path.write_bytes(path.read_bytes() + bytes([0, 0, 0x80, 0, 0, 0, 20, 0]))
    assert run_info(Info(path)) == 0
    assert "signals   1" in capsys.readouterr().out


def test_a_recording_without_events_is_no_damage_and_no_division_by_zero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.aedat"
    WRITERS["aedat2"](path, [])
    assert run_info(Info(path)) == 0
    assert "nothing in it" in capsys.readouterr().out
    assert run_info(Info(path, json=True)) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n_events"], found["t_first_us"], found["damage"]) == (0, None, [])


def test_the_wrong_sensor_is_suspected_when_most_events_lie_outside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.bin"
    WRITERS["atis"](path, [pattern(500)])
    assert run_info(Info(path, sensor="20x20")) == 3
    assert "probably the wrong sensor" in capsys.readouterr().out


def test_one_event_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.bin"
    WRITERS["atis"](path, [batch_of([5])])
    assert run_info(Info(path)) == 0
    assert "events    1, 0.0% ON" in capsys.readouterr().out


def test_info_loads_neither_torch_nor_what_decodes_videos(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    WRITERS["atis"](path, [pattern(10)])
    code = (
        "import sys; from spikecut.tools.recordings.info import info; info(sys.argv[1])\n"
        "print(not {'torch', 'av', 'cv2'}.isdisjoint(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_sensor_is_written_with_an_x() -> None:
    assert parse_sensor("240x180") == SensorSize(240, 180)
    for wrong in ("240", "240x", "x", "-1x5", "ax5"):
        with pytest.raises(ConfigError):
            parse_sensor(wrong)


def pairs() -> list[Any]:
    """Every format with every other; all but each with the one after it in the table are slow by their number."""
    names = list(written_formats())
    after = set(zip(names, [*names[1:], names[0]], strict=True))
    return [
        pytest.param(*pair, marks=() if pair in after else pytest.mark.slow)
        for pair in itertools.permutations(names, 2)
    ]


@pytest.mark.parametrize(("source", "target"), pairs())
def test_conversion_keeps_every_event(tmp_path: Path, source: str, target: str) -> None:
    src, dst = recording(tmp_path, source, [pattern(2_000)]), tmp_path / f"b{FORMATS[target].suffixes[0]}"
    report = convert(src, dst, sensor=DVS128, format=target)
    assert (report.n_read, report.n_written, report.lost.total) == (2_000, 2_000, 0)
    assert check_source(open_recording(dst, sensor=DVS128)) == check_source(open_recording(src, sensor=DVS128))


def test_what_is_lost_in_conversion_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    src, dst = tmp_path / "a.bin", tmp_path / "b.h5"
    WRITERS["atis"](src, [pattern(100)])
    src.write_bytes(src.read_bytes()[:-2])
    assert run_convert(Convert(src, dst, json=True)) == 3
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["n_read"], report["n_written"], report["dropped"]) == (100, 99, {"cut_off": 1})
    assert "left out 1" in said.err


def test_labels_travel_along(tmp_path: Path) -> None:
    src, labels = tmp_path / "user01_led.aedat", tmp_path / "user01_led_labels.csv"
    WRITERS["aedat2"](src, [pattern(100)])
    labels.write_text("class,startTime_usec,endTime_usec\n1,0,9\n")
    assert run_convert(Convert(src, tmp_path / "user01_led.h5")) == 0  # the same labels lie beside both
    assert run_convert(Convert(src, tmp_path / "b.h5")) == 0
    assert (tmp_path / "b_labels.csv").read_text().split() == labels.read_text().split()


def test_an_existing_file_is_kept_unless_told(tmp_path: Path) -> None:
    src, dst = tmp_path / "a.bin", tmp_path / "b.h5"
    WRITERS["atis"](src, [pattern(100)])
    dst.write_bytes(b"precious")
    with pytest.raises(ConfigError, match="exists"):
        convert(src, dst)
    assert dst.read_bytes() == b"precious"
    assert convert(src, dst, overwrite=True).n_written == 100


def test_a_conversion_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    src, dst = tmp_path / "a.h5", tmp_path / "b.aedat"
    write_hdf5(src, [batch_of([5, 9], sensor=SensorSize(241, 180))], SensorSize(241, 180))
    with pytest.raises(ConfigError, match=r"b\.aedat.*241x180") as caught:
        convert(src, dst)
    assert ".aedat4" in str(caught.value.hint)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5"]


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="suffix") as caught:
        convert(tmp_path / "a.bin", tmp_path / "b.xyz")
    assert ".aedat" in str(caught.value.hint)


def test_real_recordings_are_described(real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_info(Info(real_data / "formats/tonic_sample_nmnist.bin", json=True)) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n_events"], found["t_first_us"], found["t_last_us"]) == (4_325, 654, 311_175)
    assert run_info(Info(real_data / "dvs128_objects/mug.aedat", json=True)) == 0
    assert json.loads(capsys.readouterr().out)["n_events"] == 351_217
