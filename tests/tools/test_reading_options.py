"""Truths about the options of reading: every command that reads recordings has them, and they mean the same in each."""

import json
import typing
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.clock import TimeUnit
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.filters.flip import Flip
from spikecut.pipeline.filters.noise import Noise
from spikecut.sources.datasets.base import FrameSpec
from spikecut.sources.datasets.gesture_session import Session
from spikecut.sources.formats.atis import write_atis
from spikecut.sources.formats.base import OnDamage, ReadOptions, TextLayout
from spikecut.sources.formats.hdf5_writer import write_hdf5
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.cli import main
from spikecut.tools.commands import COMMANDS
from spikecut.tools.flags import flags_of
from spikecut.tools.options import DamageOptions, FileOptions, ReadingOptions
from spikecut.tools.reading_options import read_options

from source_contract import DVS128, WRITERS, pattern

STRETCHES = (
    "run",
    "live",
    "send",
    "label",
    "replay",
    "info",
    "convert",
    "cut",
    "policy",
    "calibrate",
    "evaluate",
    "cost",
)
WHOLE = ("why", "train", "recipe", "teach")


def test_every_command_that_reads_recordings_has_the_options() -> None:
    reading = {name for name, kind in COMMANDS.items() if issubclass(kind, DamageOptions)}
    assert reading == {*STRETCHES, *WHOLE, "data"}
    assert {name for name in reading if issubclass(COMMANDS[name], ReadingOptions)} == set(STRETCHES)
    assert {name for name in reading if issubclass(COMMANDS[name], FileOptions)} == {*STRETCHES, *WHOLE}


@pytest.mark.parametrize("name", [*STRETCHES, *WHOLE])
def test_the_own_flags_of_a_command_come_first(name: str) -> None:
    flags = [flag.field for flag in flags_of(COMMANDS[name])]
    inherited = [flag.field for flag in flags_of(FileOptions)]
    assert flags[0] in ("file", "folder", "source", "streams", "recipe")
    assert [field for field in flags if field in inherited] == inherited
    assert len(set(flags)) == len(flags)


def test_choices_are_those_of_the_readers() -> None:
    by_name = {flag.field: flag for flag in flags_of(FileOptions)}
    assert set(by_name["time_unit"].choices) == set(typing.get_args(TimeUnit))
    assert by_name["on_damage"].choices == typing.get_args(OnDamage)


def test_flags_become_options_of_reading() -> None:
    flags = ReadingOptions(
        sensor="34x20",
        columns="txyp",
        time_unit="s",
        camera=2,
        start=0.5,
        duration=1e-6,
        on_damage="refuse",
        filter=("flip:x", "noise:5ms"),
    )
    layout = TextLayout("txyp", "s")
    filters = (Flip("x"), Noise(5_000))
    assert read_options(flags) == ReadOptions(SensorSize(34, 20), 65_536, layout, 2, 500_000, 1, "refuse", filters)
    assert read_options(ReadingOptions()) == ReadOptions()
    assert read_options(ReadingOptions(time_unit="us")).text == TextLayout(None, "us")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("run x --on-damage ignore", "--on-damage 'ignore': expected one of salvage, refuse"),
        ("info x --duration 0", "--duration '0': expected a number of 1e-06 or more"),
        ("replay x --start -1", "--start '-1': expected a number of 0 or more"),
        ("convert a b --camera -1", "--camera '-1': expected a whole number of 0 or more"),
        ("data check x --start 1", "spikecut data: no flag '--start'"),
    ],
)
def test_a_value_that_cannot_be_is_refused(words: str, error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    assert capsys.readouterr().err.startswith(f"error: {error}")


def test_config_files_have_the_inherited_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_hdf5(tmp_path / "a.h5", [pattern(1_000)], DVS128)
    (tmp_path / "c.toml").write_text('[info]\nstart = 0.0005\non_damage = "refuse"\njson = true\n')
    assert main(["info", str(tmp_path / "a.h5"), "--config", str(tmp_path / "c.toml")]) == 0
    batch = pattern(1_000)
    assert json.loads(capsys.readouterr().out)["n_events"] == int((batch.t >= batch.t[0] + 500).sum())


def damaged(folder: Path) -> Path:
    path = folder / "damaged.aedat"
    WRITERS["aedat2"](path, [pattern(500)])
    path.write_bytes(path.read_bytes()[:-3])
    return path


@pytest.mark.parametrize(
    "words", [["info"], ["convert", "out.h5"], ["run", "--model", "gestures"], ["why", "--model", "gestures"]]
)
def test_damage_is_refused_by_every_command_where_it_is_wanted(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path, (command, *rest) = damaged(tmp_path), words
    assert main([command, str(path), *rest, "--on-damage", "refuse"]) == 4
    error = capsys.readouterr().err
    assert "the file ends inside a record" in error
    assert "--on-damage salvage" in error
    assert not (tmp_path / "out.h5").exists()


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "digits"
    write_digits(folder, 10, seed=0)
    victim = next((folder / "3").iterdir())
    victim.write_bytes(victim.read_bytes()[:-2])
    return folder


@pytest.mark.parametrize(("mode", "n", "word"), [("salvage", 10, "damaged: "), ("refuse", 9, "quarantined: ")])
def test_replay_counts_a_damaged_recording_or_leaves_it_out(
    digits: Path, mode: str, n: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["replay", str(digits), "--model", "nmnist", "--cutoff", "none", "--on-damage", mode, "--json"]
    assert main(command) == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["n"] == n
    (line,) = [line for line in err.splitlines() if line.startswith(word)]
    assert "/3/" in line


@pytest.mark.parametrize(("mode", "usable"), [("salvage", 10), ("refuse", 9)])
def test_data_check_counts_what_can_be_used(
    digits: Path, mode: str, usable: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", str(digits), "--read", "--on-damage", mode, "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["counts"]["recordings"]["all"] == usable


def test_a_stretch_of_every_recording_is_replayed(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["replay", str(digits), "--model", "nmnist", "--cutoff", "none", "--json", "--duration", "0.05"]
    assert main(command) == 0  # the damage lies behind the stretch
    (row, *_) = json.loads(capsys.readouterr().out)["rules"]
    assert row["mean_steps"][0] <= 6


def test_a_stretch_of_a_session_is_counted_from_each_gesture(tmp_path: Path) -> None:
    t = np.arange(0, 100_000, 100)
    zeros = np.zeros(len(t), np.uint16)
    batch = EventBatch(t, zeros, zeros, zeros.astype(np.uint8), 0, 100_000, DVS128)
    WRITERS["aedat3"](tmp_path / "user01_led.aedat", [batch])
    rows = "class,startTime_usec,endTime_usec\n1,10000,30000\n2,50000,60000\n"
    (tmp_path / "user01_led_labels.csv").write_text(rows)
    session = Session(tmp_path / "user01_led.aedat", 1, "led", "train")
    clips = [clip for _, clip in session.clips(ReadOptions(start_us=5_000, duration_us=6_000))]
    assert [(int(clip.t[0]), int(clip.t[-1])) for clip in clips] == [(15_000, 20_900), (55_000, 59_900)]


def test_a_view_reads_with_the_sensor_of_the_network_unless_another_is_given() -> None:
    view = FrameSpec("events", DVS128, DVS128, 1_000, 3)
    assert view.read_options == ReadOptions(DVS128, 16_384)
    given = ReadOptions(SensorSize(10, 10), on_damage="refuse", duration_us=5_000)
    assert FrameSpec("events", DVS128, DVS128, 1_000, 3, reading=given).read_options == ReadOptions(
        SensorSize(10, 10), 1_024, on_damage="refuse", duration_us=5_000
    )


def test_run_reads_text_with_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = pattern(300)
    path = tmp_path / "a.txt"
    rows = zip(batch.t.tolist(), batch.x.tolist(), batch.y.tolist(), batch.p.tolist(), strict=True)
    path.write_text("".join(f"{t} {x} {y} {p}\n" for t, x, y, p in rows))
    write_atis(tmp_path / "a.bin", [batch], DVS128)
    results = []
    for name, flags in (("a.txt", ["--columns", "txyp"]), ("a.bin", [])):
        command = ["run", str(tmp_path / name), "--model", "gestures", "--sensor", "128x128", "--json", *flags]
        assert main(command) == 0
        results.append(capsys.readouterr().out)
    assert results[0] == results[1]
