"""Truths about the table of commands: every command is one frozen value, whose module loads nothing heavy."""

import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import spikecut.tools.commands
from spikecut.tools import cli
from spikecut.tools.commands import COMMANDS
from spikecut.tools.flags import flags_of


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_a_frozen_dataclass_in_a_module_of_its_name(name: str) -> None:
    options = COMMANDS[name]
    assert vars(options)["__dataclass_params__"].frozen
    assert re.fullmatch(rf"spikecut\.tools\.commands\.(watch|measure|fit|files)\.{name}", options.__module__)
    assert list(inspect.signature(options.run).parameters) == ["self"]


def test_every_module_of_the_folders_has_its_row() -> None:
    found = pkgutil.walk_packages(spikecut.tools.commands.__path__, "spikecut.tools.commands.")
    assert {module.name.rpartition(".")[2] for module in found if not module.ispkg} == set(COMMANDS)


@pytest.mark.parametrize(
    "words",
    [
        ["cost", "x", "--out", "FILE"],
        ["results", "x", "--out", "FILE"],
        ["why", "x", "--save", "FILE"],
        ["run", "x", "--save", "FILE"],
        ["demo", "--save", "FILE"],
        ["calibrate", "x", "--outputs", "FILE"],
        ["evaluate", "x", "--out", "FOLDER"],
    ],
    ids=lambda words: words[0],
)
def test_a_file_that_exists_is_refused_before_anything_heavy_is_loaded(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").touch()
    places = {"FILE": str(tmp_path / "evaluation.json"), "FOLDER": str(tmp_path)}
    code = "import sys; from spikecut.tools.cli import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    command = [sys.executable, "-c", code, *(places.get(word, word) for word in words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n"
    assert done.stderr.startswith(f"error: {tmp_path / 'evaluation.json'} exists already\n")


def test_the_command_line_asks_the_one_table() -> None:
    assert cli.COMMANDS is COMMANDS  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_has_a_sentence_in_the_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([name, "--help"])
    text = re.sub(r"[│\s]+", " ", capsys.readouterr().out.rpartition("$ spikecut")[2])
    for flag in flags_of(COMMANDS[name]):
        shown = "" if flag.positional else rf"{flag.shown}\b[^.]*?"
        assert re.search(rf"{shown}[A-Z][a-z ].{{6,}}?\.", text), flag
