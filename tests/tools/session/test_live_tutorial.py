"""docs/live.md is done: every command in it can be given, and its two processes are joined."""

import json
import queue
import re
import shlex
import socket
import threading
from pathlib import Path

import pytest

from spikecut.sources.live.datagrams import LAYOUTS
from spikecut.sources.live.inputs import SOURCES, addresses, udp
from spikecut.sources.live.inputs.addresses import Address
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main
from spikecut.tools.commands import COMMANDS
from spikecut.tools.flags import check_words

from printed_pages import Given, parts_of, run_page

PAGE = (Path(__file__).parents[3] / "docs" / "live.md").read_text(encoding="utf-8")
LINES = [part.command for part in parts_of(PAGE) if isinstance(part, Given)]
GIVEN = [re.sub(r"^cat \S+ \| ", "", line) for line in LINES if re.match(r"(cat .* \| )?spikecut ", line)]


def that_ends(words: list[str]) -> list[str] | None:
    """What neither waits for another process, nor needs a webcam, nor goes on for ever."""
    return None if any(word.startswith(("udp:", "camera:", "drawn:")) for word in words) else words


def test_every_command_on_the_page_can_be_given() -> None:
    assert len(GIVEN) >= 8
    for command in GIVEN:
        program, name, *words = shlex.split(command)
        assert program == "spikecut"
        check_words(name, words, COMMANDS[name])


def test_the_page_names_every_live_source_and_every_layout_of_datagrams() -> None:
    for name in LAYOUTS:
        assert f"| `{name}` |" in PAGE
    for row in SOURCES.values():
        if row.form.startswith("FILE"):
            assert " --follow" in PAGE
        else:
            assert row.form.replace("HOST:PORT", "127.0.0.1:3333") in PAGE


@pytest.mark.slow  # draws a person, and plays what is piped and what grows
def test_what_has_an_end_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    piped, followed = list(run_page(PAGE, capsys, that_ends).values())[-2:]
    assert "13 decisions" in piped.err
    assert "13 decisions" in followed.err


def test_two_processes_are_joined_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The receiver and the sender of the page, on another port and faster; what a busy machine loses is counted."""
    monkeypatch.chdir(tmp_path)
    receives, sends = (next(line for line in GIVEN if re.match(rf"spikecut {name} ", line)) for name in ("run", "send"))
    file = Path(sends.split()[2])
    file.parent.mkdir()
    write_session(file.parent, DrawnSession(24, "natural", order=(3, 0), quick=True)).rename(file)
    ports: queue.Queue[str] = queue.Queue()

    def bound(address: Address) -> socket.socket:
        receiver = addresses.bound(address)
        ports.put(str(receiver.getsockname()[1]))
        return receiver

    def send() -> None:
        main([*shlex.split(sends.replace("3333", ports.get(timeout=120)))[1:], "--speed", "10"])

    monkeypatch.setattr(udp, "bound", bound)
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    words = shlex.split(receives.replace("3333", "0"))[1:]
    code = main([*words, "--json", "--window", "off", "--idle-timeout", "60"])
    sender.join(timeout=60)
    out, err = capsys.readouterr()
    summary = json.loads(next(line for line in reversed(out.splitlines()) if "summary" in line))["summary"]
    carried = summary["datagrams"]
    assert code == (3 if carried["lost"] else 0)
    assert summary["ended"] == "end"
    assert summary["read"] == summary["used"] + sum(summary["dropped"].values())
    assert carried["used"] > 100
    assert "waiting for datagrams: udp://127.0.0.1:0" in err
    assert "sent " in out
