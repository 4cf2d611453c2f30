"""Truths about run folders: whatever stops a run, the same command ends it, and each recording is in it once."""

import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from copied_digits import copied_digits

from spikecut.pipeline.errors import InUse
from spikecut.tools.batch.passes import course, replay_work
from spikecut.tools.batch.passes.batches import batches_of
from spikecut.tools.batch.run_folder import lock, parquet
from spikecut.tools.batch.run_folder.parts import KINDS, read_part, rounded, write_part
from spikecut.tools.cli import main

from full_disk import full_disk

N = 40


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten drawings, four times: five batches."""
    return copied_digits(tmp_path_factory, N // 10)


@pytest.fixture(scope="module")
def whole(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The parts of a run that nothing stopped."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert replayed(digits, out) == 0
    return parts(out)


def replayed(data: Path, out: Path, *more: str) -> int:
    return main(["replay", str(data), "--out", str(out), "--cutoff", "ltt", "topk", "--timed", "0", *more])


def parts(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "parts").iterdir())}


def counts(out: Path) -> Mapping[str, int]:
    """What `_SUCCESS` says, checked against the parts and the quarantine."""
    success = json.loads((out / "_SUCCESS").read_text())
    assert {name: hashlib.sha256(data).hexdigest() for name, data in parts(out).items()} == success["parts"]
    rows = pd.read_parquet(out / "parts")
    assert not rows.duplicated(["item_id", "rule"]).any()
    quarantine = out / "quarantine.jsonl"
    faults = (
        [json.loads(line)["item_id"] for line in quarantine.read_text().splitlines()] if quarantine.exists() else []
    )
    manifest = pd.read_parquet(out / "manifest.parquet")
    assert sorted([*rows["item_id"].unique(), *faults]) == sorted(manifest["item_id"])
    return {name: success[name] for name in ("n_items", "n_done", "n_quarantined")}


def test_a_run_folder_is_read_with_two_lines_of_pandas(digits: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert replayed(digits, out) == 0
    assert counts(out) == {"n_items": N, "n_done": N, "n_quarantined": 0}
    rows = pd.read_parquet(out / "parts")
    assert set(rows["rule"]) == {"none", "8 steps", "ltt", "4 steps", "topk"}
    full = rows[rows["rule"] == "none"]
    assert [classes.argmax() for classes in np.stack(full["logits"].to_numpy())] == [int(one) for one in full["pred"]]
    assert rows[rows["rule"] != "none"]["logits"].isna().all()
    assert set(full["sha256"]) == {
        hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in digits.glob("*/*.bin")
    }
    assert (rows["t_dec_us"] == 10_000 * rows["steps"]).all()
    assert parts(out) == whole


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["2", "3"])
def test_parts_are_the_same_bytes_for_any_number_of_workers(
    digits: Path, whole: dict[str, bytes], tmp_path: Path, jobs: str
) -> None:
    assert replayed(digits, tmp_path / "run", "--jobs", jobs) == 0
    assert parts(tmp_path / "run") == whole


def test_parts_are_the_same_bytes_for_any_order_and_number_of_lanes(
    digits: Path, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "batches_of", lambda *about: reversed(list(batches_of(*about))))
    assert replayed(digits, tmp_path / "reversed", "--batch-size", "3") == 0
    assert parts(tmp_path / "reversed") == whole


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_far_it_came_and_goes_on(
    digits: Path,
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    written, out = [], tmp_path / "run"

    def write(folder: Path, key: str, table: parquet.Table) -> None:
        written.append(key)
        if len(written) == 3:
            os.kill(os.getpid(), number)
            time.sleep(1)  # the signal comes before it is over
        write_part(folder, key, table)

    monkeypatch.setattr(replay_work, "write_part", write)
    assert replayed(digits, out) == 128 + number
    err = capsys.readouterr().err
    assert f"{out}: 16 of {N} are done. This goes on from there:\n  spikecut replay {digits}" in err
    assert not (out / "_SUCCESS").exists()
    assert not (out / "lock").exists()
    assert replayed(digits, out) == 0
    assert len(written) == 3 + 3  # the one that was interrupted, and two more
    assert counts(out)["n_done"] == N
    assert parts(out) == whole


def test_a_driver_that_is_killed_half_way_loses_and_repeats_nothing(digits: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    for copy in range(5):
        shutil.copytree(digits, data, dirs_exist_ok=True, copy_function=_as(copy))
    words = ["replay", str(data), "--out", str(out), "--cutoff", "none", "--timed", "0"]
    driver = subprocess.Popen([sys.executable, "-m", "spikecut", *words], stderr=subprocess.DEVNULL)
    while len(list((out / "parts").glob("part-*"))) < 3:
        assert driver.poll() is None
        time.sleep(0.002)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    before = parts(out)
    assert 3 <= len([name for name in before if name.startswith("part-")]) < 25
    assert (out / "lock").exists()
    assert main(words) == 0
    assert counts(out) == {"n_items": 5 * N, "n_done": 5 * N, "n_quarantined": 0}
    events = [json.loads(line) for line in (out / "events.log.jsonl").read_text().splitlines()]
    keys = [event["part"] for event in events if event["event"] == "part"]
    assert len(keys) == len(set(keys))
    assert [event["took_over"]["pid"] for event in events if "took_over" in event] == [driver.pid]


def _as(copy: int) -> Callable[[str, str], object]:
    return lambda source, target: shutil.copy(source, Path(target).with_stem(f"{Path(target).stem}_{copy}"))


def test_a_damaged_part_is_done_again(digits: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert replayed(digits, out) == 0
    cut, flipped, empty, *_ = sorted((out / "parts").iterdir())
    data = bytearray(flipped.read_bytes())
    data[len(data) // 4] ^= 1
    cut.write_bytes(cut.read_bytes()[:-9])
    flipped.write_bytes(data)
    empty.write_bytes(b"")
    (out / "parts" / ".part-0.parquet.elsewhere-1.tmp").write_bytes(b"half")
    assert replayed(digits, out) == 0
    assert parts(out) == whole
    assert counts(out)["n_done"] == N


def test_of_a_batch_that_was_done_whole_and_in_halves_one_is_kept(
    digits: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert replayed(digits, out) == 0
    part = next((out / "parts").iterdir())
    columns = read_part(part, KINDS).columns
    half = {name: values[: len(values) // 2] for name, values in columns.items()}
    write_part(out / "parts", "0123456789abcdef", parquet.Table(half))
    assert replayed(digits, out) == 0
    assert parts(out) == whole


def test_a_full_disk_ends_a_run_that_goes_on_when_there_is_room(
    digits: Path, whole: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    with full_disk(3_000):  # enough for the manifest, too little for a part
        assert replayed(digits, out) == 5
    assert "cannot be written" in capsys.readouterr().err
    assert not any((out / "parts").iterdir())
    assert not (out / "_SUCCESS").exists()
    assert replayed(digits, out) == 0
    assert parts(out) == whole


def test_a_second_driver_is_refused_and_a_dead_one_taken_over(digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    program = (
        "import sys, pathlib; from spikecut.tools.batch.run_folder.lock import driver_of\n"
        f"with driver_of(pathlib.Path({str(out)!r})): print('mine', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert first.stdout is not None
    first.stdout.readline()
    assert replayed(digits, out) == 5
    with pytest.raises(InUse, match=f"process {first.pid} on .* is writing this run"), lock.driver_of(out):
        pass
    first.kill()
    first.communicate()
    with lock.driver_of(out) as before:
        assert before["pid"] == first.pid
        with pytest.raises(InUse, match=f"process {os.getpid()}"), lock.driver_of(out):
            pass
    (out / "lock").write_text(json.dumps({"pid": 1, "host": "another machine", "start": "then"}))
    with pytest.raises(InUse, match="process 1 on another machine") as error, lock.driver_of(out):
        pass
    assert error.value.hint is not None
    assert str(out / "lock") in error.value.hint


def test_another_configuration_or_other_data_is_not_mixed_into_a_run(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    shutil.copytree(digits, data)
    assert replayed(data, out) == 0
    assert replayed(data, out, "--engine", "norse", "--duration", "0.2") == 2
    err = capsys.readouterr().err
    assert "engine: auto there, norse now; reading: as the files say there, duration_us 200000 now" in err
    assert main(["replay", str(data), "--out", str(out), "--cutoff", "ltt", "--timed", "0"]) == 2
    assert "rules: " in capsys.readouterr().err
    shutil.copy(data / "0" / "0.bin", data / "0" / "new.bin")
    assert replayed(data, out) == 2
    assert "0/new.bin has come (1 such)" in capsys.readouterr().err
    (data / "0" / "new.bin").unlink()
    moved = tmp_path / "moved"
    data.rename(moved)
    assert replayed(moved, out) == 0  # where the data lies changes no answer
    (moved / "0" / "0.bin").write_bytes((moved / "0" / "0.bin").read_bytes()[:-50])
    assert replayed(moved, out) == 2
    assert "0/0.bin has another size or label (1 such)" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "diary.txt").write_text("mine")
    assert replayed(moved, tmp_path / "other") == 2
    assert "holds something else than a run" in capsys.readouterr().err


def test_what_cannot_be_read_is_left_out_once_and_tried_again_when_that_is_wanted(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    shutil.copytree(digits, data)
    dangling, folder, cut, text = (data / "4" / f"{n}.bin" for n in range(4))
    dangling.unlink()
    dangling.symlink_to("../.git/annex/objects/none.bin")
    folder.unlink()
    folder.mkdir()
    cut.write_bytes(cut.read_bytes()[:-2])
    text.write_text("Not found\n" * 20)
    (data / "5" / "0.bin").write_bytes(b"")
    assert replayed(data, out) == 3
    assert counts(out) == {"n_items": N, "n_done": N - 4, "n_quarantined": 4}
    err = capsys.readouterr().err
    assert err.count("quarantined: ") == 4
    assert f"damaged: {cut}: 1 events lost" in err
    rows = pd.read_parquet(out / "parts")
    assert set(rows[rows["partial"]]["item_id"]) <= {"4/2.bin"}
    before = (out / "quarantine.jsonl").read_bytes()
    assert replayed(data, out) == 3
    assert (out / "quarantine.jsonl").read_bytes() == before
    (data / "5" / "0.bin").write_bytes((data / "5" / "1.bin").read_bytes())
    assert replayed(data, out, "--retry-quarantined") == 3
    assert counts(out) == {"n_items": N, "n_done": N - 3, "n_quarantined": 3}


def test_only_labels_are_computed_where_only_one_rule_is_wanted(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["replay", str(digits), "--json", "--timed", "0"]
    assert main([*words, "--cutoff", "ltt"]) == 0
    every = {row["rule"]: row for row in json.loads(capsys.readouterr().out)["rules"]}
    assert main([*words, "--stop", "ltt", "--out", str(tmp_path / "run")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["stopped_by"] == "ltt"
    (row,) = report["rules"]
    same = ("rule", "accuracy", "n_right", "executed_steps")
    assert [row[name] for name in same] == [every["ltt"][name] for name in same]
    assert row["mean_ms"][0] == every["ltt"]["mean_ms"][0]
    assert row["loss_points"] is None
    assert counts(tmp_path / "run")["n_done"] == N
    assert set(pd.read_parquet(tmp_path / "run" / "parts")["rule"]) == {"ltt"}
    assert main([*words, "--stop", "ltt", "--cutoff", "topk"]) == 2


def test_the_rows_of_a_run_are_written_as_csv_whether_it_is_finished_or_not(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, table = tmp_path / "run", tmp_path / "rows.csv"
    assert replayed(digits, out) == 0
    capsys.readouterr()
    assert main(["results", str(out), "--csv", str(table)]) == 0
    assert capsys.readouterr() == (f"{table}\n", "")
    rows = pd.read_csv(table, dtype={"label": str, "pred": str})
    kept = pd.read_parquet(out / "parts").drop(columns="logits")
    both = [one.sort_values(["item_id", "rule"]).reset_index(drop=True) for one in (rows, kept)]
    pd.testing.assert_frame_equal(*both, check_dtype=False, rtol=1e-5)
    (out / "_SUCCESS").unlink()
    next((out / "parts").iterdir()).unlink()
    assert main(["results", str(out), "--csv", str(table), "--overwrite"]) == 0
    assert f"{out} is unfinished: 32 of {N} recordings are done, 0 left out" in capsys.readouterr().err
    assert len(pd.read_csv(table)) == 32 * 5
    assert main(["results", str(digits), "--csv", str(tmp_path / "none.csv")]) == 2


def test_without_pyarrow_nothing_is_kept_and_the_error_says_what_to_install(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(parquet, "import_module", missing)
    assert replayed(digits, tmp_path / "run") == 5
    assert "pip install 'spikecut[replay]'" in capsys.readouterr().err
    assert main(["replay", str(digits), "--cutoff", "none", "--timed", "0"]) == 0


def test_time_saved_is_measured_by_stopping_on_a_sample_whose_size_is_said(
    digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(digits), "--cutoff", "ltt", "--timed", "10", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["n"], report["n_timed"], report["n_unlike"]) == (N, 10, 0)
    assert all(row["wall_s"] > 0 for row in report["rules"])
    assert main(["replay", str(digits), "--cutoff", "ltt", "--timed", "10"]) == 0
    assert "really stopped on 10 of them" in capsys.readouterr().out


def test_rounded_figures_do_not_show_the_order_of_a_sum() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1_000, 30)).astype(np.float32)
    there, back = values.sum(axis=1), values[:, ::-1].cumsum(axis=1)[:, -1]
    assert (there != back).any()
    assert (rounded(there) != rounded(back)).mean() < 0.02
    assert np.array_equal(rounded(np.array([np.nan, np.inf, 0.0])), [np.nan, np.inf, 0.0], equal_nan=True)


def test_the_division_into_batches_does_not_depend_on_what_is_done() -> None:
    @dataclasses.dataclass(frozen=True, eq=False)
    class Member:
        source: object

    sources = [object() for _ in range(40)]
    members: Any = [Member(source) for source in sources for _ in range(11)]  # sessions of eleven gestures
    ids = [f"{n:03}" for n in range(len(members))]
    batches = list(batches_of("key", ids, members))
    assert sorted(item for batch in batches for item in batch.items) == ids
    assert batches != sorted(batches, key=lambda batch: batch.items)  # what is done early is no class alone
    assert all(len(batch.items) % 11 == 0 for batch in batches)
    done = {item for batch in batches[::2] for item in batch.items}
    assert list(batches_of("key", ids, members, done)) == batches[1::2]
    (rest,) = batches_of("key", ids, members, set(ids) - {"007", "005"})
    assert rest.items == ("005", "007")
