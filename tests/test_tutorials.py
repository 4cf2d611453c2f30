"""Tutorials run as printed: every command, in its order, in an empty folder, and prints what the page shows."""

from pathlib import Path

import pytest

from printed_pages import ROOT, quicker, run_page


def page_of(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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
