"""The contract of a view, over the whole table `VIEWS`: it shows a run and has no part in it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikecut.models.card import ModelCard
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.metrics.session_score import Score
from spikecut.pipeline.results import Decision, Item, Rejection
from spikecut.pipeline.rules.thresholds import ThresholdCutoff, confidence, never
from spikecut.pipeline.runner import watch
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main
from spikecut.tools.views import VIEWS, live_view, window, window_process
from spikecut.tools.views.base import Summary, View, ViewKind, ViewOptions
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.web import view as web_view

from contracts import check_view
from fake_views import FakeScreen, Stuck, ViewerThread
from fakes import Script, frames

SENSOR = SensorSize(2, 2)
CARD = ModelCard("toy", NetworkSpec("compact", (4, 6), 2, 10, SENSOR), ("a", "b"), SENSOR, horizon=4)
SUMMARY = Summary(n_events=9, n_bins=9, n_steps=5, n_decisions=3, sensor_us=90, score=Score(right=2, wrong=1))
SCRIPT = np.array([[[0, 0], [1, 0], [0, 1], [0, 2]]], np.float32)
KINDS = [(name, suffix) for name, kind in VIEWS.items() for suffix in kind.suffixes or ("",)]
every_kind = pytest.mark.parametrize(("name", "suffix"), KINDS)


@pytest.fixture(autouse=True)
def screen(monkeypatch: pytest.MonkeyPatch) -> FakeScreen:
    """A screen that shows nothing, so that windows open everywhere."""
    screen = FakeScreen()
    monkeypatch.setattr(window_process, "opencv", lambda: screen)
    monkeypatch.setattr(window, "start_viewer", ViewerThread)
    monkeypatch.setattr(web_view, "DEFAULT_ADDRESS", "127.0.0.1:0")
    monkeypatch.setitem(VIEWS, "window", replace(window.WINDOW, problem=lambda: None))
    return screen


def items() -> list[Item]:
    """Two windows with an early answer, the first of which is no gesture, and one that the end cuts short."""
    items: list[Item] = list(watch(frames([0] * 9), Script(SCRIPT), confidence(0.7, 4), horizon=4))
    first = next(place for place, item in enumerate(items) if isinstance(item, Decision))
    return [
        Rejection(item) if place == first and isinstance(item, Decision) else item for place, item in enumerate(items)
    ]


def view_of(name: str, file: Path | None, decider: ThresholdCutoff | None = None) -> View:
    return VIEWS[name].make(CARD, decider or confidence(0.7, 4), ViewOptions({name: file}))


def target(folder: Path, name: str, suffix: str) -> Path | None:
    return folder / f"out{suffix}" if VIEWS[name].suffixes else None


@every_kind
def test_every_view_takes_all_items_and_changes_none(name: str, suffix: str, tmp_path: Path) -> None:
    for decider in (confidence(0.7, 4), never(4)):
        file = target(tmp_path, f"{name}", suffix)
        if file is not None:
            file = file.with_stem(decider.rule)
        check_view(view_of(name, file, decider), items(), "b", SUMMARY)


@every_kind
def test_every_view_is_complete_when_it_is_finished(name: str, suffix: str, tmp_path: Path, screen: FakeScreen) -> None:
    file = target(tmp_path, name, suffix)
    with view_of(name, file) as view:
        view.begin("seven.bin", "a")
        for item in items():
            view.write(item)
        assert file is None or not file.exists()
        view.finish(SUMMARY)
        complete = None if file is None else file.read_bytes()
        assert not screen.is_open
    if file is not None:
        assert file.read_bytes() == complete
        assert list(tmp_path.iterdir()) == [file]


@every_kind
def test_an_error_in_the_loop_leaves_no_half_file_and_no_window(
    name: str, suffix: str, tmp_path: Path, screen: FakeScreen
) -> None:
    file = target(tmp_path, name, suffix)

    def interrupted() -> None:
        with view_of(name, file) as view:
            view.begin("seven.bin", None)
            view.write(items()[0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert file is None or not file.exists()
    assert not screen.is_open


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_session(tmp_path_factory.mktemp("session"), DrawnSession(24, "natural", order=(3,), quick=True))


def test_decisions_are_the_same_with_every_view_and_without(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed(*views: str) -> str:
        assert (
            main(["run", str(session), "--json", "--view", *views] if views else ["run", str(session), "--json"]) == 0
        )
        return capsys.readouterr().out

    without = printed()
    assert [json.loads(line).get("label") for line in without.splitlines()]
    words = [
        name + (f"={tmp_path / f'out{kind.suffixes[0]}'}" if kind.suffixes else "") for name, kind in VIEWS.items()
    ]
    for word in words:
        assert printed(word) == without
    for file in tmp_path.iterdir():
        file.unlink()
    assert printed(*words) == without


def test_decisions_are_the_same_with_a_view_that_draws_nothing_until_the_end(
    session: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    views = list[Stuck]()

    def make(card: ModelCard, decider: object, options: object) -> Stuck:
        views.append(Stuck(Overlay(card.classes, horizon=card.horizon, step_us=card.spec.step_us)))
        return views[-1]

    def printed(*words: str) -> str:
        assert main(["run", str(session), "--json", *words]) == 0
        return capsys.readouterr().out

    monkeypatch.setitem(VIEWS, "stuck", ViewKind("draws nothing until the end", make))
    monkeypatch.setattr(live_view, "_LAST_PICTURE_S", 0.01)
    assert printed("--view", "stuck") == printed()
    (view,) = views
    assert len(view.shown) == 1
    view.free.set()


@pytest.mark.parametrize(
    ("views", "words", "hint"),
    [
        (["--view", "widnow"], "there is no view 'widnow'", "did you mean 'window'?"),
        (["--view", "hologram"], "there is no view 'hologram'", "known are video, window, terminal, web"),
        (["--view", "video"], "the view video writes a file", "--view video=out.mkv"),
        (["--view", "terminal", "--panes", "bars,pictures"], "there is no pane 'pictures'", "did you mean 'picture'?"),
        (["--view", "window=out.mkv"], "the view window writes no file", "--view window"),
        (["--view", "video=a.mkv", "--save", "b.mkv"], "two files for one video: b.mkv, a.mkv", "--save FILE is"),
    ],
)
def test_a_view_that_cannot_be_is_refused(
    views: list[str], words: str, hint: str, session: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(session), *views]) == 2
    err = capsys.readouterr().err
    assert f"error: {words}" in err
    assert f"hint: {hint}" in err
