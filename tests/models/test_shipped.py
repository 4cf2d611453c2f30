"""Truths about the networks that ship: small, whole, with cutoffs that are theirs, and honest about their data."""

from pathlib import Path

import pytest

from spikecut.models.files import opening
from spikecut.pipeline.rules import RULES
from spikecut.tools.cutoff_lookup import available, cutoffs_for, find_cutoff

NETWORKS = sorted(opening.SHIPPED.glob("*.safetensors"))


@pytest.mark.parametrize("weights", NETWORKS, ids=lambda path: path.stem)
def test_a_network_that_ships_opens_with_its_cutoffs(weights: Path) -> None:
    assert weights.stat().st_size < 3_000_000
    _, card = opening.load(weights.stem)
    assert card.name == weights.stem
    cutoffs = cutoffs_for((), weights, card)
    assert set(cutoffs) == set(available(weights))
    assert {name.split("-")[0] for name in cutoffs} >= {"fixed", "topk", "confidence", "ltt"}
    assert all(one.n > 100 and one.promise for one in cutoffs.values())
    assert find_cutoff(None, weights, card).promise
    files = {path.name for path in weights.parent.glob(f"{weights.stem}.*")} - {f"{weights.stem}.memory.npz"}
    assert files == {weights.name, f"{weights.stem}.json", *(f"{weights.stem}.{name}.json" for name in cutoffs)}


def test_what_the_gestures_are_taught_with_ships_and_is_small() -> None:
    memory = opening.SHIPPED / "gestures.memory.npz"
    assert 0 < memory.stat().st_size < 1_000_000


def test_gestures_2_can_say_no_and_at_which_rates() -> None:
    weights = opening.SHIPPED / "gestures-2.safetensors"
    card = opening.card_of(weights)
    assert card.classes == (*opening.card_of(opening.SHIPPED / "gestures.safetensors").classes, "no gesture")
    assert card.rejects == ("no gesture",)
    assert "no real person" in card.provenance["data"]
    for name, cutoff in cutoffs_for((), weights, card).items():
        assert cutoff.sensitivity is not None, name
        low, normal, high = cutoff.sensitivity.levels().values()
        assert low.alarms_a_minute < normal.alarms_a_minute == 0.5 < high.alarms_a_minute
        assert low.alarms <= normal.alarms <= high.alarms
        assert low.rejected >= normal.rejected >= high.rejected
        assert normal.minutes > 90
        assert normal.n == cutoff.n > 4_900


def test_the_network_for_n_caltech101_has_the_classes_of_the_set_and_names_the_photographs() -> None:
    card = opening.card_of(opening.SHIPPED / "ncaltech101.safetensors")
    assert len(card.classes) == 101
    assert card.classes == tuple(sorted(card.classes))
    assert {"BACKGROUND_Google", "Faces_easy", "airplanes", "yin_yang"} <= set(card.classes)
    assert "Faces" not in card.classes
    origin = card.provenance
    assert "simulated" in origin["data"]
    assert "Caltech-101" in origin["attribution"]
    assert "photographs of Caltech-101" in origin["data_licence"]
    assert "CC BY 4.0" in origin["data_licence"]
    assert origin["started_from"]["teacher"]["weights_sha256"]
    cutoffs = available(opening.SHIPPED / "ncaltech101.safetensors")
    assert {f"{rule}-{points}pt" for rule in ("ltt", "ltt_fixed") for points in (1, 2)} <= set(cutoffs)
    assert set(RULES) >= {name.split("-")[0] for name in cutoffs}
