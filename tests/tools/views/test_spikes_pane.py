"""Truths about the pane of spikes: its numbers by hand, where it is shown, and what it says where nothing counts."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.events import Frame
from spikecut.pipeline.results import Decision, Item, Rest, Step, StopReason
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main
from spikecut.tools.views import VIEWS
from spikecut.tools.views.base import Summary, ViewKind
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.palette import PANES, OverlayStyle
from spikecut.tools.views.scene import Scene
from spikecut.tools.views.spikes import NO_SPIKES, Firing
from spikecut.tools.views.terminal_page import Page
from spikecut.tools.views.web.state import state

CELLS = (1000, 400, 20)
GESTURES = (32 * 16 * 16, 64 * 16 * 16, 96 * 8 * 8)
NAMES = ("walking", "waving")


def frame(k: int) -> Frame:
    return Frame(k, 0, k * 10_000, (k + 1) * 10_000, np.ones((2, 8, 8), np.uint8), 128)


def step(k: int, spikes: tuple[int, ...] | None, cells: tuple[int, ...] | None = CELLS) -> Step:
    total = np.array([0, k], np.float32)
    return Step(k, frame(k), total, total, k / 4, spikes=spikes, cells=cells if spikes else None)


def firing(*steps: Step) -> Firing:
    spikes = NO_SPIKES
    for one in steps:
        spikes = spikes.after(one)
    return spikes


def overlay(*panes: str) -> Overlay:
    return Overlay(NAMES, horizon=20, step_us=10_000, style=OverlayStyle(panes=panes or PANES))


def scene_after(shown: Overlay, *steps: Step) -> Scene:
    scene = shown.begin("walking.aedat")
    for one in steps:
        scene = shown.see(scene, one)
    return scene


def page(shown: Overlay, scene: Scene, size_wh: tuple[int, int] = (80, 24)) -> str:
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", "\n".join(Page(shown, size_wh).lines(scene, "1x", "q quit")))


def test_rows_have_the_share_of_the_last_step_and_the_total_of_the_window() -> None:
    spikes = firing(step(0, (900, 4, 0)), step(1, (30, 0, 1)), step(2, (80, 9, 2)))
    assert spikes.total == (1010, 13, 3)
    assert [row[1:] for row in spikes.rows()] == [("8.0 %", "1 k"), ("2.2 %", "13"), ("10 %", "3")]
    assert spikes.summary() == ("6.4 %", "1 k")


def test_a_window_begins_at_nothing_and_keeps_the_scale_of_its_bars() -> None:
    before = firing(step(0, (400, 0, 0)), step(1, (10, 0, 0)))
    assert before.full == 0.5
    after = before.after(step(0, (100, 40, 1)))
    assert (after.total, after.full) == ((100, 40, 1), 0.5)
    assert [length for length, *_ in after.rows()] == pytest.approx([0.2, 0.2, 0.1])


@pytest.mark.parametrize(("share", "full"), [(0.0, 0.05), (0.05, 0.05), (0.06, 0.1), (0.2, 0.25), (0.9, 1.0)])
def test_bars_are_as_long_as_the_busiest_layer_allows(share: float, full: float) -> None:
    spikes = firing(step(0, (round(1000 * share), 0, 0)))
    assert spikes.full == full
    assert spikes.rows()[0][0] == pytest.approx(share / full)


def test_steps_that_were_not_counted_are_said() -> None:
    spikes = firing(step(0, (900, 4, 0)), step(1, None))
    assert [row[1:] for row in spikes.rows()] == [("", "≥ 900"), ("", "≥ 4"), ("", "≥ 0")]
    assert firing(step(0, None), step(1, None)).rows() == []
    assert spikes.after(step(0, (1, 1, 1))).rows()[0][2] == "1", "another window"


def test_every_view_has_the_numbers() -> None:
    shown = overlay()
    scene = scene_after(shown, step(0, (900, 4, 0)), step(1, (30, 0, 1)), step(2, (80, 9, 2)))
    words = page(shown, scene)
    assert re.search(r" 1 █+\S* +8\.0 % +1 k\n", words), words
    assert re.search(r" 3 █+\S* +10 % +3(\n|$)", words), words
    sent = json.loads(json.dumps(state(shown, scene, [], "")))["spikes"]
    assert sent["layers"] == [[0.08, "8.0 %", "1 k"], [0.0225, "2.2 %", "13"], [0.1, "10 %", "3"]]
    assert (sent["words"], sent["rest"]) == ("last step · so far", False)
    without = replace(scene, firing=NO_SPIKES)
    assert (shown.draw(scene) != shown.draw(without)).any()


def test_bars_are_dim_while_the_network_rests() -> None:
    shown = overlay("spikes")
    busy = scene_after(shown, step(0, (900, 4, 0)))
    stopped = shown.see(busy, Decision(1, 1, StopReason.cutoff, 1.0, 0, 10_000, 9, np.array([0, 1], np.float32)))
    for scene, rests in ((busy, False), (stopped, True), (shown.see(busy, Rest(frame(1))), True)):
        assert state(shown, scene, [], "")["spikes"]["rest"] == rests
        image, style = shown.draw(scene)[:, :, ::-1], shown.style
        drawn = [bool((image == colour).all(2).any()) for colour in (style.worked, style.dim)]
        assert drawn == [not rests, rests]


def test_deep_networks_have_bars_alone_where_there_is_no_room_for_words() -> None:
    shown, cells = overlay(), (1000,) * 17
    scene = scene_after(shown, step(0, (100,) * 17, cells), step(1, (200,) * 17, cells))
    assert "spikes ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇ 20 % · 5 k so far" in page(shown, scene, (100, 15))
    assert len(state(shown, scene, [], "")["spikes"]["layers"]) == 17
    shown.draw(scene)


@pytest.mark.parametrize("size_wh", [(40, 12), (79, 23), (200, 60)])
@pytest.mark.parametrize("n_layers", [1, 3, 17, 120])
@pytest.mark.parametrize("panes", [(), ("spikes",), ("bars", "spikes"), ("picture", "evidence", "spikes")])
def test_any_number_of_layers_fits_into_every_view(
    size_wh: tuple[int, int], n_layers: int, panes: tuple[str, ...]
) -> None:
    shown, cells = overlay(*panes), (1_000_000,) * n_layers
    scene = scene_after(shown, *(step(k, (999_999,) * n_layers, cells) for k in range(15)))
    lines = page(shown, scene, size_wh).split("\n")
    assert len(lines) <= size_wh[1]
    assert max(map(len, lines)) <= size_wh[0]
    assert shown.draw(scene).shape == (540, 960, 3)


def test_by_default_there_is_no_pane_where_nothing_is_counted() -> None:
    by_default, named = overlay(), overlay("bars", "evidence", "spikes")
    scenes = [scene_after(one, step(0, None), step(1, None)) for one in (by_default, named)]
    assert state(by_default, scenes[0], [], "")["spikes"] is None
    assert "spikes" not in page(by_default, scenes[0])
    assert state(named, scenes[1], [], "")["spikes"]["words"] == "not counted by this network"
    assert "spikes not counted by this network" in page(named, scenes[1])


def test_another_choice_of_panes_has_no_spikes() -> None:
    shown = overlay("bars", "evidence")
    scene = scene_after(shown, step(0, (900, 4, 0)))
    assert state(shown, scene, [], "")["spikes"] is None
    assert "spikes" not in page(shown, scene)
    assert (shown.draw(scene) == shown.draw(replace(scene, firing=NO_SPIKES))).all()


class Kept:
    """A view that keeps its steps."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps

    def __enter__(self) -> "Kept":
        return self

    def begin(self, title: str, truth: str | None) -> None: ...

    def expect(self, truth: str | None) -> None: ...

    def write(self, item: Item) -> None:
        if isinstance(item, Step):
            self.steps.append(item)

    def finish(self, summary: Summary) -> None: ...

    def __exit__(self, *error: object) -> None: ...


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """The steps that a view called `kept` was given, which has a file for each of several streams."""
    steps: list[Step] = []
    kind = ViewKind("keeps steps", lambda card, decider, options: Kept(steps), suffixes=(".kept",))
    monkeypatch.setitem(VIEWS, "kept", kind)
    return steps


def drawn_sessions(folder: Path, n: int) -> list[str]:
    people = [DrawnSession(user, "led", order=(1,), quick=True) for user in range(24, 24 + n)]
    return [str(write_session(folder / str(one.user), one)) for one in people]


@pytest.mark.parametrize(
    ("panes", "counts", "n_streams"),
    [(None, True, 1), ("bars,spikes", True, 1), ("bars,operations", False, 1), (None, True, 2)],
)
def test_a_run_counts_spikes_where_a_view_shows_them(
    panes: str | None, counts: bool, n_streams: int, kept: list[Step], tmp_path: Path
) -> None:
    """With an engine that counts only when it is wanted."""
    words = [
        "--model",
        "gestures",
        "--engine",
        "dense",
        "--view",
        "kept=out.kept",
        *(["--panes", panes] if panes else []),
    ]
    assert main(["run", *drawn_sessions(tmp_path, n_streams), *words]) == 0
    assert len(kept) > 20 * n_streams
    assert {step.cells for step in kept} == ({GESTURES} if counts else {None})
    assert any(step.spikes and all(step.spikes) for step in kept) == counts


def test_each_of_several_streams_has_its_counts(kept: list[Step], tmp_path: Path) -> None:
    files = drawn_sessions(tmp_path, 2)
    words = ["--model", "gestures", "--engine", "events", "--view", "kept=out.kept"]
    alone: list[tuple[object, ...]] = []
    for file in files:
        assert main(["run", file, *words]) == 0
        alone += [(step.frame.start_us, step.operations, step.spikes) for step in kept]
        kept.clear()
    assert main(["run", *files, *words]) == 0
    together = [(step.frame.start_us, step.operations, step.spikes) for step in kept]
    assert sorted(together, key=repr) == sorted(alone, key=repr)
