"""Pages whose commands run as printed: their files are written, their commands given, what they print compared.

On a page:

- A code block whose first line begins with `# NAME: ` or is `# NAME`, where NAME has a suffix, is written to that file.
- In a `console` block a line `$ COMMAND` is given. Below it stands what is printed; `...` leaves lines out. Spaces and
  the ends of lines do not count. A command below which `error:` stands must fail, every other one end with 0,
  `data check` also with 3: some input was damaged.
- A `text` block below a `console` block shows what its last command prints where figures depend on the machine: all but
  numbers is compared.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from spikecut.tools.cli import main

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w./-]+\.\w+)(?::.*)?")
_SHELL = re.compile(r"[|*>&;$]|^(?!spikecut )")  # a line that only a shell understands
_NUMBER = re.compile(r"[-−]?\d[\d,]*(\.\d+)?")
Change = Callable[[list[str]], list[str] | None]


@dataclass(slots=True)
class Given:
    """One command of a page, and the lines below it: as printed, and with other numbers than printed."""

    command: str
    printed: list[str] = field(default_factory=list)
    alike: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class NewFile:
    """A code block that a reader saves."""

    name: str
    text: str


def parts_of(page: str) -> list[Given | NewFile]:
    """The files and commands of a page in their order.

    >>> parts_of("```console\\n$ spikecut doctor\\nfine\\n```\\n\\n```toml\\n# a.toml\\nx = 1\\n```")
    [Given(command='spikecut doctor', printed=['fine'], alike=[]), NewFile(name='a.toml', text='# a.toml\\nx = 1\\n')]
    """
    parts: list[Given | NewFile] = []
    before = ""
    for kind, text in _BLOCK.findall(page):
        if kind == "console":
            parts += _given(text)
        elif kind == "text" and before == "console" and isinstance(last := parts[-1], Given):
            last.alike = text.splitlines()
        elif name := _FILE.fullmatch(text.partition("\n")[0]):
            parts.append(NewFile(name[1], text))
        before = kind
    return parts


def _given(block: str) -> list[Given]:
    commands: list[Given] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append(Given(line[2:]))
        elif commands:
            commands[-1].printed.append(line)
    return commands


def commands_of(page: str) -> list[str]:
    """The commands of `spikecut` on a page, without that word."""
    given = [part.command for part in parts_of(page) if isinstance(part, Given)]
    return [command.removeprefix("spikecut ") for command in given if command.startswith("spikecut ")]


def run_page(page: str, capsys: pytest.CaptureFixture[str], change: Change = list) -> dict[str, Answer]:
    """Runs a page in the present folder; returns what came of each command.

    `change` gives other words in place of those of a `spikecut` command, or None to leave it out. What the page shows
    is compared where the words are the page's own.
    """
    torch.set_num_threads(1)
    answers: dict[str, Answer] = {}
    parts = parts_of(page)
    assert len(parts) >= 4, "too few commands and files for a page that runs"
    for part in parts:
        if isinstance(part, NewFile):
            Path(part.name).write_text(part.text, encoding="utf-8")
            continue
        own = shlex.split(part.command, comments=True)
        words = change(list(own)) if own[0] == "spikecut" else own
        if words is None:
            continue
        in_a_shell = words == own and _SHELL.search(part.command.partition(" #")[0])
        answer = _in_a_shell(part.command) if in_a_shell else _here(words, capsys)
        answers[part.command] = answer
        fails = any(line.startswith("error:") for line in part.printed + part.alike)
        fine = (0, 3) if own[1] == "data" else (0,)
        assert (answer.code not in fine) == fails, f"{part.command}: {answer}"
        if words == own:
            _compare(part, f"{answer.out}\n{answer.err}")
    return answers


def quicker(words: list[str], speed: str = "100") -> list[str]:
    """What plays at the pace of the sensor plays so many times as fast, without a window."""
    if words[1] not in ("live", "label") and "--speed" not in words:
        return words
    if "--speed" in words:
        at = words.index("--speed")
        words = [*words[:at], *words[at + 2 :]]
    return [*words, "--speed", speed, "--window", "off", *(["--when-full", "block"] if words[1] == "live" else [])]


def _here(words: list[str], capsys: pytest.CaptureFixture[str]) -> Answer:
    capsys.readouterr()
    return Answer(main(words[1:]), *capsys.readouterr())


def _in_a_shell(line: str) -> Answer:
    """A line for bash, in which `spikecut` is the one that is tested."""
    program = f'spikecut() {{ {shlex.quote(sys.executable)} -m spikecut "$@"; }}; set -o pipefail\n{line}'
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False)
    return Answer(done.returncode, done.stdout, done.stderr)


def _compare(given: Given, text: str) -> None:
    """Asserts that what stands below a command is what it printed."""
    for lines, read in ((given.printed, _plain), (given.alike, _without_numbers)):
        missing = [line for line in lines if line != "..." and read(line) not in read(text)]
        assert not missing, f"{given.command} does not print {missing}, but\n{text}"


def _plain(text: str) -> str:
    return " ".join(text.split())


def _without_numbers(text: str) -> str:
    return _NUMBER.sub("#", _plain(text))
