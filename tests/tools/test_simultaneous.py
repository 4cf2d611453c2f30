"""Truths about several promises that are fitted on the same recordings in one call of `calibrate`."""

import json
from pathlib import Path

import pytest

from spikecut.tools.cli import main

RUN = Path(__file__).parents[1] / "compatibility" / "data" / "run" / "seed0"
CALIBRATE = ["calibrate", str(RUN / "calibration.npz"), "--model", str(RUN / "corners.safetensors"), "--delta", "0.2"]


def stored(folder: Path) -> dict[str, tuple[float, str]]:
    """Delta and promise of each cutoff in a folder."""
    raw = {path.name.split(".")[1]: json.loads(path.read_text()) for path in folder.glob("*.json")}
    return {name: (one["delta"], one["promise"]) for name, one in raw.items()}


def test_promises_that_hold_at_the_same_time_share_delta_and_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = ["--rule", "ltt", "ltt_fixed", "confidence", "--tolerance", "0.2", "0.3"]
    assert main([*CALIBRATE, *rules, "--simultaneous", "--out", str(tmp_path)]) == 0
    assert "note:" not in capsys.readouterr().err
    found = stored(tmp_path)
    for name in ("ltt-20pt", "ltt-30pt", "ltt_fixed-20pt", "ltt_fixed-30pt"):
        delta, promise = found[name]
        assert delta == pytest.approx(0.2 / 4)
        assert promise.startswith("With 95 % confidence, stopping early turns at most")
        assert promise.endswith("It is one of 4 promises that hold at the same time with 80 % confidence.")
    delta, promise = found["confidence-20pt"]
    assert delta == 0.2
    assert "at the same time" not in promise


def test_several_promises_on_the_same_recordings_are_fitted_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = ["--rule", "ltt", "conformal", "topk", "--tolerance", "0.3"]
    assert main([*CALIBRATE, *rules, "--out", str(tmp_path / "plain")]) == 0
    said = capsys.readouterr().err
    assert "note: 2 promises are fitted on the same recordings" in said
    assert "--simultaneous" in said
    assert stored(tmp_path / "plain")["ltt-30pt"][0] == 0.2
    assert main([*CALIBRATE, *rules, "--simultaneous", "--out", str(tmp_path / "shared")]) == 0
    assert "note: --simultaneous leaves conformal as it is" in capsys.readouterr().err


def test_a_single_promise_is_fitted_without_a_warning_and_keeps_its_delta(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, more in (("plain", []), ("shared", ["--simultaneous"])):
        rules = ["--rule", "ltt", "topk", "--tolerance", "0.3", *more]
        assert main([*CALIBRATE, *rules, "--out", str(tmp_path / folder)]) == 0
        assert "note:" not in capsys.readouterr().err
    assert stored(tmp_path / "plain") == stored(tmp_path / "shared")


@pytest.mark.parametrize(
    ("correction", "kind"), [("maxrank", "conformal"), ("bonferroni", "conformal"), ("simes", "pooled")]
)
def test_conformal_sets_are_corrected_as_asked_for_and_say_so(correction: str, kind: str, tmp_path: Path) -> None:
    rules = ["--rule", "conformal", "--tolerance", "0.3", "--correction", correction, "--out", str(tmp_path)]
    assert main([*CALIBRATE, *rules]) == 0
    document = json.loads((tmp_path / "corners.conformal-30pt.json").read_text())
    assert (document["decider"]["type"], document["decider"]["correction"]) == (kind, correction)
    assert ("positively dependent" in document["promise"]) == (correction == "simes")
