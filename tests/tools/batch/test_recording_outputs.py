"""Truths about runs of evaluate and calibrate: they go on, say what is unfinished, and change no figure."""

import csv
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from copied_digits import copied_digits

from spikecut.pipeline.outputs_file import load_outputs
from spikecut.tools.batch.passes import outputs_work
from spikecut.tools.batch.run_folder.parquet import Kinds, Table
from spikecut.tools.batch.run_folder.parts import write_part
from spikecut.tools.cli import main

N = 40


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten drawings, four times: five batches."""
    return copied_digits(tmp_path_factory, N // 10)


@pytest.fixture(scope="module")
def whole(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation that nothing stopped."""
    out = tmp_path_factory.mktemp("evaluations") / "whole"
    assert evaluate(digits, out) == 0
    return out


def evaluate(data: Path, out: Path, *more: str) -> int:
    return main(["evaluate", str(data), "--part", "all", "--out", str(out), *more])


def interrupting(monkeypatch: pytest.MonkeyPatch, at: int) -> list[str]:
    """Interrupts the process when so many parts are about to be written; the keys of those that were."""
    written: list[str] = []

    def write(folder: Path, key: str, table: Table, kinds: Kinds) -> None:
        written.append(key)
        if len(written) == at:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)  # the signal comes before it is over
        write_part(folder, key, table, kinds)

    monkeypatch.setattr(outputs_work, "write_part", write)
    return written


def figures(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "evaluation.json").read_text())
    return {name: value for name, value in document.items() if name not in ("command", "files")}


def test_an_interrupted_evaluation_goes_on_and_has_the_same_figures(
    digits: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "evaluation"
    written = interrupting(monkeypatch, 3)
    assert evaluate(digits, out) == 130
    assert f"{out}: 16 of {N} are done. This goes on from there:\n  spikecut evaluate" in capsys.readouterr().err
    assert evaluate(digits, tmp_path / "partial", "--cutoff", "ltt") == 0  # another folder is another run
    partial = tmp_path / "of what is done"
    assert evaluate(out, partial) == 0
    assert f"16 of its {N} recordings are done" in capsys.readouterr().err
    assert figures(partial)["unfinished"] == {"n_done": 16, "n_items": N}
    assert main(["why", str(out), "--cutoff", "topk-2pt", "--json"]) == 0
    captured = capsys.readouterr()
    assert f"an unfinished run: 16 of its {N} recordings are done" in captured.err
    assert {one["full_window"] for one in json.loads(captured.out)["wrong"]["topk-2pt"]} <= set("0123456789")
    assert main(["report", str(out)]) == 0
    assert f"(unfinished: 16 of {N} recordings)" in (out / "report.html").read_text()
    capsys.readouterr()
    assert main(["report", "--compare", str(out), str(whole)]) == 0
    assert "ltt-2pt              n 16  right +0.0" in capsys.readouterr().out
    assert main(["calibrate", str(out), "--rule", "fixed", "--out", str(tmp_path / "cutoffs")]) == 2
    assert "an unfinished run: 16 of its 40 recordings are done" in capsys.readouterr().err
    n_before = len(written)
    assert evaluate(digits, out) == 0
    assert len(written) == n_before + 3
    outputs, same = (load_outputs(folder / "outputs.npz")[0].outputs for folder in (out, whole))
    assert np.array_equal(outputs, same)
    assert figures(out) == figures(whole)
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*(path.name for path in whole.iterdir()), "report.html", *(path.name for path in out.glob("*.png"))]
    )


def test_cutoffs_are_the_same_from_a_run_that_is_kept_and_from_the_folder(
    digits: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = ["--rule", "topk", "fixed", "--part", "all", "--out"]
    assert main(["calibrate", str(digits), *fit, str(tmp_path / "one")]) == 0
    assert main(["calibrate", str(digits), "--keep", str(tmp_path / "run"), *fit, str(tmp_path / "two")]) == 0
    assert main(["calibrate", str(tmp_path / "run"), *fit, str(tmp_path / "three")]) == 0
    for name in ("nmnist.topk-2pt.json", "nmnist.fixed-2pt.json"):
        one, two, three = (json.loads((tmp_path / each / name).read_text()) for each in ("one", "two", "three"))
        assert one == two
        assert three["decider"] == one["decider"]
        assert three["reference"]["events_per_bin"] == one["reference"]["events_per_bin"]
    assert evaluate(tmp_path / "run", tmp_path / "evaluation") == 0
    assert (tmp_path / "evaluation" / "decisions.csv").read_bytes() == (whole / "decisions.csv").read_bytes()


def test_a_run_of_replay_is_compared_with_an_evaluation(
    digits: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["replay", str(digits), "--out", str(run), "--timed", "0"]) == 0
    capsys.readouterr()
    assert main(["report", "--compare", str(run), str(whole)]) == 0
    assert (
        f"ltt-2pt              n {N}  right +0.0 (+0.0 to +0.0) points  time +0 (+0 to +0) ms"
        in capsys.readouterr().out
    )
    rows = {(row["rule"], row["recording"]): row for row in _rows(whole)}
    assert main(["why", str(run), "--json"]) == 0
    wrong = json.loads(capsys.readouterr().out)["wrong"]
    assert wrong["topk-2pt"]
    for one in wrong["topk-2pt"]:
        row = rows["topk-2pt", one["recording"]]
        assert (one["truth"], one["answer"], one["ms"]) == (row["truth"], row["answer"], float(row["ms"]))
    assert len(wrong["topk-2pt"]) == sum(r["rule"] == "topk-2pt" and r["truth"] != r["answer"] for r in rows.values())
    assert main(["why", str(run), "--cutoff", "topk-2pt"]) == 0
    assert "of them right after the full window" in capsys.readouterr().out
    assert main(["why", str(run), "--save", "why.png"]) == 2
    assert main(["report", str(run)]) == 2
    assert "a run of replay, which keeps no outputs at every step" in capsys.readouterr().err


def _rows(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "decisions.csv").read_text().splitlines()))


def test_an_evaluation_that_is_replaced_begins_anew_where_the_data_has_changed(digits: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "evaluation"
    shutil.copytree(digits, data)
    with pytest.MonkeyPatch.context() as monkeypatch:
        interrupting(monkeypatch, 3)
        assert evaluate(data, out) == 130
    shutil.rmtree(data / "4")
    assert evaluate(data, out) == 2
    assert evaluate(data, out, "--overwrite") == 0
    assert figures(out)["n"] == N - 4


@pytest.mark.slow
def test_two_processes_record_what_one_does(digits: Path, whole: Path, tmp_path: Path) -> None:
    assert evaluate(digits, tmp_path / "two", "--jobs", "2") == 0
    assert figures(tmp_path / "two") == figures(whole)


def test_kept_outputs_say_of_which_part_they_are_when_another_is_asked_for(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = "outputs.npz holds the part all of its data, not test"
    for part, noted in (("test", True), ("all", False)):
        words = ["evaluate", str(whole / "outputs.npz"), "--part", part, "--out", str(tmp_path / part)]
        assert main(words) == 0
        assert (note in capsys.readouterr().err) == noted
