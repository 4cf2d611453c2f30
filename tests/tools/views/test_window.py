"""Truths about the window: it shows what happens, skips what it has no time for, and ends when it is closed."""

import os
import pickle
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.events import Frame
from spikecut.pipeline.results import Rest
from spikecut.sources.live.controls import Controls
from spikecut.tools.cli import main
from spikecut.tools.views import window, window_process
from spikecut.tools.views.base import Closed
from spikecut.tools.views.window import WindowSink, has_display, window_problem

from fake_views import FakeScreen, ViewerThread
from source_contract import DATA


def passing(k: int) -> Rest:
    return Rest(Frame(k, 0, k * 1000, (k + 1) * 1000, np.zeros((2, 8, 8), np.uint8), 0))


@pytest.fixture(autouse=True)
def _in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "start_viewer", ViewerThread)


def sink(monkeypatch: pytest.MonkeyPatch, screen: FakeScreen, controls: Controls | None = None) -> WindowSink:
    monkeypatch.setattr(window_process, "opencv", lambda: screen)
    return WindowSink(controls, names=["a", "b"], horizon=5, step_us=1000)


def until(condition: Callable[[], object]) -> None:
    """Waits for what other threads do."""
    while not condition():
        time.sleep(0.001)


def test_what_comes_faster_than_it_can_be_drawn_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = FakeScreen()
    with sink(monkeypatch, screen) as shown:
        for k in range(1000):
            shown.write(passing(k))
        until(lambda: screen.shown)
        assert screen.is_open
    assert len(screen.shown) < 500
    assert not screen.is_open


@pytest.mark.parametrize("screen", [FakeScreen(key=ord("q")), FakeScreen(key=27), FakeScreen(visible=0.0)])
def test_q_escape_and_closing_the_window_end_the_run(monkeypatch: pytest.MonkeyPatch, screen: FakeScreen) -> None:
    def play_on() -> None:
        while True:
            shown.write(passing(0))

    with sink(monkeypatch, screen) as shown, pytest.raises(Closed):
        play_on()


@pytest.mark.parametrize(("code", "state"), [(ord(" "), "paused, 1x"), (ord("-"), "0.5x"), (ord("+") | 0x100000, "2x")])
def test_keys_of_the_window_steer_the_recording(monkeypatch: pytest.MonkeyPatch, code: int, state: str) -> None:
    screen, controls = FakeScreen(key=code), Controls(1.0)
    with sink(monkeypatch, screen, controls) as shown:
        shown.idle()
        until(lambda: str(controls) != "1x")
    assert str(controls) == state


@pytest.mark.parametrize(("code", "jump_us"), [(65361, -5_000_000), (65363, 5_000_000), (2555904, 5_000_000)])
def test_arrows_seek(monkeypatch: pytest.MonkeyPatch, code: int, jump_us: int) -> None:
    controls = Controls(1.0)
    with sink(monkeypatch, FakeScreen(key=code), controls) as shown:
        shown.write(passing(0))
        until(lambda: controls.wants_jump)
    assert controls.take_jump_us() == jump_us


def test_the_keys_are_named_below_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, controls = FakeScreen(), Controls(1.0)
    with sink(monkeypatch, screen, controls) as shown:
        shown.write(passing(0))
        until(lambda: screen.shown)
        n_before = len(screen.shown)
        controls.paused = True
        shown.idle()
        until(lambda: len(screen.shown) > n_before)
    first, second = (screen.shown[place][540:] for place in (0, -1))
    assert first.shape == (26, 960, 3)
    assert (first[:, :600] != first[0, 0]).any(), "no hints"
    assert (first != second).any(), "the state is not shown"


def test_an_opencv_without_windows_is_an_environment_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = sink(monkeypatch, FakeScreen(works=False))
    with pytest.raises(EnvironmentProblem, match="shows no windows") as error, shown:
        pass
    assert "pip uninstall opencv-python-headless && pip install opencv-python" in str(error.value.hint)


def test_a_run_goes_on_when_its_window_is_killed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """O01: Qt ends a process whose display goes away."""

    class Killed(ViewerThread):
        def _run(self) -> None:
            pickle.load(self._ends[0])
            self._ends[1].write(b'"open"\n')
            for end in self._ends:
                end.close()

    monkeypatch.setattr(window, "start_viewer", Killed)
    with sink(monkeypatch, FakeScreen()) as shown:
        for k in range(10):
            shown.write(passing(k))
        until(lambda: capsys.readouterr().err.startswith("note: the window has ended unexpectedly"))
        shown.write(passing(10))


def test_a_display_is_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikecut.tools.views.window.sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        assert not has_display()
        monkeypatch.setenv(name, ":0")
        assert has_display()


FAKES = {
    "built without windows": "class error(Exception): ...\ndef namedWindow(name): raise error('not implemented')",
    "a display that does not answer": "import os\nclass error(Exception): ...\ndef namedWindow(name): os.abort()",
    "a screen": "class error(Exception): ...\ndef namedWindow(name): ...",
}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """A desktop whose OpenCV is one of the fakes, for other processes than this."""

    def is_one_with(fake: str) -> None:
        (tmp_path / "cv2.py").write_text(FAKES[fake])
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        monkeypatch.setenv("DISPLAY", ":0")

    return is_one_with


@pytest.mark.parametrize(
    ("fake", "words"),
    [
        ("built without windows", "this OpenCV shows no windows"),
        ("a display that does not answer", "OpenCV cannot open a window on this display"),
        ("a screen", None),
    ],
)
def test_a_problem_is_noticed_before_a_window_is_opened(
    fake: str, words: str | None, machine: Callable[[str], None]
) -> None:
    machine(fake)
    problem = window_problem()
    assert (None if problem is None else str(problem)) == words


@pytest.mark.parametrize(
    ("fake", "note"),
    [
        (
            "built without windows",
            "this OpenCV shows no windows: playing without a window; for one with windows: "
            "pip uninstall opencv-python-headless && pip install opencv-python",
        ),
        (
            "a display that does not answer",
            "OpenCV cannot open a window on this display: playing without a window; "
            "does DISPLAY name a screen that is on?",
        ),
    ],
)
def test_without_a_window_a_recording_plays_and_a_note_says_how_to_get_one(
    fake: str, note: str, machine: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    machine(fake)
    words = ["run", str(DATA / "tiny.aedat"), "--model", "gestures", "--speed", "50"]
    assert main(words) == 0
    assert note in capsys.readouterr().err.splitlines()[:2]  # loading may be slow, and is named then
    what, _, hint = note.partition(": playing without a window; ")
    assert main([*words, "--window", "on"]) == 5
    assert capsys.readouterr().err.splitlines() == [f"error: {what}", f"hint: {hint}"]
    assert main([*words, "--window", "off"]) == 0
    assert "playing without" not in capsys.readouterr().err


def test_without_a_display_a_recording_plays_without_a_window(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("spikecut.tools.views.window.has_display", lambda: False)
    assert main(["run", str(DATA / "tiny.aedat"), "--model", "gestures", "--speed", "50"]) == 0
    assert "no display here: playing without a window" in capsys.readouterr().err


@pytest.fixture
def screen() -> Iterator[str]:
    """A real display that nobody looks at."""
    if shutil.which("Xvfb") is None:
        pytest.skip("there is no Xvfb here")
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    number = server.stdout.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()
    server.stdout.close()


def test_on_a_real_screen_a_recording_plays_with_a_window_if_opencv_has_windows(screen: str) -> None:
    has_windows = not re.search(r"GUI:\s+NONE", cv2.getBuildInformation())
    words = ["run", str(DATA / "tiny.aedat"), "--model", "gestures", "--speed", "50"]
    done = subprocess.run(
        [sys.executable, "-m", "spikecut", *words],
        env={**os.environ, "DISPLAY": screen},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ("playing without a window" in done.stderr) != has_windows
