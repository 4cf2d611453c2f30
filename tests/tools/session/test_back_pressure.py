"""Truths about a loop that is too slow: what it does with bins is chosen, counted, and shows as lag."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from spikecut.pipeline.results import Item
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main
from spikecut.tools.session.summarising import Report

POLICIES = ("block", "drop-oldest", "drop-newest", "latest")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_session(tmp_path_factory.mktemp("session"), DrawnSession(24, "natural", order=(3, 0), quick=True))


def slowly(monkeypatch: pytest.MonkeyPatch, seconds: float, at: int | None = None) -> None:
    """Every item takes so long to be printed; or only item `at`."""
    write, n_items = Report.write, [0]

    def late(report: Report, item: Item) -> None:
        n_items[0] += 1
        if at is None or n_items[0] == at:
            time.sleep(seconds)
        write(report, item)

    monkeypatch.setattr(Report, "write", late)


def summary_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])["summary"]
    assert summary["read"] == summary["used"] + sum(summary["dropped"].values())
    bins = summary["bins"]
    assert bins["read"] == bins["used"] + bins["queue_full"] + bins["unplayed"]
    return summary


@pytest.mark.parametrize("when_full", POLICIES)
def test_every_event_is_accounted_for(
    when_full: str, session: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S01, S02: bins of 20 ms come every 0.4 ms, and each takes 2 ms to be dealt with."""
    slowly(monkeypatch, 0.002)
    words = ["run", str(session), "--json", "--speed", "50", "--window", "off", "--when-full", when_full]
    assert main([*words, "--queue", "3"]) == 0
    summary = summary_of(capsys)
    lag = summary["timing"]["lag_ms"]
    assert lag["p50"] <= lag["p95"] <= lag["p99"] <= lag["max"]
    if when_full == "block":
        assert summary["dropped"] == {}
        assert lag["end"] > 100, "a loop that is five times too slow lags more and more"
    else:
        assert summary["bins"]["queue_full"] > summary["bins"]["read"] // 4
        assert lag["p50"] < 100, "bins that are not dropped are not late by more than the queue is long"


@pytest.mark.parametrize("words", [["--once"], ["--filter", "polarity:on"], ["--start", "2", "--duration", "1"]])
def test_every_event_is_accounted_for_at_every_end(
    words: list[str], session: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(monkeypatch, 0.001)
    assert main(["live", str(session), "--json", "--speed", "50", "--window", "off", *words]) == 0
    assert summary_of(capsys)["ended"] == ("once" if words == ["--once"] else "end")


def test_a_stall_shows_in_the_lag_of_the_bins_that_came_meanwhile(
    session: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S04: a stall of 0.6 s; the bins that were due meanwhile are late, not only the one that stalled."""
    slowly(monkeypatch, 0.6, at=20)
    assert main(["run", str(session), "--json", "--speed", "5", "--window", "off", "--duration", "4"]) == 0
    summary = summary_of(capsys)
    assert summary["timing"]["lag_ms"]["max"] >= 500
    assert summary["timing"]["lag_ms"]["p95"] >= 300


def test_decisions_do_not_depend_on_a_queue_that_never_fills(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def decisions(*words: str) -> list[str]:
        assert main([words[0], str(session), "--json", *words[1:]]) == 0
        return [line for line in capsys.readouterr().out.splitlines() if '"summary"' not in line]

    assert decisions("run") == decisions("live", "--speed", "10", "--window", "off", "--queue", "1000")


@pytest.mark.parametrize("when_full", POLICIES[1:])
def test_without_a_pace_nothing_is_late(when_full: str, session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(session), "--when-full", when_full]) == 2
    assert "--speed 1, or spikecut live" in capsys.readouterr().err
