"""Truths about shards of a run: joined they are the run that one command would have made, to the byte."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from copied_digits import copied_digits

from spikecut.tools.cli import main

pytest.importorskip("pyarrow")
N = 40
SAME = ("manifest.parquet", "_SUCCESS")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten drawings, four times: five batches. One recording cannot be read."""
    folder = copied_digits(tmp_path_factory, N // 10)
    (folder / "6" / "1.bin").write_bytes(b"")
    return folder


def replayed(data: Path, out: Path, *more: str) -> int:
    return main(["replay", str(data), "--out", str(out), "--cutoff", "ltt", "--timed", "0", *more])


def parts(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "parts").iterdir())}


@pytest.fixture(scope="module")
def whole(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one command."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert replayed(digits, out) == 3
    return out


@pytest.fixture(scope="module")
def shards(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same in three."""
    outs = [tmp_path_factory.mktemp("runs") / str(n) for n in (1, 2, 3)]
    codes = [replayed(digits, out, "--shard", f"{n}/3") for n, out in enumerate(outs, 1)]
    assert sorted(codes) == [0, 0, 3]
    return outs


def joined(runs: list[Path], out: Path) -> int:
    return main(["join", *map(str, runs), "--out", str(out)])


def test_joined_shards_are_the_run_of_one_command_to_the_byte(
    digits: Path, whole: Path, shards: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "joined"
    assert joined(shards[::-1], out) == 3
    streams = capsys.readouterr()
    assert (streams.out, streams.err) == (f"{out}\n", "40 recordings: 39 done, 1 left out, 0 to do\n")
    assert parts(out) == parts(whole)
    assert all((out / name).read_bytes() == (whole / name).read_bytes() for name in SAME)
    assert replayed(digits, out, "--json") == 3  # the unsharded command takes it for its own, and has nothing to do
    report = json.loads(capsys.readouterr().out)
    assert replayed(digits, whole, "--json") == 3
    assert report | {"run": ""} == json.loads(capsys.readouterr().out) | {"run": ""}
    assert parts(out) == parts(whole)


def test_a_shard_that_was_stopped_is_gone_on_with_before_or_after_the_join(
    digits: Path, whole: Path, shards: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped, out = tmp_path / "stopped", tmp_path / "joined"
    shutil.copytree(shards[1], stopped)
    lost = next((stopped / "parts").iterdir())
    lost.unlink()
    (stopped / "_SUCCESS").unlink()
    assert joined([shards[0], stopped, shards[2]], out) == 3
    err = capsys.readouterr().err
    assert " to do\n" in err
    assert f"without --shard and with --out {out}, goes on: spikecut replay {digits}" in err
    assert not (out / "_SUCCESS").exists()
    assert replayed(digits, out) == 3
    assert parts(out) == parts(whole)
    assert replayed(digits, stopped, "--shard", "2/3") in (0, 3)
    assert parts(stopped) == parts(shards[1])
    capsys.readouterr()
    assert replayed(digits, stopped, "--shard", "1/3") == 2
    assert "shard 2/3 of a run, not shard 1/3" in capsys.readouterr().err
    assert replayed(digits, stopped) == 2
    assert "shard 2/3 of a run, not the whole" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("which", "message"),
    [
        (lambda runs, whole: runs[:2], "shard 3/3 is missing"),
        (lambda runs, whole: [*runs, runs[0]], "shard 1/3 is given 2 times"),
        (lambda runs, whole: [*runs[:2], whole], "a whole run, not a shard"),
        (lambda runs, whole: [runs[0], whole.parent], "no run card"),
    ],
)
def test_what_are_not_all_shards_of_one_run_is_refused(
    which: Callable[[list[Path], Path], list[Path]],
    message: str,
    whole: Path,
    shards: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert joined(which(shards, whole), tmp_path / "joined") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "joined").exists()


@pytest.mark.slow
def test_shards_of_different_runs_are_not_mixed(
    digits: Path, shards: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    assert replayed(digits, other, "--shard", "2/3", "--duration", "0.2") in (0, 3)
    assert joined([shards[0], other, shards[2]], tmp_path / "joined") == 2
    assert "are shards of different runs: another reading" in capsys.readouterr().err
    halves = [tmp_path / "half1", tmp_path / "half2"]
    for n, half in enumerate(halves, 1):
        assert replayed(digits, half, "--shard", f"{n}/2") in (0, 3)
    assert joined([shards[0], halves[1]], tmp_path / "joined") == 2
    assert "other data, or another number of shards" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3"])
def test_a_shard_is_one_of_some(text: str, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(digits), "--shard", text]) == 2
    assert f"--shard {text}: expected I/N with I from 1 to N" in capsys.readouterr().err
    assert main(["replay", str(digits), "--shard", "6/6"]) == 2
    assert "these 40 recordings are 5 batches" in capsys.readouterr().err
