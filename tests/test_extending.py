"""What docs/extending.md says is done: each kind of thing is added from outside and used by the command line."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikecut
from spikecut import open_recording
from spikecut.models.architectures import ARCHITECTURES
from spikecut.models.cells import CELLS
from spikecut.models.engines import ENGINES, Engine
from spikecut.models.engines.norse import NetworkStepper
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.filters import FILTERS
from spikecut.sources.datasets import DATASETS, kind_of
from spikecut.sources.datasets.class_folders import list_recordings
from spikecut.sources.formats import FORMATS, known_formats
from spikecut.sources.formats.atis import write_atis
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.cli import main
from spikecut.tools.views import VIEWS

from network_contracts import check_cell, check_network, small_specs
from source_contract import DATA, check_source

PAGE = Path(__file__).parent.parent / "docs" / "extending.md"


def recipe(section: str) -> list[str]:
    """The Python of one section of the page, block by block."""
    (text,) = re.findall(rf"^## {section}$(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def add(section: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Does what a section says, in an empty folder: writes its module, and adds its row."""
    module, row = recipe(section)
    (tmp_path / f"{name}.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(compile(row, str(PAGE), "exec"), {})


# --- a file format ---


@pytest.fixture
def toy_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    add("A file format", "toy_format", tmp_path, monkeypatch)
    yield
    del FORMATS["toy"]


@pytest.mark.usefixtures("toy_format")
def test_a_format_of_one_s_own_is_written_described_and_converted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(DATA / "tiny.aedat"), "a.toy"]) == 0
    assert main(["convert", "a.toy", "b.h5"]) == 0
    tiny = check_source(open_recording(DATA / "tiny.aedat"))
    assert check_source(open_recording("a.toy")) == check_source(open_recording("b.h5")) == tiny
    capsys.readouterr()
    assert main(["info", "a.toy", "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["format"], about["sensor"], about["n_events"]) == ("toy", [128, 128], len(tiny.t))
    assert "toy (.toy)" in known_formats()


@pytest.mark.usefixtures("toy_format")
def test_a_network_decides_on_a_format_of_one_s_own_and_damage_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    rng, n = np.random.default_rng(0), 6_000
    rows = zip(np.sort(rng.integers(0, 300_000, n)), *rng.integers(40, 90, (2, n)), rng.integers(0, 2, n), strict=True)
    lines = [f"{t} {x} {y} {p}\n" for t, x, y, p in rows]
    Path("a.txt").write_text("".join(lines))
    assert main(["convert", "a.txt", "a.toy", "--columns", "txyp", "--sensor", "128x128"]) == 0
    Path("a.toy").write_bytes(Path("a.toy").read_bytes()[:-5])
    assert main(["info", "a.toy", "--json"]) == 3
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["damage"][0]["cause"] == "cut_off"
    assert main(["run", "a.toy", "--model", "gestures", "--json"]) == 3


@pytest.mark.usefixtures("toy_format")
def test_class_folders_list_a_format_of_one_s_own(tmp_path: Path) -> None:
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "a.toy").write_bytes(b"TOY!")
    assert [recording.name for recording in list_recordings(tmp_path)] == ["left/a.toy"]


# --- a filter ---


@pytest.fixture
def toy_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    add("A filter", "border", tmp_path, monkeypatch)
    yield
    del FILTERS["border"]


@pytest.mark.usefixtures("toy_filter")
def test_a_filter_of_one_s_own_filters_by_its_word_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = (
        np.concatenate([getattr(batch, axis) for batch in open_recording(DATA / "tiny.aedat")]) for axis in ("x", "y")
    )
    inside = (x >= 8) & (x < 120) & (y >= 8) & (y < 120)
    filtered = list(spikecut.filtered(open_recording(DATA / "tiny.aedat"), ["border:8"]))
    assert np.concatenate([batch.x for batch in filtered]).tolist() == x[inside].tolist()
    assert sum(batch.lost.events_by_cause().get("filtered", 0) for batch in filtered) == (~inside).sum()
    assert 0 < inside.sum() < len(x)
    assert main(["convert", str(DATA / "tiny.aedat"), "a.h5", "--filter", "border:8"]) == 0
    assert sum(map(len, open_recording("a.h5"))) == inside.sum()
    capsys.readouterr()
    assert main(["convert", str(DATA / "tiny.aedat"), "b.h5", "--filter", "border:wide"]) == 2
    assert "expected border:4" in capsys.readouterr().err
    assert main(["convert", str(DATA / "tiny.aedat"), "b.h5", "--filter", "border:64"]) == 2
    assert "leaves nothing of 128x128" in capsys.readouterr().err


# --- a command ---


def call(script: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a script of a user."""
    command = [sys.executable, str(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_command_is_one_module_and_one_row(tmp_path: Path) -> None:
    script, config = tmp_path / "count.py", tmp_path / "run.toml"
    tiny = str(DATA / "tiny.bin")
    (source,) = recipe("A command")
    script.write_text(source, encoding="utf-8")
    config.write_text("[count]\njson = true\n")
    code, out, error = call(script, "count", tiny, "--config", str(config))
    assert code == 0
    assert error.startswith(f"note: {tiny}: an ATIS .bin file states no sensor")
    n_events = json.loads(out)["events"]
    assert n_events > 0
    assert call(script, "count", tiny)[:2] == (0, f"{n_events} events\n")
    assert call(script, "cuont", tiny)[2] == "error: no command 'cuont'\nhint: did you mean 'count'?\n"
    assert call(script, "count", tiny, "--jsn")[2].endswith("hint: did you mean '--json'?\n")
    code, out, error = call(script, "--help")
    assert "Count the events in a recording." in out
    code, out, error = call(script, "count", "--help")
    assert (code, error) == (0, "")
    assert "$ spikecut count walking.aedat" in out
    config.write_text("[count]\njsom = true\n")
    code, out, error = call(script, "count", tiny, "--config", str(config))
    assert (code, error) == (2, f"error: {config}: count.jsom: no such key; did you mean 'json'?\n")


# --- a view ---


@pytest.fixture
def toy_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    add("A view", "toy_view", tmp_path, monkeypatch)
    yield
    del VIEWS["letters"]


@pytest.mark.usefixtures("toy_view")
def test_a_view_of_one_s_own_shows_a_run_and_changes_no_decision(capsys: pytest.CaptureFixture[str]) -> None:
    write_digits(Path(), 1, seed=0)
    words = ["run", "0/drawn_000.bin", "--model", "nmnist", "--json"]
    assert main(words) == 0
    without = capsys.readouterr().out
    assert main([*words, "--view", "letters=out.txt"]) == 0
    assert capsys.readouterr().out == without
    (steps,) = [json.loads(line)["steps"] for line in without.splitlines()]
    assert re.fullmatch(rf"drawn_000\.bin 0 s{{{steps}}}D\.* 1\n", Path("out.txt").read_text())
    assert main([*words, "--view", "letters=out.txt"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*words, "--view", "letters"]) == 2
    assert "--view letters=out.txt" in capsys.readouterr().err


# --- a data set ---


def test_a_data_set_of_one_s_own_is_checked_by_its_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What else it is used by, with the module of the page: tests/sources/datasets/test_toy_dataset.py."""
    (row,) = recipe("A data set")
    (tmp_path / "tiny.bin").write_bytes((DATA / "tiny.bin").read_bytes())
    (tmp_path / "labels.csv").write_text("tiny.bin,tiny,test\n")
    exec(compile(row, str(PAGE), "exec"), {})
    try:
        assert kind_of(tmp_path) == "files with labels.csv"
        assert main(["data", "check", str(tmp_path), "--read"]) == 0
    finally:
        del DATASETS["files with labels.csv"]
    assert "sound: 1 recordings of 1 classes" in capsys.readouterr().out


# --- a cell, an architecture, an engine ---

NETWORK_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "A cell": (CELLS, "soft"),
    "An architecture": (ARCHITECTURES, "shallow"),
    "An engine": (ENGINES, "double"),
}


@pytest.fixture
def toy_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    for section in NETWORK_ROWS:
        module, row = recipe(section)
        (tmp_path / f"toy_{section.split()[1]}.py").write_text(module)
        exec(compile(row, str(PAGE), "exec"), {})
    yield
    for section, (table, name) in NETWORK_ROWS.items():
        del table[name]
        del sys.modules[f"toy_{section.split()[1]}"]


def write_corners(folder: Path) -> None:
    """Noise, with more events in the left or the right half of an 8 x 8 sensor: 120 ms a recording."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("calibration", 10), ("test", 4)):
        for label, name in enumerate(("left", "right")):
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                t, x = np.sort(rng.integers(0, 120_000, 300)), rng.integers(0, 8, 300)
                x = np.where(rng.random(300) < 0.7, x % 4 + 4 * label, x).astype(np.uint16)
                y, p = rng.integers(0, 8, 300).astype(np.uint16), rng.integers(0, 2, 300).astype(np.uint8)
                batch = EventBatch(t, x, y, p, 0, 120_000, SensorSize(8, 8))
                write_atis(folder / part / name / f"{i:02d}.bin", [batch])


def toy_recipe(architecture: str) -> str:
    return f"""
title = "Halves of a small sensor"
sensor = [8, 8]
licence = "drawn for the tests"
attribution = "nobody's"
[network]
architecture = "{architecture}"
channels = [4]
step_us = 10_000
[training]
window = 12
batch_size = 8
"""


@pytest.mark.usefixtures("toy_networks")
@pytest.mark.parametrize("architecture", ["compact:soft", "shallow", "shallow:soft"])
def test_cells_and_architectures_of_ones_own_are_trained_calibrated_and_run(
    architecture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_corners(tmp_path / "data")
    (tmp_path / "toy.toml").write_text(toy_recipe(architecture))
    assert main(["train", "toy.toml", "--data", "data", "--out", "out", "--epochs", "2"]) == 0
    model = ["--model", "out/toy.safetensors"]
    fit = ["--rule", "confidence", "--tolerance", "0.05", "--or-never"]
    assert main(["calibrate", "data", *model, *fit]) == 0
    capsys.readouterr()
    stream = "data/test/left/00.bin"
    assert main(["run", stream, *model, "--cutoff", "confidence-5pt", "--once", "--json"]) == 0
    assert 1 <= json.loads(capsys.readouterr().out.splitlines()[0])["steps"] <= 12
    network, card = spikecut.load_network("out/toy.safetensors")
    by_double, _ = spikecut.load_network("out/toy.safetensors", engine="double")
    assert card.spec.architecture == architecture
    frames = list(spikecut.CountBinner(SensorSize(8, 8), 10_000).bins(open_recording(stream, sensor=SensorSize(8, 8))))
    *_, one = spikecut.run(frames, network, spikecut.never(12), horizon=12)
    *_, other = spikecut.run(frames, by_double, spikecut.never(12), horizon=12)
    assert isinstance(one, spikecut.Decision)
    assert isinstance(other, spikecut.Decision)
    assert one.label == other.label
    np.testing.assert_allclose(one.total, other.total, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("toy_networks")
def test_cells_architectures_and_engines_of_ones_own_inherit_the_contracts(tmp_path: Path) -> None:
    check_cell("soft")
    first, *_, last = small_specs("shallow")
    for spec in (first, last, replace(first, architecture="shallow:soft")):
        check_network(spec, tmp_path)  # kept, and loaded with every engine


@pytest.mark.usefixtures("toy_networks")
def test_commands_step_with_the_engine_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row in the place of the default is what commands step with."""
    steps = []

    class Counted(NetworkStepper):
        def step(self, frames: Any, state: Any) -> Any:
            steps.append(len(frames))
            return super().step(frames, state)

    monkeypatch.setitem(ENGINES, "auto", Engine(Counted, "counts its steps"))
    write_corners(Path("data"))
    Path("toy.toml").write_text(toy_recipe("shallow"))
    assert main(["train", "toy.toml", "--data", "data", "--out", "out", "--epochs", "1"]) == 0
    assert main(["calibrate", "data", "--model", "out/toy.safetensors", "--rule", "fixed", "--or-never"]) == 0
    assert sum(steps) >= 20 * 12
