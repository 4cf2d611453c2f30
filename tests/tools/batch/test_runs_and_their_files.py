"""Truths about finished runs whose files are touched later: nothing is lost without a word, old answers stay old."""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.batch.passes import replay_work
from spikecut.tools.batch.run_folder import parts
from spikecut.tools.batch.run_folder.folder import unfinished
from spikecut.tools.batch.run_folder.parquet import Table
from spikecut.tools.cli import main

N = 20


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten drawings, twice, in `data`, and their run in `run`: three parts."""
    folder = tmp_path_factory.mktemp("finished")
    for path in write_digits(folder / "drawn", 10, seed=3):
        for copy in "ab":
            target = folder / "data" / path.parent.name / f"{copy}.bin"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    assert replayed(folder) == 0
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def replayed(folder: Path, *more: str) -> int:
    words = ["replay", str(folder / "data"), "--out", str(folder / "run"), "--cutoff", "topk-2pt", "--timed", "0"]
    return main([*words, *more])


def test_a_part_that_is_lost_after_the_run_makes_it_unfinished_for_all_who_read_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = folder / "run"
    lost = min((run / "parts").iterdir())
    n_lost = pd.read_parquet(lost)["item_id"].nunique()
    lost.unlink()
    assert unfinished(run) == (N - n_lost, N)
    capsys.readouterr()
    assert main(["why", str(run)]) == 0
    assert f"an unfinished run: {N - n_lost} of its {N} recordings are done" in capsys.readouterr().err
    assert main(["results", str(run), "--csv", str(folder / "rows.csv")]) == 0
    assert f"is unfinished: {N - n_lost} of {N} recordings are done" in capsys.readouterr().err

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(replay_work, "write_part", killed)
        assert replayed(folder) == 130
    assert not (run / "_SUCCESS").exists()
    assert replayed(folder) == 0
    assert lost.is_file()
    assert unfinished(run) is None


def test_a_run_of_outputs_that_lost_a_part_is_not_calibrated_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, fit = folder / "outputs", ["--rule", "fixed", "--part", "all", "--force", "--out"]
    assert main(["calibrate", str(folder / "data"), "--keep", str(run), *fit, str(folder / "one")]) == 0
    min((run / "parts").iterdir()).unlink()
    assert main(["calibrate", str(run), *(word for word in fit if word != "--force"), str(folder / "two")]) == 2
    assert "an unfinished run" in capsys.readouterr().err


def test_a_table_of_rows_has_each_recording_once_and_none_of_another_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, table = folder / "run", folder / "rows.csv"
    whole = pd.read_parquet(run / "parts")
    some = max((run / "parts").iterdir(), key=lambda path: path.stat().st_size)
    rows = parts.read_part(some, parts.KINDS)
    half = {name: list(values)[:2] for name, values in rows.columns.items()}
    parts.write_part(run / "parts", "0" * 16, Table(half))
    parts.write_part(run / "parts", "1" * 16, Table({**half, "item_id": ["elsewhere"] * 2}))
    capsys.readouterr()
    assert main(["results", str(run), "--csv", str(table)]) == 0
    assert capsys.readouterr().err.count("passed over") == 2
    written = pd.read_csv(table)
    assert not written.duplicated(["item_id", "rule"]).any()
    assert set(written["item_id"]) == set(whole["item_id"])


def test_a_file_with_other_content_of_the_same_size_is_refused_and_a_copy_is_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((folder / "run" / "parts").iterdir())
    for path in (folder / "data").glob("*/*.bin"):
        os.utime(path, ns=(1, 1))  # copied without its time
    assert replayed(folder) == 0
    changed = folder / "data" / "0" / "a.bin"
    data = bytearray(changed.read_bytes())
    data[0] ^= 1
    changed.write_bytes(data)
    capsys.readouterr()
    assert replayed(folder) == 2
    assert "0/a.bin has other content (1 such)" in capsys.readouterr().err
    assert replayed(folder, "--retry-quarantined") == 2
    assert sorted((folder / "run" / "parts").iterdir()) == before


def test_other_rules_are_refused_by_their_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["replay", str(folder / "data"), "--out", str(folder / "run"), "--timed", "0", "--cutoff", "ltt-2pt"]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert "rules: " in err
    assert "ltt-2pt now only" in err
    assert "topk-2pt there only" in err
    assert json.loads((folder / "run" / "run.json").read_text())["answers"]["rules"].keys() >= {"topk-2pt"}


def test_a_run_inside_the_folder_of_the_data_goes_on(folder: Path) -> None:
    words = ["replay", str(folder / "data"), "--cutoff", "none", "--timed", "0", "--out", str(folder / "data" / "run")]
    assert main(words) == 0
    min((folder / "data" / "run" / "parts").iterdir()).unlink()
    assert main(words) == 0
    assert unfinished(folder / "data" / "run") is None


def test_a_name_that_is_no_text_is_a_recording_like_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, name = folder / "data", os.fsdecode(b"f\xfcnf.bin")
    try:
        shutil.copy(data / "5" / "a.bin", data / "5" / name)
    except OSError:
        pytest.skip("this file system has no such names")
    words = [str(data), "--part", "all", "--out"]
    assert main(["replay", *words, str(folder / "more"), "--cutoff", "none", "--timed", "0"]) == 0
    assert "5/f\\udcfcnf.bin" in set(pd.read_parquet(folder / "more" / "parts")["item_id"])
    assert main(["replay", *words, str(folder / "more"), "--cutoff", "none", "--timed", "0"]) == 0
    assert main(["evaluate", *words, str(folder / "evaluation")]) == 0
    capsys.readouterr()
    assert main(["why", str(folder / "evaluation"), "--json"]) == 0
    wrong = json.loads(capsys.readouterr().out)["wrong"]
    assert all(one["full_window"] for rows in wrong.values() for one in rows)


def test_cutoffs_of_a_kept_run_know_its_recordings_again_where_some_were_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "data" / "3" / "empty.bin").write_bytes(b"")
    run, cutoffs = folder / "kept", folder / "cutoffs"
    calibrate = ["calibrate", str(folder / "data"), "--keep", str(run), "--rule", "topk", "--part", "all"]
    assert main([*calibrate, "--out", str(cutoffs)]) == 3
    for data in (folder / "data", run):
        out = folder / f"evaluation of {data.name}"
        cutoff = str(cutoffs / "nmnist.topk-2pt.json")
        assert main(["evaluate", str(data), "--part", "all", "--cutoff", cutoff, "--out", str(out)]) == 3
        assert "fitted on these very recordings" in capsys.readouterr().err


def test_of_a_run_that_really_stopped_nothing_is_claimed_about_the_full_window(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(folder / "stopped")
    assert main(["replay", str(folder / "data"), "--out", run, "--stop", "topk-2pt"]) == 0
    capsys.readouterr()
    assert main(["why", run]) == 0
    out = capsys.readouterr().out
    assert "topk-2pt: " in out
    assert "right after the full window" not in out
