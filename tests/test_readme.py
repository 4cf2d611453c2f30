"""The README runs as printed: every command of its section for users, in its order, in an empty folder."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from printed_pages import ROOT, commands_of, quicker, run_page

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README[README.index("## Start with what you have") : README.index("## In Python")]
COMMANDS = commands_of(SECTION)


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
def test_every_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    camera = instead_of_a_camera(tmp_path / "camera.avi")

    def possible_here(words: list[str]) -> list[str]:
        if "camera:0" in words:
            return [f"camera:{camera}" if word == "camera:0" else word for word in words]
        port = ["--listen", "127.0.0.1:0"] if "--web" in words else []
        return [*quicker(words, "50"), *port]

    answers = run_page(SECTION, capsys, possible_here)
    assert len(answers) == len(COMMANDS)
