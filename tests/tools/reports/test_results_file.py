"""results.json: what runs have measured, kept without them."""

import json
from pathlib import Path
from typing import Any

import pytest
from compatibility.observed import RUN
from written_runs import write_run

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.intervals import Estimate
from spikecut.tools.cli import main
from spikecut.tools.reports.results import keep_results, page, results_of
from spikecut.tools.reports.results_file import RecipeResults, as_json, joined, read_results
from spikecut.tools.reports.results_page import printed
from spikecut.tools.reports.run_folders import runs_in

from mutants import as_json as in_bytes
from mutants import of_json, refused_or_usable


@pytest.fixture
def paired(tmp_path: Path) -> Path:
    """Runs of two methods on the same recordings, one with two seeds."""
    write_run(tmp_path / "a", 0, name="one")
    write_run(tmp_path / "b", 0, name="two", right=0.6)
    write_run(tmp_path / "b", 1, name="two", right=0.6)
    return tmp_path


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    """The file of a run that has everything a method can have."""
    document: dict[str, Any] = json.loads(as_json(results_of([*runs_in(RUN)], 0)))
    assert {"promised", "planned", "cost"} <= document["methods"][0].keys()
    return document


def test_a_file_prints_the_page_that_its_runs_print(paired: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [*runs_in(paired)]
    file = paired / "kept.json"
    assert main(["results", str(paired), "--json", "--out", str(file)]) == 0
    assert read_results(file) == results_of(runs, 0)
    assert printed(read_results(file), "x") == page(runs, "x", 0)
    capsys.readouterr()
    assert main(["results", str(file)]) == 0
    assert capsys.readouterr().out == page(runs, f"spikecut results {file}", 0)


def test_a_file_keeps_how_its_rows_came_about(tmp_path: Path) -> None:
    for seed in (0, 1):
        made = {"seconds": 40 + seed, "machine": "A, 1 threads", "commit": "abc", "date": "2026-01-31"}
        write_run(tmp_path, seed, provenance={**made, "data": "drawn: simulated"})
    (method,) = read_results(keep_results(tmp_path)).methods
    assert (method.made.n, method.made.seeds, method.made.seconds) == (30, (0, 1), (40, 41))
    assert (method.made.machine, method.made.commit, method.made.date) == ("A, 1 threads", "abc", "2026-01-31")
    assert (method.part, method.data, method.simulated) == ("test", "drawn: simulated", True)
    assert method.full_window.low < method.full_window.value == 0.8 < method.full_window.high


def test_rows_of_a_file_are_lines(stored: dict[str, Any]) -> None:
    lines = as_json(results_of([*runs_in(RUN)], 0)).splitlines()
    rows = [line for line in lines if '"rule": ' in line]
    assert len(rows) == sum(len(stored["methods"][0][kind]) for kind in ("rules", "promised", "planned")) + len(
        stored["methods"][0]["cost"]["rules"]
    )


def test_a_folder_of_files_is_read_in_the_order_of_their_names(
    paired: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    for name, run in (("2", "a"), ("1", "b")):
        assert main(["results", str(paired / run), "--json", "--out", str(folder / f"{name}.json")]) == 0
    capsys.readouterr()
    assert main(["results", str(folder)]) == 0
    text = capsys.readouterr().out
    assert text.index("\n## two") < text.index("\n## one")
    assert main(["results", str(folder / "2.json"), str(folder / "1.json")]) == 0
    text = capsys.readouterr().out
    assert text.index("\n## one") < text.index("\n## two")


def test_a_method_counts_once(paired: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = keep_results(paired / "a")
    for twice in ([str(file), str(file)], [str(paired / "a" / "seed0"), str(file)]):
        assert main(["results", *twice]) == 2
        assert "'one' is in" in " ".join(capsys.readouterr().err.split())
    results = read_results(file)
    with pytest.raises(ConfigError, match="'one' is in x and in x"):
        joined([("x", RecipeResults(results.methods * 2))])


def _at(document: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """A copy of a document with another value at a dotted place; `...` takes the key away."""
    copied: dict[str, Any] = json.loads(json.dumps(document))
    inner: Any = copied
    *path, last = (int(key) if key.isdigit() else key for key in place.split("."))
    for key in path:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return copied


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("kind", "spikecut cutoff", "kind: found 'spikecut cutoff'; expected 'spikecut results'"),
        ("version", 2, "version: found 2; expected 1"),
        ("version", True, "version: found True; expected 1"),
        ("methods", {}, "methods: found a table of 0; expected a list"),
        ("methods.0.rules.3.right", ..., "methods[0].rules[3].right is missing"),
        ("methods.0.rules.3.rigth", [1, 1, 1], "methods[0].rules[3].rigth: no such key; did you mean 'right'"),
        ("methods.0.rules.3.right", [0.5, 0.4], "methods[0].rules[3].right: found a list of 2; expected [value, low,"),
        ("methods.0.rules.3.right", [0.5, 0.7, 0.4], "methods[0].rules[3].right: found [0.5, 0.7, 0.4]; expected fin"),
        ("methods.0.rules.3.right", [0.5, 0.4, float("inf")], "expected finite [value, low, high]"),
        ("methods.0.rules.3.right", [True, 0, 1], "methods[0].rules[3].right: found a list of 3; expected [value, l"),
        ("methods.0.made.n", "48", "methods[0].made.n: found '48'; expected a whole number"),
        ("methods.0.title", "a\x1b[2J", "methods[0].title: found 'a\\x1b[2J'; expected text without control"),
        ("methods.0.cost.rules.0.ms", float("nan"), "methods[0].cost.rules[0].ms: found nan; expected a finite"),
    ],
)
def test_a_damaged_file_says_where_what_and_what_is_expected(
    place: str, value: Any, said: str, stored: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "kept.json"
    path.write_text(json.dumps(_at(stored, place, value)))
    with pytest.raises(ConfigError) as caught:
        read_results(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "results.json" in str(caught.value.hint)


def test_a_row_of_a_comparison_has_a_difference_for_each_method(paired: Path) -> None:
    document = json.loads(as_json(results_of([*runs_in(paired)], 0)))
    path = paired / "kept.json"
    path.write_text(json.dumps(_at(document, "comparisons.0.others", ["two", "three"])))
    with pytest.raises(ConfigError, match="'full window' has 1 differences; expected 2"):
        read_results(path)


def test_what_is_no_file_of_results_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", str(tmp_path / "none.json")]) == 2
    assert "cannot read it: No such file" in " ".join(capsys.readouterr().err.split())
    (tmp_path / "cut.json").write_text('{"kind": "spikecut results",')
    assert main(["results", str(tmp_path / "cut.json")]) == 2
    assert "not JSON" in capsys.readouterr().err
    assert main(["results", str(tmp_path), "--csv", str(tmp_path / "rows.csv"), "--json"]) == 2
    assert "--csv with --json" in capsys.readouterr().err


def test_a_file_that_was_changed_anywhere_is_refused_or_printed(stored: dict[str, Any], tmp_path: Path) -> None:
    worked, refused = refused_or_usable(
        tmp_path / "kept.json", in_bytes(of_json(stored, 300, 20)), lambda path: printed(read_results(path), "x")
    )
    assert min(worked, refused) > 20


def test_estimates_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Six digits are kept, and the page prints fewer."""
    write_run(tmp_path, 0, right=0.7)
    (method,) = read_results(keep_results(tmp_path)).methods
    (row,) = method.rules
    assert row.steps.value == 3.0
    assert row.x_full == Estimate(*(float(f"{one:.6g}") for one in (row.x_full.value, row.x_full.low, row.x_full.high)))
    assert row.x_full.value == 1.66667
