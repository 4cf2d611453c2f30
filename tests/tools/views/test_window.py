"""Truths about the window: it shows what happens, skips what it has no time for, and ends when it is closed."""

import numpy as np
import pytest

from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.events import Frame
from spikecut.pipeline.results import Rest
from spikecut.tools.views import window
from spikecut.tools.views.base import Closed
from spikecut.tools.views.window import WindowSink, has_display

from fakes import FakeScreen


def passing(k: int) -> Rest:
    return Rest(Frame(k, 0, k * 1000, (k + 1) * 1000, np.zeros((2, 8, 8), np.uint8), 0))


def sink(monkeypatch: pytest.MonkeyPatch, screen: FakeScreen) -> WindowSink:
    monkeypatch.setattr(window, "opencv", lambda: screen)
    return WindowSink(names=["a", "b"], horizon=5, step_us=1000)


def test_what_comes_faster_than_it_can_be_drawn_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, now = FakeScreen(), [10.0]
    monkeypatch.setattr("spikecut.tools.views.window.time.monotonic", lambda: now[0])
    with sink(monkeypatch, screen) as shown:
        for k in range(1000):
            now[0] += 0.001
            shown.write(passing(k))
        assert screen.is_open
    assert 24 <= len(screen.shown) <= 26  # one second, 25 images
    assert not screen.is_open


@pytest.mark.parametrize("screen", [FakeScreen(key=ord("q")), FakeScreen(key=27), FakeScreen(visible=0.0)])
def test_q_escape_and_closing_the_window_end_the_run(monkeypatch: pytest.MonkeyPatch, screen: FakeScreen) -> None:
    with sink(monkeypatch, screen) as shown, pytest.raises(Closed):
        shown.write(passing(0))


def test_an_opencv_without_windows_is_an_environment_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = sink(monkeypatch, FakeScreen(works=False))
    with pytest.raises(EnvironmentProblem, match="shows no windows") as error, shown:
        pass
    assert "pip uninstall opencv-python-headless && pip install opencv-python" in str(error.value.hint)


def test_a_display_is_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikecut.tools.views.window.sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        assert not has_display()
        monkeypatch.setenv(name, ":0")
        assert has_display()
