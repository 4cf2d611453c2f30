"""Truths about what a run says of itself while it works."""

import time

import pytest

from spikecut.tools.batch.passes import progress
from spikecut.tools.batch.passes.progress import Progress, shown


def test_before_the_first_recording_is_done_a_line_says_what_takes_so_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_EVERY_S", 0.01)
    lines = ""
    with shown(Progress("replay", 40)):
        for _ in range(500):
            lines += capsys.readouterr().err
            if lines:
                break
            time.sleep(0.01)
    assert lines == ("replay: 0 of 40 (0 %); kernels are compiled once, at their first use, which may take a minute\n")


def test_a_run_that_is_fast_says_nothing_of_compiling(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown(Progress("replay", 40)) as lines:
        monkeypatch.setattr(progress, "_EVERY_S", 0.0)
        lines.update()
        assert not lines.patience.is_alive() or lines.patience.finished.is_set()  # type: ignore[union-attr]
    assert "compiled" not in capsys.readouterr().err
