"""An evaluation is one set of files: mixtures, damage and other types of fields are refused by all who read it."""

import csv
import json
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from compatibility.observed import NETWORK, RUN

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.tools.cli import main
from spikecut.tools.reports.evaluation_file import FILES, check_shown, read_costs, read_evaluation

from mutants import as_json, of_json, refused_or_usable

WRITTEN = ("evaluation.json", *FILES)
RULES = ("topk-5pt", "fixed-5pt")


def evaluate(outputs: Path, out: Path, *more: str) -> int:
    return main(["evaluate", str(outputs), "--model", str(NETWORK), "--out", str(out), "--cutoff", *RULES, *more])


@pytest.fixture(scope="module")
def evaluations(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two evaluations of one network on different recordings."""
    folder = tmp_path_factory.mktemp("evaluations")
    assert evaluate(RUN / "calibration.npz", folder / "one") == 0
    assert evaluate(RUN / "evaluation" / "outputs.npz", folder / "other") == 0
    return folder / "one", folder / "other"


def _killed_before(n: int, out: Path) -> None:
    """Evaluates, and ends without a word, as by a kill, before the rename number `n` to a name of the set."""
    rename, left = Path.replace, iter(range(n))

    def replace(self: Path, target: Any) -> Path:
        if Path(target).name in WRITTEN and next(left, None) is None:
            os._exit(9)
        return rename(self, target)

    Path.replace = replace  # type: ignore[method-assign, assignment]
    os._exit(evaluate(RUN / "evaluation" / "outputs.npz", out, "--overwrite"))


@pytest.mark.parametrize("described", [True, False])
def test_an_evaluation_killed_between_two_renames_is_believed_by_nobody(
    described: bool, evaluations: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = evaluations
    believed = []
    for n in range(len(WRITTEN) + 1):
        out = tmp_path / str(n)
        shutil.copytree(one, out)
        if not described:  # as evaluations were before they described their files
            path = out / "evaluation.json"
            path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "files"}))
        before = path.read_bytes() if not described else (one / "evaluation.json").read_bytes()
        process = multiprocessing.get_context("fork").Process(target=_killed_before, args=(n, out))
        process.start()
        process.join()
        assert process.exitcode == (9 if n < len(WRITTEN) else 0)
        capsys.readouterr()
        if believes := main(["report", str(out)]) == 0:
            believed.append(n)
            untouched = (out / "evaluation.json").read_bytes() == before
            expected = one if untouched else other
            for name in FILES:
                assert (out / name).read_bytes() == (expected / name).read_bytes()
        assert (main(["report", "--compare", str(out), str(out)]) == 0) == believes
    assert believed == [0, len(WRITTEN)]


def test_files_of_two_evaluations_are_refused_by_report_results_and_compare(
    evaluations: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = evaluations
    run = tmp_path / "run"
    shutil.copytree(RUN, run)
    shutil.rmtree(run / "evaluation")
    for name in FILES:
        shutil.copytree(one, run / "evaluation")
        shutil.copy(other / name, run / "evaluation" / name)
        for words in (
            ["report", str(run / "evaluation")],
            ["results", str(run)],
            ["report", "--compare", str(one), str(run / "evaluation")],
        ):
            assert main(words) == 2, words
            assert "evaluation.json beside it was written with" in capsys.readouterr().err
        shutil.rmtree(run / "evaluation")


def test_an_evaluation_that_describes_no_files_is_read_as_before() -> None:
    evaluation = read_evaluation(RUN / "evaluation")
    assert "files" not in evaluation
    check_shown(RUN / "evaluation", evaluation)


@pytest.mark.parametrize("name", ["evaluation/evaluation.json", "cost.json"])
@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", "", "{", "\ud800".encode("utf-8", "surrogatepass"), "{}"])
def test_what_is_no_evaluation_or_cost_is_refused_in_our_words(
    name: str, text: str | bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(RUN, tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["results", str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert Path(name).name in message
    assert "Error" not in message and "object has no attribute" not in message  # noqa: PT018


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": "0"}, "seed: expected a whole number"),
        ({"rules": [{"name": "a"}]}, "rules[0].fixed_steps is missing"),
        ({"rules": 3}, "rules: expected a list"),
        ({"version": True}, "of another kind or version"),
        ({"files": {"../x": "0"}}, "no evaluation writes '../x'"),
        ({"model": 3}, "model: expected a text"),
    ],
)
def test_an_evaluation_says_which_field_is_wrong(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    raw = json.loads((RUN / "evaluation" / "evaluation.json").read_text())
    (tmp_path / "evaluation.json").write_text(json.dumps({**raw, **change}))
    with pytest.raises(ModelError) as caught:
        read_evaluation(tmp_path)
    assert said in str(caught.value)


def test_a_damaged_evaluation_is_refused_or_shown(tmp_path: Path) -> None:
    raw = json.loads((RUN / "evaluation" / "evaluation.json").read_text())
    path = tmp_path / "evaluation.json"
    _, refused = refused_or_usable(
        path, as_json(of_json(raw, 200, 12)), lambda file: check_shown(file.parent, read_evaluation(file.parent))
    )
    assert refused > 20


def test_a_damaged_cost_is_refused_or_read(tmp_path: Path) -> None:
    raw = json.loads((RUN / "cost.json").read_text())
    _, refused = refused_or_usable(tmp_path / "cost.json", as_json(of_json(raw, 200, 13)), read_costs)
    assert refused > 20
    path = tmp_path / "cost.json"
    path.write_text(json.dumps({**raw, "rules": [{**raw["rules"][0], "ms": "1"}]}))
    with pytest.raises(ConfigError, match=r"rules\[0\].ms: expected a number"):
        read_costs(path)


def test_decisions_that_are_no_table_of_all_recordings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(RUN, tmp_path / "run")
    path = tmp_path / "run" / "evaluation" / "decisions.csv"
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    for text, said in (
        ("rule,step\nx,one\n", "no table of decisions"),
        ("\n".join(",".join(row) for row in rows[:-1]), "answers of"),
    ):
        path.write_text(text)
        assert main(["results", str(tmp_path / "run")]) == 2
        assert said in capsys.readouterr().err
