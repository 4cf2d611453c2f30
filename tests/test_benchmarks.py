"""Every benchmark of engines and streams runs, tiny, and prints what it measured; no time is looked at."""

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks import drift, end_to_end, engines, live, rehearsal, replay, soak, startup, stopping, streams

import spikecut
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.aedat3 import write_aedat3
from spikecut.sources.simulation.drawn_digits import write_digits


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """The rows that a benchmark printed as JSON."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def recording(folder: Path) -> Path:
    """A second of random events of a DVS128, as AEDAT 3.1. Seeded."""
    rng, n, file = np.random.default_rng(0), 20_000, folder / "events.aedat"
    t, (x, y) = np.sort(rng.integers(0, 1_000_000, n)), rng.integers(0, 128, (2, n)).astype(np.uint16)
    p = rng.integers(0, 2, n).astype(np.uint8)
    write_aedat3(file, [EventBatch(t, x, y, p, 0, 1_000_000, SensorSize(128, 128))])
    return file


def test_streams_takes_more_and_more_streams(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    streams.main(
        [str(recording(tmp_path)), "--quick", "--json", "--seconds", "0.2", "--counts", "2", "3", "--clock", "cpu"]
    )
    assert [row["streams"] for row in rows(capsys)] == [2, 3]


def test_end_to_end_compares_the_labels_of_the_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.npy"
    parts = [batch.to_structured() for batch in spikecut.open_recording(recording(tmp_path))]
    np.save(file, np.concatenate(parts))
    end_to_end.main([str(file), "--json", "--rounds", "1"])
    script, to_horizon, stepped, _ = rows(capsys)
    assert script["labels"] == to_horizon["labels"] == stepped["labels"]
    assert script["steps"] == stepped["steps"] == 50


def test_live_raises_the_pace_up_to_the_knee(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    live.main([str(recording(tmp_path)), "--json", "--seconds", "0.3", "--start", "4", "--most", "8"])
    *played, last = rows(capsys)
    assert [row["speed"] for row in played][:2] == [4.0, 4.0]
    assert last["knee"] in (0.0, *(row["speed"] for row in played if row["kept_pace"]))


@pytest.mark.slow  # draws a session
def test_a_stream_that_is_repeated_goes_on_without_a_gap(capsys: pytest.CaptureFixture[str]) -> None:
    soak.main(["--hours", "0.05", "--json"])
    (row,) = rows(capsys)
    assert row["hours_of_stream"] == pytest.approx(0.05, abs=0.02)
    assert row["drift_of_the_sensors_clock_us"] == 0


@pytest.mark.slow  # draws a session
def test_drift_counts_the_answers_of_sessions(capsys: pytest.CaptureFixture[str]) -> None:
    drift.main(["--n", "1", "--only", "as drawn", "--json"])
    (row,) = rows(capsys)
    assert row["condition"] == "as drawn"
    assert row["people"] == 1
    assert row["answers"] != 0


@pytest.mark.slow  # processes that load everything
def test_startup_sees_a_line_before_a_decision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    startup.main([str(recording(tmp_path)), "--json", "--rounds", "1"])
    _, _, line, decision = rows(capsys)
    assert (line["what"], decision["what"]) == ("a line on the screen", "the first decision")


@pytest.mark.slow  # processes that load everything
def test_replay_and_rehearsal_print_what_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_digits(tmp_path, 40, seed=0)
    replay.main([str(tmp_path), "all", "--json", "--rounds", "1"])
    measured = rows(capsys)
    assert [row["part"] for row in measured] == ["workers", "overhead", "loop", "loop", "loop", "tiny", "tiny"]
    assert measured[3]["same_labels"] == 1
    rehearsal.main([str(tmp_path), "--model", "nmnist", "--json", "--jobs", "1"])
    assert [(row["rule"], row["n"], row["code"]) for row in rows(capsys)] == [("none", 40, 0), ("ltt", 40, 0)]


@pytest.mark.slow  # processes that load everything
def test_replay_of_a_long_recording_prints_its_memory(capsys: pytest.CaptureFixture[str]) -> None:
    replay.main(["--only", "long", "--json", "--quick", "--events", "3000"])
    measured = rows(capsys)
    assert [(row["events"], row["bytes"], row["code"]) for row in measured] == [
        (200, 1_000, 0),
        (3_000, 15_000, 0),
        (3_000, 15_000, 0),
    ]
    assert all(float(str(row["peak_mb"])) > 50 for row in measured)


def test_engines_compares_every_installed_engine(capsys: pytest.CaptureFixture[str]) -> None:
    engines.main(["--quick", "--json", "--case", "gestures, noise 1%"])
    work, *compared = rows(capsys)
    assert work["dense_operations"] == 9_912_832
    assert {"auto", "norse", "events", "dense", "Norse (peer)"} <= {row["engine"] for row in compared}


def test_stopping_saves_steps(capsys: pytest.CaptureFixture[str]) -> None:
    stopping.main(["--json", "--engine", "events", "--rounds", "1", "--each", "1"])
    row, _ = rows(capsys)
    assert isinstance(row["fewer_steps"], float)
    assert row["fewer_steps"] > 1
