"""Truths about the last line of `run --json`: a summary has always the same keys."""

import json
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.events import EventBatch
from spikecut.pipeline.metrics.session_score import Score
from spikecut.sources.formats.hdf5_writer import write_hdf5
from spikecut.tools.cli import main
from spikecut.tools.session.decision_text import summary_object

from source_contract import DVS128

ACCOUNT = {"read", "used", "dropped", "bins"}
KEYS = {*summary_object(Score()), "decisions", "no_gesture", *ACCOUNT, "ended", "timing", "datagrams", "drift"}


def still_scene(path: Path) -> None:
    """Events of a steady rate: nothing begins to move."""
    rng, n = np.random.default_rng(0), 3_000
    t = np.sort(rng.integers(0, 600_000, n))
    x, y = (rng.integers(0, 128, n).astype(np.uint16) for _ in range(2))
    write_hdf5(path, [EventBatch(t, x, y, (x % 2).astype(np.uint8), 0, 600_000, DVS128)], DVS128)


def test_where_events_were_left_out_and_nothing_decided_the_summary_has_the_keys_of_a_labelled_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still_scene(tmp_path / "a.h5")
    words = ["run", str(tmp_path / "a.h5"), "--model", "gestures", "--json"]
    assert main(words) == 0
    assert not capsys.readouterr().out
    assert main([*words, "--filter", "polarity:on"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    summary = json.loads(line)["summary"]
    assert set(summary) == KEYS
    assert summary["decisions"] == 0
    assert summary["right"] is None
    assert list(summary["dropped"]) == ["polarity"]
