"""Truths about keys in the terminal: they act without Enter, and the terminal is afterwards as it was."""

import os
import pty
import sys
import termios
import time
from collections.abc import Iterator

import pytest

from spikecut.sources.live.controls import Controls
from spikecut.tools.session.terminal_keys import terminal_keys


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of a terminal that is our standard input."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(os, "tcgetpgrp", lambda number: os.getpgrp())
        yield ours
    os.close(ours)


def test_keys_act_without_enter_and_the_terminal_is_left_as_it_was(
    terminal: int, capsys: pytest.CaptureFixture[str]
) -> None:
    former = termios.tcgetattr(sys.stdin.fileno())
    controls = Controls(1.0)
    with terminal_keys(controls):
        assert termios.tcgetattr(sys.stdin.fileno()) != former
        os.write(terminal, b" \x1b[C-q")
        until = time.monotonic() + 10
        while not controls.stopped and time.monotonic() < until:
            time.sleep(0.01)
    assert (controls.stopped, controls.paused, controls.speed) == (True, True, 0.5)
    assert controls.take_jump_us() == 5_000_000
    assert termios.tcgetattr(sys.stdin.fileno()) == former
    assert capsys.readouterr().err.startswith("keys: space pause")


def test_an_error_leaves_the_terminal_as_it_was(terminal: int) -> None:
    former = termios.tcgetattr(sys.stdin.fileno())
    with pytest.raises(KeyboardInterrupt), terminal_keys(Controls(1.0)):
        raise KeyboardInterrupt
    assert termios.tcgetattr(sys.stdin.fileno()) == former


def test_without_a_terminal_nothing_is_read_or_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with terminal_keys(Controls(1.0)):
        pass
    assert capsys.readouterr().err == ""
