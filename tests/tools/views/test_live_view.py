"""Truths about views that show live: they draw beside the loop, the newest state wins, and the loop never waits."""

import numpy as np
import pytest

from spikecut.pipeline.events import Frame
from spikecut.pipeline.results import Step
from spikecut.tools.views.base import Closed
from spikecut.tools.views.live_view import MOST_PENDING, LiveView
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.overlay_view import OverlayView
from spikecut.tools.views.scene import Scene

from fake_views import Stuck

OVERLAY = Overlay(["a", "b"], horizon=1000, step_us=1000)


def step(k: int) -> Step:
    total = np.array([k, 0], np.float32)
    return Step(k, Frame(k, 0, k * 1000, (k + 1) * 1000, np.full((2, 8, 8), k % 3, np.uint8), k), total, total, k)


def test_a_view_that_is_stuck_delays_nothing_and_shows_the_last_state_afterwards() -> None:
    plain = OverlayView(OVERLAY)
    with Stuck(OVERLAY) as view:
        for k in range(3 * MOST_PENDING):
            view.write(step(k))
            plain.see(step(k))
            assert len(view._pending) <= MOST_PENDING, "what waits would grow without end"
            if k == 0:
                view.draws.wait()
        assert len(view.shown) == 1
        view.free.set()
        view.end(60)
    assert len(view.shown) <= 4, "states in between were drawn"
    last, expected = view.shown[-1], plain._scene
    assert last.scores == expected.scores
    assert last.n_events == expected.n_events
    assert last.activity is not None
    assert expected.activity is not None
    assert last.activity.tobytes() == expected.activity.tobytes()


def test_what_drawing_raises_ends_the_run() -> None:
    class Broken(LiveView):
        def show(self, scene: Scene) -> None:
            raise Closed("enough")

    def play_on() -> None:
        for k in range(1000):
            view.write(step(k))
            view._thread.join(0.1)

    with Broken(OVERLAY) as view, pytest.raises(Closed, match="enough"):
        play_on()
