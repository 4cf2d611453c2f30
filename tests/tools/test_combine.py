"""Truths about cutoffs that are made of fitted ones at the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.recorded import load_outputs, sweep
from spikecut.pipeline.rules.cutoff_file import load_cutoff
from spikecut.tools.cli import main

DATA = Path(__file__).parents[1] / "compatibility" / "data"
RUN = DATA / "run" / "seed0"
PATIENCE, CONFIDENCE = (str(RUN / f"corners.{rule}-5pt.json") for rule in ("patience", "confidence"))


@pytest.mark.parametrize("how", ["both", "either", "hold"])
def test_a_combined_cutoff_is_written_and_decides_as_its_parts_say(
    how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, parts = tmp_path / "made.json", [CONFIDENCE, PATIENCE] if how != "hold" else [CONFIDENCE, "--steps", "3"]
    assert main(["combine", how, *parts, "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    recorded, _ = load_outputs(RUN / "calibration.npz")
    made, one, other = (sweep(recorded, load_cutoff(path).cutoff).stops for path in (out, CONFIDENCE, PATIENCE))
    if how == "either":
        np.testing.assert_array_equal(made, np.minimum(one, other))
    else:
        assert (made >= one).all()
        assert made.mean() > one.mean()
    if how == "hold":
        assert (made >= 3).all()
    assert (made < recorded.horizon).any()
    document = json.loads(out.read_text())
    assert document["decider"]["type"] == how
    assert "no promise of its own" in document["promise"]

    stream, model = next((DATA / "streams").rglob("*.bin")), ["--model", str(RUN / "corners.safetensors")]
    assert main(["run", str(stream), *model, "--once", "--json", "--cutoff", str(out)]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "cutoff"
    test = [str(RUN / "evaluation" / "outputs.npz"), *model, "--part", "test", "--out", str(tmp_path / "evaluation")]
    assert main(["evaluate", *test, "--cutoff", str(out)]) == 0


def test_what_cannot_be_combined_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "made.json")]
    shipped = str(Path(__file__).parents[2] / "models" / "weights" / "nmnist.ltt-2pt.json")
    for words, message in (
        (["both", CONFIDENCE], "1 cutoffs to combine by both; expected 2"),
        (["hold", CONFIDENCE, PATIENCE], "2 cutoffs to combine by hold; expected 1"),
        (["both", CONFIDENCE, shipped], "this cutoff was fitted for weights"),
        (["hold", CONFIDENCE, "--steps", "0"], "--steps '0': expected a whole number of 1 or more"),
        (["either", str(RUN / "corners.planned-5pt.json"), PATIENCE], "'planned' asks a policy"),
    ):
        assert main(["combine", *words, *out]) == 2
        assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main(["combine", "both", CONFIDENCE, PATIENCE, *out]) == 0
    assert main(["combine", "both", CONFIDENCE, PATIENCE, *out]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["combine", "both", CONFIDENCE, PATIENCE, *out, "--overwrite"]) == 0
