"""docs/results.md: printed by one command from files that are committed, each table short, each row with its source."""

import re
from pathlib import Path

import pytest
from written_runs import write_run

from spikecut.tools.cli import main
from spikecut.tools.reports.results import keep_results
from spikecut.tools.reports.results_file import read_results
from spikecut.tools.reports.results_page import SHORT, printed

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "docs" / "results").glob("*.json"))
PAGE = (ROOT / "docs" / "results.md").read_text()
SCREEN = 30  # rows


def tables(text: str) -> list[list[str]]:
    """The lines of each table without that of dashes."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [[line for line in one.splitlines() if not line.startswith("|---")] for one in blocks]


def unfolded(text: str) -> str:
    return re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)


def test_the_page_is_what_the_committed_results_print(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a change: spikecut results docs/results --out docs/results.md --overwrite."""
    monkeypatch.chdir(ROOT)
    assert main(["results", "docs/results"]) == 0
    assert capsys.readouterr().out == PAGE


def test_the_page_begins_with_ten_lines_about_all_sets() -> None:
    summary = tables(PAGE)[0][1:]
    assert 1 < len(summary) <= 10
    compared = {name for path in FILES for one in read_results(path).comparisons for name in one.others}
    labels = {method.label for path in FILES for method in read_results(path).methods}
    assert {row.split("|")[1].strip().removesuffix(", simulated") for row in summary} == labels - compared


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_committed_file_is_compact_and_says_where_its_values_come_from(path: Path) -> None:
    assert path.stat().st_size < 100_000
    for method in read_results(path).methods:
        assert method.made.n > 0
        assert method.made.seeds
        assert re.match(r"[0-9a-f]{7}", method.made.commit)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", method.made.date)


def test_tables_are_under_a_screen_and_the_full_ones_folded() -> None:
    assert all(len(table) <= SCREEN for table in tables(unfolded(PAGE)))
    assert any(len(table) > SHORT + 1 for table in tables(PAGE))


def test_every_row_says_n_seeds_time_machine_and_commit() -> None:
    checked = 0
    for table in tables(PAGE):
        if "everybody stopped after" in table[0]:
            continue
        assert table[0].endswith("| n | seeds | trained | on | commit |"), table[0]
        for row in table[1:]:
            n, seeds, trained, machine, commit = row.split("|")[-6:-1]
            assert int(n) > 0
            assert re.fullmatch(r" \d(, \d)* ", seeds)
            assert re.fullmatch(r" \d+( to \d+)? (s|min) | not stated ", trained)
            assert machine.strip()
            assert re.fullmatch(r" [0-9a-f]{7,} .*\(\d{4}-\d\d-\d\d\) ", commit)
            checked += 1
    assert checked > 300


def test_simulated_sets_say_so_in_their_titles() -> None:
    by_label = {method.label: method.simulated for path in FILES for method in read_results(path).methods}
    assert set(by_label.values()) == {True, False}
    for label, simulated in by_label.items():
        (title,) = (line for line in PAGE.splitlines() if re.match(rf"## {re.escape(label)}[:,]", line))
        assert title.startswith(f"## {label}, simulated: ") == simulated


def test_a_long_table_is_folded_below_the_rows_that_matter() -> None:
    (method,) = read_results(ROOT / "docs" / "results" / "ncaltech101.json").methods
    section = PAGE[PAGE.index("\n## ncaltech101") :].partition("\n## ")[2].partition("\n## ")[0]
    _, short, full = tables(section)[:3]
    shown, every = ([row.split("|")[1].strip() for row in rows[1:]] for rows in (short, full))
    assert every == [row.rule for row in method.rules]
    assert shown == [rule for rule in every if rule.split("-")[0] in ("ltt", "ltt_fixed", "fixed", "confidence")]
    assert f"<summary>All {len(every)} rules</summary>" in section


def test_what_is_not_known_of_a_run_is_not_stated(tmp_path: Path) -> None:
    write_run(tmp_path, 0)
    text = printed(read_results(keep_results(tmp_path)), "x")
    assert "| 30 | 0 | 40 s | not stated | not stated |" in text
    assert "<details>" not in text
