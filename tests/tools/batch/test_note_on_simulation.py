"""The note that promises are suspended comes with recordings that a program has not made, and with those alone."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from spikecut.models.files import opening
from spikecut.sources.datasets.class_folders import MADE_BY
from spikecut.tools.batch.examples import _of_simulation


def test_drawn_gestures_are_simulated_and_others_are_not(tmp_path: Path) -> None:
    card = opening.card_of(opening.locate("gestures"))
    sessions: Any = SimpleNamespace(provenance=lambda *_: {})
    (note,) = _of_simulation(sessions, card, tmp_path)
    assert "do not say that they are simulated" in note
    (tmp_path / MADE_BY).write_text("drawing of seed 0\n")
    assert _of_simulation(sessions, card, tmp_path) == ()
