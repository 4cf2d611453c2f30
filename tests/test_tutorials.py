"""Tutorials run as printed: every command, in its order, in an empty folder, and prints what the page shows."""

import contextlib
import re
from pathlib import Path

import pytest
from scipy.stats import binom

from spikecut.pipeline.rules.cutoff_file import load_cutoff

from printed_pages import ROOT, quicker, run_page


def page_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("printed", "fails"),
    [("1 b", False), ("...\nb", False), ("2 b", True), ("1 b\nerror: c", True), ("1 b\n```\n\n```text\n2 b", False)],
)
def test_a_page_that_shows_what_is_not_printed_does_not_run(
    printed: str, fails: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    page = f"```toml\n# a.txt: it\n1\n```\n\n```console\n$ cat a.txt\n1\n$ cat a.txt\n$ echo 1 b\n{printed}\n```\n"
    with pytest.raises(AssertionError) if fails else contextlib.nullcontext():
        run_page(page, capsys)


@pytest.mark.slow
def test_from_a_recording_to_a_live_recogniser(capsys: pytest.CaptureFixture[str]) -> None:
    answers = run_page(page_of("tutorial.md"), capsys, quicker)
    live, again = list(answers.values())[-2:]
    decided = [
        [line for line in answer.out.splitlines() if " of " in line or "gesture" in line] for answer in (live, again)
    ]
    assert decided[0] == decided[1], "what was kept plays to the same decisions"


@pytest.mark.slow  # draws 600 digits, and trains
def test_from_a_folder_to_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    run_page(page_of("data-set-to-report.md"), capsys)
    assert "names" in Path("runs/evaluation/report.html").read_text(encoding="utf-8")


@pytest.mark.slow  # draws 800 digits and a person
def test_a_promise_for_my_own_data(capsys: pytest.CaptureFixture[str]) -> None:
    run_page(page_of("promise.md"), capsys)
    assert load_cutoff(Path("fitted/nmnist.ltt-1pt.json")).n == 600


def test_the_page_on_promises_has_the_numbers_that_calibrate_asks_for() -> None:
    rows = re.findall(
        r"^\| ([\d.]+) points? \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", page_of("promise.md"), re.MULTILINE
    )
    assert len(rows) == 4
    for points, *counts in rows:
        tolerance = float(points) / 100
        for losses, text in enumerate(counts):
            n = int(text.replace(",", ""))
            assert binom.cdf(losses, n, tolerance) <= 0.05 < binom.cdf(losses, n - 1, tolerance)


@pytest.mark.slow
def test_a_network_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    *_, run = run_page(page_of("own-network.md"), capsys).values()
    assert " of 50 steps" in run.out


@pytest.mark.slow  # draws 47 people
def test_teaching_my_gestures(capsys: pytest.CaptureFixture[str]) -> None:
    run_page(page_of("teaching.md"), capsys)


@pytest.mark.slow
def test_a_cluster_on_one_machine(capsys: pytest.CaptureFixture[str]) -> None:
    page = page_of("cluster.md")
    run_page(page[page.index("## Try it") : page.index("## On a laptop")], capsys)
    assert list(Path("runs/joined/parts").iterdir())
