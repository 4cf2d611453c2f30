"""Truths about folders of drawn digits: their numbers, what divides them, and that an interrupted command goes on."""

from pathlib import Path

import pytest

from spikecut.sources.datasets.class_folders import list_recordings
from spikecut.sources.simulation.drawn_digits import digit_files
from spikecut.tools.cli import main


def test_other_seeds_draw_other_digits_and_more_of_them_begin_with_the_same() -> None:
    few, more, others = digit_files(3, 0), digit_files(5, 0), digit_files(3, 1)
    assert few.items() <= more.items()
    assert not set(few.values()) & set(others.values())
    assert len(set(more.values())) == len(more) == 50


def test_the_command_writes_class_folders_and_draws_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simulate", "digits", str(tmp_path / "digits"), "--count", "2"]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'digits'}: 2 drawings of each of ten digits\n"
    names = [recording.name for recording in list_recordings(tmp_path / "digits")]
    assert names == [f"{digit}/drawn_{n:04d}.bin" for digit in range(10) for n in range(2)]
    kept, lost = (tmp_path / "digits" / name for name in names[:2])
    first, content = kept.stat(), lost.read_bytes()
    lost.unlink()
    assert main(words) == 0
    assert kept.stat().st_mtime_ns == first.st_mtime_ns
    assert lost.read_bytes() == content
    assert main([*words, "--seed", "1"]) == 2
    assert "digits" in capsys.readouterr().err
    assert main([*words, "--images", "x.zip"]) == 2
