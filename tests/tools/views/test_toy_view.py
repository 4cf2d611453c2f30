"""A view added from outside: one module, one row in `VIEWS`, used from the command line."""

import importlib
import json
import re
from pathlib import Path

import pytest

from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.cli import main
from spikecut.tools.views import VIEWS

MODULE = """
from spikecut.pipeline.atomic_files import write_text
from spikecut.pipeline.results import Decision, Rest, Step
from spikecut.tools.views.base import ViewKind

LETTERS = {Step: "s", Decision: "D", Rest: "."}

class LetterView:
    def __init__(self, path, overwrite):
        self.path, self.overwrite, self.text = path, overwrite, ""
    def __enter__(self):
        return self
    def begin(self, title, truth):
        self.text += f"{title} {truth} "
    def expect(self, truth):
        self.text += f" {truth} "
    def write(self, item):
        self.text += LETTERS[type(item)]
    def finish(self, summary):
        write_text(self.path, f"{self.text} {summary.n_decisions}\\n", overwrite=self.overwrite)
    def __exit__(self, kind, error, trace):
        pass

def make_letters(card, decider, options):
    return LetterView(options.named["letters"], options.overwrite)

KIND = ViewKind("one letter an item, in a text file", make_letters, suffixes=(".txt",))
"""


def test_a_view_of_one_s_own_shows_a_run_and_changes_no_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "toy_view.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(VIEWS, "letters", importlib.import_module("toy_view").KIND)
    write_digits(Path(), 1, seed=0)
    words = ["run", "0/drawn_000.bin", "--model", "nmnist", "--json"]
    assert main(words) == 0
    without = capsys.readouterr().out
    assert main([*words, "--view", "letters=out.txt"]) == 0
    assert capsys.readouterr().out == without
    (steps,) = [json.loads(line)["steps"] for line in without.splitlines()]
    assert re.fullmatch(rf"drawn_000\.bin 0 s{{{steps}}}D\.* 1\n", Path("out.txt").read_text())
    assert main([*words, "--view", "letters=out.txt"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*words, "--view", "letters"]) == 2
    assert "--view letters=out.txt" in capsys.readouterr().err
