"""Truths about the table of commands: every command is one frozen value, whose module loads nothing heavy."""

import inspect
import pkgutil
import re

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
