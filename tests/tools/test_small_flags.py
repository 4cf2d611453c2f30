"""Truths about flags of `calibrate` and `simulate` that do a part of the work."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikecut.models.files.opening import SHIPPED
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.rules.cutoff_file import load_cutoff
from spikecut.sources.formats.atis import write_atis
from spikecut.tools.batch import simulate
from spikecut.tools.cli import main


def random_events(seed: int, n: int = 500) -> EventBatch:
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, 300_000, n))
    x, y = (rng.integers(0, 34, n).astype(np.uint16) for _ in range(2))
    return EventBatch(t, x, y, (x % 2).astype(np.uint8), 0, 300_000, SensorSize(34, 34))


def test_statistics_only_adds_a_reference_and_changes_no_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digits, added = tmp_path / "digits", tmp_path / "added"
    for number in range(10):
        target = digits / str(number) / f"{number}.bin"
        target.parent.mkdir(parents=True)
        write_atis(target, [random_events(number)])
    fit = ["calibrate", str(digits), "--part", "all"]
    assert main([*fit, "--statistics-only", "--out", str(added)]) == 0
    files = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert files
    assert sorted(files) == sorted(added.iterdir())
    for file in files:
        before, after = json.loads((SHIPPED / file.name).read_text()), json.loads(file.read_text())
        assert {k: v for k, v in before.items() if k != "reference"} == {
            k: v for k, v in after.items() if k != "reference"
        }
        reference = load_cutoff(file).reference
        assert reference is not None
        assert reference.n == 10
    assert main([*fit, "--statistics-only", "--out", str(added)]) == 2
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize("quick", [False, True])
def test_quick_draws_every_gesture_in_at_most_three_seconds(
    quick: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(simulate, "write_session", lambda folder, session: drawn.append(session))
    words = ["simulate", "gestures", str(tmp_path / "drawn"), "--users", "2", "--part", "train"]
    assert main([*words, *["--quick"] * quick]) == 0
    assert drawn
    lengths = [end_us - start_us for session in drawn for start_us, end_us in times(session)]
    assert lengths
    assert all((length_us <= 3_000_000) == quick for length_us in lengths)


def times(session: Any) -> Iterator[tuple[int, int]]:
    for span in session.spans():
        yield span.start_us, span.end_us
