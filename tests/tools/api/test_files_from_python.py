"""Truths about files that are written from Python: those of the commands, and nothing is printed meanwhile."""

from pathlib import Path

import pytest

import spikecut
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.tools.cli import main


def test_a_rendered_run_has_the_decisions_of_the_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    network, card = spikecut.load_network("nmnist")
    digit, rule = spikecut.DrawnDigit(7, seed=1), spikecut.confidence(0.9, card.horizon)
    decisions = spikecut.render(digit, network, rule, tmp_path / "seven.webp", truth="7")
    assert (tmp_path / "seven.webp").stat().st_size > 10_000
    items = spikecut.watch(digit, network, rule, horizon=card.horizon)
    expected = [(one.label, one.steps) for one in items if isinstance(one, spikecut.Decision)]
    assert [(one.label, one.steps) for one in decisions] == expected[: len(decisions)]
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ConfigError, match=r"seven\.webp"):
        spikecut.render(digit, network, rule, tmp_path / "seven.webp")
    with pytest.raises(ConfigError, match="no class is called 'ten'"):
        spikecut.render(digit, network, rule, tmp_path / "ten.webp", truth="ten")
    assert not (tmp_path / "ten.webp").exists()


def test_a_cutoff_of_another_network_is_not_rendered(tmp_path: Path) -> None:
    network, _ = spikecut.load_network("nmnist")
    outputs = spikecut.record([(spikecut.DrawnDigit(n, seed=1), n) for n in range(10)], network)
    fitted = spikecut.fit("fixed", outputs)
    with pytest.raises(ModelError, match="this cutoff was fitted for weights"):
        spikecut.render(spikecut.DrawnDigit(1, seed=1), "gestures", fitted, tmp_path / "one.webp")


def test_an_export_in_python_is_the_file_of_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    network, _ = spikecut.load_network("nmnist")
    exported = spikecut.export(network, tmp_path / "python.onnx")
    assert capfd.readouterr() == ("", "")
    assert main(["export", "--model", "nmnist", "--out", str(tmp_path / "command.onnx")]) == 0
    assert exported.path.read_bytes() == (tmp_path / "command.onnx").read_bytes()
    with pytest.raises(ConfigError, match="to: found 'onx'"):
        spikecut.export("nmnist", tmp_path / "other.onnx", to="onx")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a dict without a file of weights"):
        spikecut.export({}, tmp_path / "other.onnx")
