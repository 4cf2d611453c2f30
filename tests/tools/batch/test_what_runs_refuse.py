"""Truths about run folders that are damaged, given in another's place, or where nothing can be written any more."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from spikecut.models.files import opening
from spikecut.pipeline.errors import ConfigError
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.batch.network_choice import network_for_data
from spikecut.tools.batch.run_folder.folder import unfinished
from spikecut.tools.cli import main
from spikecut.tools.reports import comparison
from spikecut.tools.reports.run_results import Answered

from full_disk import full_disk

pytest.importorskip("pyarrow")
N = 10
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten drawings in `data`, their answers in `run` and their outputs in `outputs`."""
    folder = tmp_path_factory.mktemp("finished")
    write_digits(folder / "data", N, seed=3)
    assert replayed(folder) == 0
    words = ["calibrate", str(folder / "data"), "--keep", str(folder / "outputs"), "--rule", "topk", "--part", "all"]
    assert main([*words, "--out", str(folder / "cutoffs")]) == 0
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(finished, tmp_path / "copy", symlinks=True))


def replayed(folder: Path, *more: str, run: str = "run") -> int:
    words = ["replay", str(folder / "data"), "--out", str(folder / run), "--cutoff", "topk-2pt", "--timed", "0"]
    return main([*words, *more])


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"junk")], ids=["missing", "junk"])
def test_a_manifest_that_is_gone_or_damaged_is_named_with_what_to_do(
    folder: Path, damage: Callable[[Path], object], capsys: Captured
) -> None:
    manifest = folder / "run" / "manifest.parquet"
    damage(manifest)
    for words in (["why", str(folder / "run")], ["results", str(folder / "run"), "--csv", str(folder / "a.csv")]):
        assert main(words) == 4
        err = capsys.readouterr().err
        assert str(manifest) in err
        assert "expected the list of the run's recordings" in err
        assert "give another run folder, or move" in err
    assert replayed(folder) == 4
    assert "expected the list of the run's recordings" in capsys.readouterr().err
    assert not (folder / "a.csv").exists()


def test_a_run_in_the_place_of_data_is_refused_and_its_own_data_named(folder: Path, capsys: Captured) -> None:
    run = folder / "run"
    assert main(["replay", str(run)]) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert f"{run}: a run folder, which holds answers; expected recordings" in err
    assert f"--out {run} goes on with it" in err


def test_one_file_in_the_place_of_data_is_refused(folder: Path, capsys: Captured) -> None:
    file = min((folder / "data").glob("3/*.bin"))
    for more in ([], ["--model", "nmnist"]):
        assert main(["replay", str(file), *more]) == 2
        err = capsys.readouterr().err
        assert f"{file}: one file; expected a folder of <class>/<recording>" in err
        assert f"spikecut run {file}" in err
    assert main(["evaluate", str(file), "--out", str(folder / "e")]) == 4
    assert "outputs.npz of an evaluation, or a folder of <class>/<recording>" in capsys.readouterr().err


def test_runs_of_two_commands_do_not_share_a_folder(folder: Path, capsys: Captured) -> None:
    fit = ["--rule", "topk", "--part", "all", "--out", str(folder / "more")]
    assert main(["calibrate", str(folder / "data"), "--keep", str(folder / "run"), *fit]) == 2
    err = capsys.readouterr().err
    assert "a run of replay --out; expected a new folder, or a run of outputs" in err
    assert "rules" not in err
    assert replayed(folder, run="outputs") == 2
    assert "a run of outputs (evaluate --out, calibrate --keep); expected" in capsys.readouterr().err


def test_a_network_that_cannot_be_opened_is_named_with_the_cause(folder: Path, capsys: Captured) -> None:
    data = folder / "data"
    shutil.copy(opening.SHIPPED / "nmnist.safetensors", data / "mine.safetensors")
    (data / "mine.json").write_text("{}")
    network_for_data(None, data)
    assert "passed over: " in (err := capsys.readouterr().err)
    assert "mine.safetensors cannot be opened: " in err
    (data / "3").rename(data / "three")
    with pytest.raises(ConfigError, match="no network here knows its classes") as error:
        network_for_data(None, data)
    assert "mine.safetensors cannot be opened: " in str(error.value.hint)


def test_weights_without_a_card_are_no_matter_where_another_network_fits(folder: Path, capsys: Captured) -> None:
    shutil.copy(opening.SHIPPED / "nmnist.safetensors", folder / "data" / "other.safetensors")
    network_for_data(None, folder / "data")
    assert "passed over" not in capsys.readouterr().err


def test_a_finished_run_is_reported_again_on_a_full_disk(folder: Path, capsys: Captured) -> None:
    capsys.readouterr()
    assert replayed(folder) == 0
    before, log = capsys.readouterr().out, (folder / "run" / "events.log.jsonl").read_bytes()
    with full_disk(1):
        assert replayed(folder) == 0
    assert capsys.readouterr().out == before
    assert (folder / "run" / "events.log.jsonl").read_bytes() == log
    assert unfinished(folder / "run") is None
    min((folder / "run" / "parts").iterdir()).unlink()
    with full_disk(1):
        assert replayed(folder) == 5
    assert "cannot be written" in capsys.readouterr().err


def test_a_finished_run_is_reported_again_where_nothing_may_be_written(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def read_only(path: str, flags: int, *more: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(30, "Read-only file system", path)
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", read_only)
    assert replayed(folder) == 0
    (folder / "run" / "_SUCCESS").unlink()
    assert replayed(folder) == 5
    assert "read-only file system" in capsys.readouterr().err


def test_a_second_process_is_refused_a_finished_run_too(folder: Path, capsys: Captured) -> None:
    (folder / "run" / "lock").write_text(json.dumps({"pid": 1, "host": "another machine"}))
    assert replayed(folder) == 5
    assert "is writing this run" in capsys.readouterr().err


def test_why_says_where_there_is_nothing_to_show(folder: Path, capsys: Captured) -> None:
    run = folder / "run"
    assert main(["why", str(run), "--cutoff", "nonsense"]) == 2
    assert "no answers of nonsense" in capsys.readouterr().err
    for part in (run / "parts").iterdir():
        part.unlink()
    for words in (["why", str(run)], ["why", str(run), "--json"], ["report", "--compare", str(run), str(run)]):
        assert main(words) == 2
        assert "nothing is done yet in this run" in capsys.readouterr().err


def test_why_prints_no_table_without_rows(folder: Path, capsys: Captured) -> None:
    for part in (folder / "data").glob("*/*.bin"):  # one class, and one answer that is right after all steps
        if part.parent.name != "1":
            shutil.rmtree(part.parent)
    assert (
        main(["replay", str(folder / "data"), "--out", str(folder / "one"), "--stop", "none", "--model", "nmnist"]) == 0
    )
    capsys.readouterr()
    assert main(["why", str(folder / "one")]) == 0
    assert capsys.readouterr().out == "none: none wrong of 1\n"


def test_runs_of_moved_data_are_compared_by_the_places_of_recordings(folder: Path, capsys: Captured) -> None:
    (folder / "data").rename(folder / "moved")
    words = ["replay", str(folder / "moved"), "--out", str(folder / "second"), "--cutoff", "topk-2pt", "--timed", "0"]
    assert main(words) == 0
    capsys.readouterr()
    assert main(["report", "--compare", str(folder / "run"), str(folder / "second")]) == 0
    out = capsys.readouterr().out
    assert f"n {N}  right +0.0 (+0.0 to +0.0) points" in out
    assert f"paired by their places in {json.loads((folder / 'run' / 'run.json').read_text())['data']} and " in out
    assert main(["evaluate", str(folder / "moved"), "--part", "all", "--out", str(folder / "evaluation")]) == 0
    capsys.readouterr()
    assert main(["report", "--compare", str(folder / "run"), str(folder / "evaluation")]) == 0
    assert f"n {N}  right +0.0 (+0.0 to +0.0) points" in capsys.readouterr().out


def test_places_that_show_other_classes_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = {
        "a": [Answered("topk", "old/x.bin", "cat", "cat", 10.0), Answered("topk", "old/y.bin", "cat", "dog", 20.0)],
        "b": [Answered("topk", "new/x.bin", "cat", "dog", 10.0), Answered("topk", "new/y.bin", "dog", "dog", 20.0)],
    }
    monkeypatch.setattr(comparison, "answers_of", lambda run, seed: iter(runs[run.name]))
    monkeypatch.setattr(comparison, "_data_of", lambda run: {"a": "old", "b": "new"}[run.name])
    with pytest.raises(ConfigError, match=r"a and b are of other recordings: y\.bin shows cat and dog"):
        comparison.compared(Path("a"), Path("b"), 0)
    del runs["a"][1]
    assert "topk                 n 1  right -100.0" in comparison.compared(Path("a"), Path("b"), 0)


@pytest.mark.parametrize("content", [b"hello, this is text\n" * 40, b"", bytes(range(256)) * 4], ids=repr)
def test_junk_that_is_named_like_a_recording_is_left_out_and_counts_as_damaged(
    folder: Path, content: bytes, capsys: Captured
) -> None:
    (folder / "data" / "3" / "junk.bin").write_bytes(content)
    assert replayed(folder, run="more") == 3
    assert f"quarantined: {folder / 'data' / '3' / 'junk.bin'}: " in capsys.readouterr().err
    success = json.loads((folder / "more" / "_SUCCESS").read_text())
    assert (success["n_items"], success["n_done"], success["n_quarantined"]) == (N + 1, N, 1)


@pytest.fixture
def broken(folder: Path) -> Path:
    """A network whose outputs are not finite, as it is stored beside the data."""
    network = folder / "broken.py"
    network.write_text(
        "import norse.torch as snn\nimport torch\nfrom spikecut import SensorSize, from_norse\n"
        "class Broken(torch.nn.Module):\n"
        "    def forward(self, frames, state=None):\n"
        "        return torch.where(frames.sum((1, 2, 3), keepdim=True) > 200, torch.inf, frames), state\n"
        "net = snn.SequentialState(torch.nn.Flatten(), torch.nn.Linear(2 * 34 * 34, 10), snn.LICell())\n"
        "net = snn.SequentialState(Broken(), *net.children())\n"
        "torch.nn.init.ones_(net[2].weight)\n"
        "network = from_norse(net, classes=list('0123456789'), step_us=10_000, sensor=SensorSize(34, 34), horizon=30)\n"
    )
    return network


def test_a_run_whose_outputs_are_not_finite_is_never_a_finished_one(
    folder: Path, broken: Path, capsys: Captured
) -> None:
    words = ["calibrate", str(folder / "data"), "--model", str(broken), "--rule", "topk", "--part", "all"]
    for _ in range(2):
        assert main([*words, "--keep", str(folder / "kept"), "--out", str(folder / "more")]) == 2
        assert "the network's output is not finite" in capsys.readouterr().err
        assert not (folder / "kept" / "_SUCCESS").exists()
    assert main(["calibrate", str(folder / "kept"), *words[2:], "--force", "--out", str(folder / "more")]) == 2
    assert "the network's output is not finite" in capsys.readouterr().err
