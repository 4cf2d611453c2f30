"""A data set from outside is one module and one row, and works by the command line."""

import json
from pathlib import Path

import pytest

from spikecut.sources.datasets import DATASETS, DatasetKind
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve drawn digits in one folder, and the row."""
    row = DatasetKind("toy_dataset", "events", "recordings", "recordings beside labels.csv")
    monkeypatch.setitem(DATASETS, "files with labels.csv", row)
    write_digits(tmp_path / "digits", 12, seed=0)
    (tmp_path / "files").mkdir()
    lines = []
    for i, path in enumerate(sorted((tmp_path / "digits").glob("*/*.bin"))):
        path.rename(tmp_path / "files" / path.name)
        lines.append(f"{path.name},{path.parent.name},{('train', 'calibration', 'test')[i % 3]}\n")
    (tmp_path / "files" / "labels.csv").write_text("".join(lines))
    return tmp_path / "files"


def test_it_is_replayed_and_evaluated(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(folder), "--model", "nmnist", "--part", "test", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["n"], report["part"], report["n_trained_on"]) == (4, "test", 0)
    assert main(["evaluate", str(folder), "--model", "nmnist", "--part", "all", "--out", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["n"] == 12


def test_its_check_and_description_follow_from_the_row(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(folder), "--read", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"].startswith("sound: 12 recordings of ")
    assert found["counts"]["recordings"] == {"train": 4, "calibration": 4, "test": 4, "all": 12}
    assert main(["data", "check", str(folder)]) == 0
    assert "a folder with labels.csv" in capsys.readouterr().out
    assert main(["info", str(folder)]) == 0
    assert "train 4, calibration 4, test 4, all 12" in capsys.readouterr().out


def test_a_file_of_it_that_is_missing_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = sorted(folder.glob("*.bin"))[2]
    gone.unlink()
    assert main(["data", "check", str(folder), "--read"]) == 3
    assert f"{gone.name}: No such file or directory" in capsys.readouterr().out
