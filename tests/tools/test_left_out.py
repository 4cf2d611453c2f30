"""Truths about what a crop or a filter leaves out: it is counted, printed, and an empty view is no silence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats.hdf5_writer import write_hdf5
from spikecut.tools.cli import main
from spikecut.tools.recordings.judged_info import judgement_lines

DAVIS = SensorSize(240, 180)
N = 60_000


@pytest.fixture(scope="module")
def davis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bar that moves over the sensor for 1.6 s."""
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, 1_600_000, N))
    x = (120 + 96 * np.sin(t / 150_000) + rng.integers(-6, 6, N)).astype(np.uint16)
    y, p = rng.integers(0, 180, N).astype(np.uint16), rng.integers(0, 2, N).astype(np.uint8)
    path = tmp_path_factory.mktemp("davis") / "a.h5"
    write_hdf5(path, [EventBatch(t, x, y, p, 0, 1_600_000, DAVIS)], DAVIS)
    return path


@pytest.mark.parametrize(
    ("flags", "causes"),
    [
        ([], ["outside_crop"]),
        (["--once"], ["outside_crop"]),
        (["--fit", "squeeze"], []),
        (["--fit", "0,0,1x1"], ["outside_crop"]),
        (["--filter", "polarity:on", "--fit", "squeeze"], ["polarity"]),
        (["--filter", "noise:1ms", "crop:0,0,128x128"], ["noise", "outside_crop"]),
    ],
)
def test_run_counts_what_was_left_out(
    flags: list[str], causes: list[str], davis: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(davis), "--model", "gestures", "--json", *flags]) == 0
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("left out: ")]
    assert len(lines) == bool(causes)
    counts = {
        word.split()[1]: int(word.split()[0].replace(",", "")) for line in lines for word in line[10:].split(", ")
    }
    assert list(counts) == causes
    (totals,) = (line for line in err.splitlines() if line.startswith("spikecut HDF5"))
    n_used = int(totals.split(" events")[0].split()[-1])
    assert "--once" in flags or n_used + sum(counts.values()) == N
    objects = [json.loads(line) for line in out.splitlines()]
    objects = [one.get("summary", one) for one in objects]
    assert all(list(one.get("dropped", {})) == causes for one in objects)
    assert objects or not causes or n_used
    if "--once" in flags:
        assert objects[-1]["dropped"] == counts


@pytest.mark.parametrize(
    ("command", "window", "n_notes"),
    [("run", "0,0,1x1", 1), ("why", "0,0,1x1", 1), ("run", "20,0,60x2", 1), ("run", "0,0,200x150", 0)],
)
def test_a_crop_that_leaves_almost_nothing_is_noted(
    command: str, window: str, n_notes: int, davis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--save", str(tmp_path / "why.png")] if command == "why" else []
    main([command, str(davis), "--model", "gestures", "--fit", window, *more])
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note:")]
    assert len(notes) == n_notes
    assert all("the crop keeps " in note for note in notes)


@pytest.mark.parametrize("command", ["run", "why", "info"])
def test_an_empty_fit_is_refused(command: str, davis: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(davis), "--model", "gestures", "--fit", ""]) == 2
    assert "expected crop, squeeze or a window X,Y,WxH" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("25 to 50 %", "nothing unusual"),
        ("at 99 %", "nothing unusual"),
        (
            "above 99 %",
            "nothing far off; the rate hz is above 99 % of the calibration recordings, by less than a factor 2",
        ),
    ],
)
def test_the_judgement_agrees_with_the_places_shown(place: str, sentence: str) -> None:
    likeness = {"rate_hz": {"value": 1.0, "place": place, "like": True}}
    judgement: dict[str, Any] = {"model": "a", "fit": "whole", "reference": "b", "likeness": likeness, "findings": []}
    assert [line for line in judgement_lines(judgement) if "judgement" in line] == [f"  judgement {sentence}"]


def test_a_large_sensor_that_no_header_states_is_fitted_and_a_small_one_is_the_network_s(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def text(name: str, sensor: SensorSize) -> str:
        rng, path = np.random.default_rng(0), tmp_path / name
        columns = np.sort(rng.integers(0, 10**6, 3_000)), *(rng.integers(0, n, 3_000) for n in (*_sides(sensor), 2))
        np.savetxt(path, np.stack(columns, 1), "%d")
        return str(path)

    flags = ["--model", "gestures", "--columns", "txyp", "--time-unit", "us"]
    assert main(["run", text("large.txt", SensorSize(640, 480)), *flags]) == 0
    shown = capsys.readouterr()
    assert "text (t x y p, t in us, sensor inferred) 640x480" in shown.err
    assert "640x480 recording, 128x128 frames" in shown.err
    assert main(["run", text("small.txt", SensorSize(100, 90)), *flags]) == 0
    shown = capsys.readouterr()
    assert "128x128  3000 events" in shown.err
    assert "inferred from its pixels" not in shown.err


def _sides(sensor: SensorSize) -> tuple[int, int]:
    return sensor.width, sensor.height
