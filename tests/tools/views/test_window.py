"""Truths about the window: it shows what happens, skips what it has no time for, and ends when it is closed."""

import os
import re
import shutil
import subprocess
import sys
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
from spikecut.tools.views import window
from spikecut.tools.views.base import Closed
from spikecut.tools.views.window import WindowSink, has_display, window_problem

from fakes import FakeScreen
from source_contract import DATA


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


@pytest.mark.parametrize(
    ("code", "state"), [(ord(" "), "paused, 1x"), (ord("-"), "0.5x"), (ord("+") | 0x100000, "2x"), (-1, "1x")]
)
def test_keys_of_the_window_steer_the_recording(monkeypatch: pytest.MonkeyPatch, code: int, state: str) -> None:
    screen, controls = FakeScreen(key=code), Controls(1.0)
    monkeypatch.setattr(window, "opencv", lambda: screen)
    with WindowSink(controls, names=["a", "b"], horizon=5, step_us=1000) as shown:
        shown.idle()
    assert str(controls) == state
    assert len(screen.shown) == 1


@pytest.mark.parametrize(("code", "jump_us"), [(65361, -5_000_000), (65363, 5_000_000), (2555904, 5_000_000)])
def test_arrows_seek(monkeypatch: pytest.MonkeyPatch, code: int, jump_us: int) -> None:
    controls = Controls(1.0)
    monkeypatch.setattr(window, "opencv", lambda: FakeScreen(key=code))
    with WindowSink(controls, names=["a", "b"], horizon=5, step_us=1000) as shown:
        shown.write(passing(0))
    assert controls.take_jump_us() == jump_us


def test_the_keys_are_named_below_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, controls = FakeScreen(), Controls(1.0)
    monkeypatch.setattr(window, "opencv", lambda: screen)
    with WindowSink(controls, names=["a", "b"], horizon=5, step_us=1000) as shown:
        shown.write(passing(0))
        controls.paused = True
        shown._drawn_s = 0.0
        shown.idle()
    first, second = (image[540:] for image in screen.shown)
    assert first.shape == (26, 960, 3)
    assert (first[:, :600] != first[0, 0]).any(), "no hints"
    assert (first != second).any(), "the state is not shown"


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
    assert capsys.readouterr().err.splitlines()[0] == note
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
    assert capsys.readouterr().err.startswith("no display here: playing without a window")


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
