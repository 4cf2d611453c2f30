"""Truths about drift in `run`: once a stream is not like the calibration data, the promise is said to be suspended."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spikecut.models.files import opening
from spikecut.pipeline.events import Frame
from spikecut.pipeline.metrics.drift import LAST_BINS, WINDOW
from spikecut.pipeline.results import Decision, Item, Step, StopReason
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.reference import Extremes, Reference
from spikecut.sources.datasets.class_folders import MADE_BY
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main
from spikecut.tools.cutoff_lookup import find_cutoff
from spikecut.tools.session.drifting import DriftWatch


def extremes(rate_hz: float) -> Extremes:
    """Of 50 people, whose answers had about such an event rate."""
    return Extremes(50, WINDOW, (0.9 * rate_hz, 1.1 * rate_hz), (0.0, 0.5), (0.0, 1.0))


def reference(rate_hz: float) -> Reference:
    any_value = (1.0,) * 7
    return Reference(50, "made up", any_value, any_value, any_value, any_value, any_value, answers=extremes(rate_hz))


def answer(rate_hz: float, n_bins: int = 4) -> list[Item]:
    """The items of an answer: bins of 10 ms with such an event rate, a tenth of the pixels active."""
    pixels = np.zeros((2, 10, 10), np.uint8)
    pixels[1, 0] = 1
    total = np.array([2.0, 0.0], np.float32)
    items: list[Item] = []
    for index in range(n_bins):
        frame = Frame(index, 0, 10_000 * index, 10_000 * (index + 1), pixels, round(rate_hz / 100))
        items.append(Step(index, frame, total, total, 0.5))
    items.append(Decision(0, n_bins, StopReason.cutoff, 0.9, 0, 10_000 * n_bins, 100, total))
    return items


def test_an_event_rate_of_another_world_suspends_the_promise_and_its_return_restores_it() -> None:
    watch = DriftWatch(extremes(20_000), promises=True)
    for _ in range(30):
        assert [watch.see(item) for item in answer(20_300)] == [None] * 5
    assert watch.promise == "holds"
    (alarm,) = [text for _ in range(10) for item in answer(90_000) if (text := watch.see(item))]
    assert "event rate higher than any of 50 people; at most 12% like them" in alarm
    assert watch.promise == "suspended"
    (again,) = [text for _ in range(20) for item in answer(20_300) if (text := watch.see(item))]
    assert "holds from here on" in again
    assert watch.promise == "holds"
    assert watch.as_object() == {"answers": 60, "alarms": 1, "suspended": False}


def test_only_the_last_bins_of_an_answer_count() -> None:
    watch = DriftWatch(extremes(20_000), promises=True)
    for _ in range(WINDOW):
        slow, fast = answer(100, n_bins=20), answer(20_300, n_bins=LAST_BINS)
        for item in (
            *slow[:-1],
            *(replace(one, index=20 + one.index) for one in fast if isinstance(one, Step)),
            fast[-1],
        ):
            assert watch.see(item) is None
    assert watch.promise == "holds"


def test_revisions_are_no_further_answers() -> None:
    watch = DriftWatch(extremes(20_000), promises=True)
    *steps, decision = answer(20_000)
    assert isinstance(decision, Decision)
    for item in (*steps, decision, replace(decision, revises=0)):
        watch.see(item)
    assert watch.state.n == 1


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    order = (3, 0, 4, 1, 5, 2, 6)
    folder = tmp_path_factory.mktemp("session")
    (folder / MADE_BY).write_text("drawing of seed 0\n")
    return write_session(folder, DrawnSession(24, "natural", order=order, quick=True))


def cutoff_of(reference: Reference | None, file: Path) -> FittedCutoff:
    """The cutoff of `gestures` with other statistics, in a file."""
    weights = opening.locate("gestures")
    fitted = replace(find_cutoff("ltt-1pt", weights, opening.card_of(weights)), reference=reference)
    fitted.save(file)
    return fitted


def test_run_says_so_on_screen_and_in_json(session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cutoff_of(reference(5.0), tmp_path / "strange.json")
    words = ["run", str(session), "--cutoff", str(tmp_path / "strange.json")]
    assert main([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    *decisions, last = [json.loads(line) for line in out.splitlines()]
    promises = [one["promise"] for one in decisions if "label" in one]
    assert promises[0] == "holds"
    assert promises[-1] == "suspended"
    assert promises == sorted(promises), "it is suspended once, and remains so"
    assert promises.count("holds") == WINDOW - 1
    drift = last["summary"]["drift"]
    assert drift["suspended"]
    assert drift["answers"] == len(promises)
    assert f"s: the stream is not like the calibration data (the last {WINDOW} answers: event rate higher" in err


def test_without_statistics_of_answers_nothing_is_watched(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cutoff_of(None, tmp_path / "old.json")
    assert main(["run", str(session), "--cutoff", str(tmp_path / "old.json"), "--json"]) == 0
    out, err = capsys.readouterr()
    *decisions, last = [json.loads(line) for line in out.splitlines()]
    assert decisions
    assert not any("promise" in one for one in decisions)
    assert last["summary"]["drift"] is None
    assert "not like" not in err
