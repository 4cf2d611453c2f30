"""docs/tutorial.md runs as printed: every command of it, in its order, in an empty folder."""

import re
import shlex
from pathlib import Path

import pytest

from spikecut.tools.cli import main

PAGE = (Path(__file__).parent.parent / "docs" / "tutorial.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ spikecut (.*)$", PAGE, re.MULTILINE)


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) >= 10


@pytest.mark.slow  # plays at the pace of the sensor would take minutes: here a hundred times as fast
def test_every_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    answers: dict[str, list[str]] = {}
    for command in COMMANDS:
        words = shlex.split(command)
        paced = words[0] in ("live", "label") or "--speed" in words
        if "--speed" in words:
            del words[(at := words.index("--speed")) : at + 2]
        extra = ["--speed", "100", "--window", "off"] if paced else []
        block = ["--when-full", "block"] if words[0] == "live" else []
        assert main([*words, *extra, *block]) in (0, 3), command
        out = capsys.readouterr().out
        answers[command] = [line for line in out.splitlines() if " of " in line or "gesture" in line]
    live, again = COMMANDS[-2:]
    assert answers[again] == answers[live], "what was kept plays to the same decisions"
