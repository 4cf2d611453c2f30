"""Truths about the page of the terminal: what it shows, that it leaves the terminal as it was, and when it is plain."""

import io
import os
import re
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.events import Frame
from spikecut.pipeline.metrics.session_score import Outcome
from spikecut.pipeline.results import Decision, Item, Rest, Step, StopReason
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.palette import OverlayStyle
from spikecut.tools.views.scene import Scene
from spikecut.tools.views.terminal import TerminalView, coloured, ink_for
from spikecut.tools.views.terminal_page import Ink, Page, plain_line

NAMES = ("hand clapping", "arm roll", "a class with a name that is longer than any column has room for")
OVERLAY = Overlay(NAMES, horizon=20, step_us=20_000, thresholds=[np.inf] * 4 + [2.5] * 16)
MANY = Overlay([f"class {k}" for k in range(101)], horizon=200, step_us=20_000)


def frame(k: int) -> Frame:
    pixels = np.random.default_rng(k).poisson(0.15, (2, 34, 40)).astype(np.uint8)
    return Frame(k, 0, k * 20_000, (k + 1) * 20_000, pixels, int(pixels.sum()))


def items(n_classes: int = 3) -> list[Item]:
    totals = [np.linspace(0, k, n_classes).astype(np.float32) for k in range(9)]
    steps: list[Item] = [Step(k, frame(k), totals[k], totals[k], k / 4) for k in range(9)]
    decision = Decision(1, 9, StopReason.cutoff, 2.0, 0, 180_000, 99, totals[-1])
    return [Rest(frame(0)), *steps, decision, Rest(frame(9))]


def scenes(overlay: Overlay = OVERLAY) -> list[Scene]:
    """Every state from the first moment to the rest after a false alarm."""
    scene = overlay.begin("walking.aedat", 1)
    states = [scene]
    for item in items(len(overlay.names)):
        if isinstance(item, Decision):
            scene = scene.judged(Outcome.wrong, 1).judged(Outcome.false_alarm, None)
        scene = overlay.see(scene, item)
        states.append(scene)
    return states


def bare(line: str) -> str:
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", line)


@pytest.mark.parametrize("size_wh", [(40, 12), (79, 23), (80, 40), (200, 60)])
@pytest.mark.parametrize("overlay", [OVERLAY, MANY], ids=["few", "many"])
def test_a_page_is_no_wider_and_no_higher_than_the_terminal(overlay: Overlay, size_wh: tuple[int, int]) -> None:
    for scene in scenes(overlay):
        lines = Page(overlay, size_wh).lines(scene, "1x  lag 2 ms (most 12)", "space pause  q quit")
        assert len(lines) <= size_wh[1]
        assert max(len(bare(line)) for line in lines) <= size_wh[0]


def test_a_page_shows_picture_bars_score_and_answers() -> None:
    *_, deciding, decided, _ = scenes()
    words = "\n".join(map(bare, Page(OVERLAY, (80, 24)).lines(deciding, "1x", "q quit")))
    for part in (
        "deciding …",
        "▀",
        "○ arm roll",
        "▸ a class with a",
        "score 2.00 · threshold 2.50",
        "walking.aedat",
    ):
        assert part in words
    words = "\n".join(map(bare, Page(OVERLAY, (80, 24)).lines(decided, "1x", "q quit")))
    for part in (
        "arm roll  after 9 of 20 steps, 180 ms  ! false alarm",
        "✗!",
        "0 right of 2 answers",
        "▸ arm roll",
        "1x",
    ):
        assert part in words
    assert "11 of 20 steps not needed" in words


@pytest.mark.parametrize(
    ("panes", "shown"),
    [
        (("picture",), {"▀"}),
        (("bars", "clock"), {"hand clapping", "0.20 s"}),
        (("evidence", "answers"), {"threshold", "2 answers"}),
        (("timeline",), {"━"}),
        ((), set[str]()),
    ],
)
def test_a_page_has_the_panes_that_are_chosen(panes: tuple[str, ...], shown: set[str]) -> None:
    style = OverlayStyle(panes=panes)
    overlay = Overlay(NAMES, horizon=20, step_us=20_000, thresholds=OVERLAY.thresholds, style=style)
    state = replace(scenes()[-1], decision=None, resting=False)
    page = "\n".join(map(bare, Page(overlay, (80, 24)).lines(state, "1x", "q quit")))
    parts = {"▀", "hand clapping", "threshold", "━", "2 answers", "0.20 s"}
    assert {part for part in parts if part in page} == shown


@pytest.mark.parametrize(
    ("works", "words"),
    [((1_000_000, 234_567), "1.2 M operations"), ((9_000, None), "≥ 9 k operations"), ((None,), None)],
)
def test_synaptic_operations_so_far_are_shown_where_they_were_counted(
    works: tuple[int | None, ...], words: str | None
) -> None:
    scene = OVERLAY.begin("walking.aedat")
    for item, work in zip(items()[1:], works, strict=False):
        assert isinstance(item, Step)
        scene = OVERLAY.see(scene, replace(item, operations=work))
    page = "\n".join(map(bare, Page(OVERLAY, (80, 24)).lines(scene, "1x", "q quit")))
    assert ("operations" in page) == (words is not None)
    assert words is None or f"1x  {words}\n" in page


def test_colours_are_those_of_overlays_in_24_bits_or_the_nearest_of_256() -> None:
    false_alarm = Page(OVERLAY, (80, 24)).lines(scenes()[-1], "", "")[0]
    assert "48;2;255;112;86" in false_alarm, "a false alarm stands on a ground of its own"
    assert "48;5;210" in Page(OVERLAY, (80, 24), Ink(deep=False)).lines(scenes()[-1], "", "")[0]


def test_a_printed_line_has_the_colour_of_its_verdict() -> None:
    style = OverlayStyle()
    assert coloured("  1.00 s  arm roll  right, 60 ms after", Ink(), style).startswith("\x1b[38;2;86;196;214m")
    assert coloured("  1.00 s  arm roll  WRONG, it is", Ink(), style).startswith("\x1b[38;2;255;112;86m")
    assert coloured("  1.00 s  arm roll  FALSE ALARM", Ink(), style).startswith("\x1b[1;38;2;15;18;27;48;2;255;112;86m")


def test_names_of_files_have_no_control_sequences() -> None:
    scene = OVERLAY.see(OVERLAY.begin("\x1b[2Jevil\r"), items()[0])
    assert not any("\x1b[2J" in line or "\r" in line for line in Page(OVERLAY, (80, 24)).lines(scene, "", ""))


class Terminal(io.StringIO):
    def __init__(self, *, real: bool) -> None:
        super().__init__()
        self.real = real

    def isatty(self) -> bool:
        return self.real


@pytest.mark.parametrize(
    ("real", "environment"),
    [(False, {"TERM": "xterm"}), (True, {"TERM": "dumb"}), (True, {}), (True, {"TERM": "xterm", "NO_COLOR": "1"})],
)
def test_where_no_page_can_be_drawn_there_are_plain_lines(real: bool, environment: dict[str, str]) -> None:
    """O01."""
    out = Terminal(real=real)
    ink = ink_for(out, environment)
    assert ink is None
    with TerminalView(out, ink, names=NAMES, horizon=20, step_us=20_000) as view:
        view.begin("walking.aedat", None)
        for item in items():
            view.write(item)
    lines = out.getvalue().splitlines()
    assert 1 <= len(lines) <= 2, "one a second"
    assert "\x1b" not in out.getvalue()
    assert lines[-1].endswith(("arm roll, after 9 steps", "the network is at rest", "of 2.50", "score 1.00"))


def test_a_plain_line_says_the_leader_and_the_score_against_its_threshold() -> None:
    assert plain_line(OVERLAY, scenes()[8]) == (f"    0.14 s  step 7 of 20: {NAMES[2]} 0.95, score 1.50 of 2.50")
    assert ink_for(Terminal(real=True), {"TERM": "xterm", "COLORTERM": "truecolor"}) == Ink(deep=True)
    assert ink_for(Terminal(real=True), {"TERM": "xterm-256color"}) == Ink(deep=False)


def screen_of(text: str) -> list[str]:
    """The lines that a terminal without end holds after a text with the sequences that pages have."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[\d;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
        if part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            column = 0
        elif part.startswith("\x1b"):
            number, kind = part[2:-1], part[-1]
            if kind == "F":
                row, column = row - int(number), 0
                assert row >= 0
            elif kind == "K":
                lines[row] = lines[row][:column]
            elif kind == "J":
                lines[row:] = [lines[row][:column]]
        else:
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part) :]
            column += len(part)
    return lines


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], str]:
    """Runs a command with its output on a terminal of 100 columns and 30 rows; returns what that received."""
    pty, termios, fcntl = (pytest.importorskip(name) for name in ("pty", "termios", "fcntl"))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def runs(words: list[str]) -> str:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        received = bytearray()

        def read() -> None:
            try:
                while chunk := os.read(ours, 65_536):
                    received.extend(chunk)
            except OSError:  # Linux: the other end was closed
                return

        reader = threading.Thread(target=read)
        reader.start()
        with open(theirs, "w", encoding="utf-8") as out, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", out)
            assert main(words) == 0
        reader.join()
        os.close(ours)
        return received.decode()

    return runs


def test_what_is_printed_stays_above_the_page_and_the_terminal_is_given_back(
    tmp_path: Path, terminal: Callable[[list[str]], str]
) -> None:
    session = write_session(tmp_path, DrawnSession(24, "natural", order=(3, 0), quick=True))
    words = ["run", str(session), "--model", "gestures"]

    def without_times(text: str) -> list[str]:
        lines = [line.rstrip() for line in screen_of(text)]
        return [line for line in lines if "read, binned, stepped" not in line and "loading PyTorch" not in line]

    plain = terminal(words)
    with_page = terminal([*words, "--view", "terminal"])
    assert "▀" in with_page
    assert "\x1b[?25h" in with_page[with_page.rindex("\x1b[?25l") :], "the cursor stays hidden"
    assert without_times(with_page) == without_times(plain)
    assert "right" in plain
