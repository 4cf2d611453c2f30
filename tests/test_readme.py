"""The README runs as printed: every command of its section for users, in its order, in an empty folder."""

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from spikecut.tools.cli import main

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SECTION = README[README.index("## Start with what you have") : README.index("## In Python")]
COMMANDS = re.findall(r"^\$ spikecut (.*)$", SECTION, re.MULTILINE)


def test_the_section_has_commands_for_every_user() -> None:
    assert len(COMMANDS) >= 15
    assert {command.split()[0] for command in COMMANDS} >= {
        "run",
        "evaluate",
        "convert",
        "replay",
        "calibrate",
        "teach",
        "live",
    }


def instead_of_a_camera(file: Path) -> Path:
    """A video of a square that moves, in the place of a webcam."""
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 30, (320, 240))
    for k in range(45):
        picture = np.full((240, 320, 3), 40, np.uint8)
        picture[80:140, 20 + 5 * k : 80 + 5 * k] = 220
        writer.write(picture)
    writer.release()
    return file


@pytest.mark.slow  # draws eleven people; what plays at the pace of its sensor is played faster here
def test_every_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    camera = instead_of_a_camera(tmp_path / "camera.avi")
    for command in COMMANDS:
        words = shlex.split(command, comments=True)
        if "camera:0" in words:
            words[words.index("camera:0")] = f"camera:{camera}"
        elif words[0] == "live" or "--speed" in words:
            pace = ["--speed", "50", "--when-full", "block", "--window", "off"]
            at = words.index("--speed") if "--speed" in words else len(words)
            words = [*words[:at], *words[at + 2 :], *pace]
            words += ["--listen", "127.0.0.1:0"] if "--web" in words else []
        assert main(words) == 0, command
