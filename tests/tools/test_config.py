"""Truths about configuration files: the same fields as the flags, what is typed wins, nothing unknown passes."""

from pathlib import Path

import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.tools.cli import main
from spikecut.tools.commands import COMMANDS
from spikecut.tools.config import with_config


def file_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "run.toml"
    path.write_text(text)
    return str(path)


def test_a_table_becomes_the_flags_of_its_command(tmp_path: Path) -> None:
    table = '[replay]\npart = "test"\ncutoff = ["fixed", "topk"]\nbatch_size = 8\njson = true\n[run]\nonce = true\n'
    config = file_of(tmp_path, table)
    expected = ["replay", "--part", "test", "--batch-size", "8", "--json", "folder", "--cutoff", "fixed", "topk"]
    assert with_config(["replay", "--config", config, "folder"], COMMANDS) == expected
    assert with_config([f"--config={config}", "replay", "folder"], COMMANDS) == expected
    assert with_config(["run", "file"], COMMANDS) == ["run", "file"]


def test_what_is_typed_wins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = file_of(tmp_path, '[run]\nmodel = "nobody"\n')
    assert main(["run", "nowhere.bin", "--config", config]) == 2
    assert "no network 'nobody'" in capsys.readouterr().err
    assert main(["run", "nowhere.bin", "--config", config, "--model", "nmnist"]) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[rum]\n", "rum: no such command; did you mean 'run'"),
        ("[run]\nmodle = 'x'\n", "run.modle: no such key; did you mean 'model'"),
        ("[run]\nmodel = {a = 1}\n", "run.model: .*expected a word"),
        ("[run]\nonce = 'yes'\n", "run.once: .*expected true or false"),
        ("[run]\nmodel = true\n", "run.model: .*expected a word"),
        ("[run]\nwindow = 'open'\n", "run.window: .*expected one of auto, on, off"),
        ("[run]\nfile = 'x.bin'\n", "run.file: belongs on the command line"),
        ("[replay]\nseed = 1.5\n", "replay.seed: .*expected a whole number"),
        ("[replay]\ncutoff = [1, {}]\n", "replay.cutoff: .*expected a list, each entry a word"),
        ("[recipe]\nseed = [0, '1']\n", "recipe.seed: .*expected a list, each entry a whole number"),
        ("[report]\ncompare = ['x']\n", "report.compare: .*expected a list, each entry a word"),
        ("[replay]\nseed = -1\n", "replay.seed: found -1; expected a whole number of 0 or more"),
        ("[recipe]\nseed = [0, -1]\n", "recipe.seed: found -1; expected a whole number of 0 or more"),
        ("[why]\nstart = nan\n", "why.start: found nan; expected a finite number"),
        ("[cut]\nskip = 1e300\n", "cut.skip: found 1e.300; expected a number of at most 1,000,000,000"),
        ("[run\n", "not TOML"),
    ],
)
def test_what_is_unknown_is_refused_by_its_full_path(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        with_config(["run", "--config", file_of(tmp_path, text), "x.bin"], COMMANDS)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: no such file"):
        with_config(["run", "--config", "nowhere.toml"], COMMANDS)


def test_numbers_of_a_list_become_words(tmp_path: Path) -> None:
    config = file_of(tmp_path, "[recipe]\nseed = [0, 1]\n[calibrate]\ntolerance = [0.01, 1]\ndelta = 1\n")
    assert with_config(["recipe", "x", "--config", config], COMMANDS) == ["recipe", "x", "--seed", "0", "1"]
    expected = ["calibrate", "--delta", "1", "x", "--tolerance", "0.01", "1"]
    assert with_config(["calibrate", "x", "--config", config], COMMANDS) == expected
