"""`spikecut info --model NETWORK` without a file: what a network is, its cutoffs, and their levels of sensitivity."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.errors import printable
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.tools.cutoff_lookup import cutoffs_for
from spikecut.tools.rejection_rates import levels_object, rates_text


def run_network_info(model: str, cutoff: str | None, *, as_json: bool) -> int:
    """The command: 0. `cutoff` names the one to list; None is all beside the network.

    Raises:
        ModelError: if there is no such network or cutoff.
    """
    weights = opening.locate(model)
    card = opening.card_of(weights)
    cutoffs = cutoffs_for([cutoff] if cutoff else [], weights, card)
    if as_json:
        print(json.dumps(_object(weights, card, cutoffs)))
        return 0
    for line in _lines(card, cutoffs):
        print(printable(line))
    return 0


def _object(weights: Path, card: ModelCard, cutoffs: dict[str, FittedCutoff]) -> dict[str, Any]:
    return {
        "network": card.name,
        "weights": str(weights),
        "weights_sha256": card.weights_sha256,
        "classes": list(card.classes),
        "rejects": list(card.rejects),
        "sensor": [card.sensor.width, card.sensor.height],
        "step_us": card.spec.step_us,
        "horizon": card.horizon,
        "default_cutoff": card.default_cutoff,
        "cutoffs": {
            name: {
                "promise": one.promise,
                "tolerance": one.tolerance,
                "n": one.n,
                "sensitivity": levels_object(one.sensitivity),
            }
            for name, one in cutoffs.items()
        },
    }


def _lines(card: ModelCard, cutoffs: dict[str, FittedCutoff]) -> Iterator[str]:
    window_ms = card.horizon * card.spec.step_us / 1000
    yield f"network   {card.name}"
    yield f"sensor    {card.sensor}, {card.horizon} steps of {card.spec.step_us / 1000:g} ms ({window_ms:g} ms)"
    yield f"classes   {', '.join(card.classes)}"
    if card.rejects:
        yield f"rejects   {', '.join(card.rejects)}: movement, no gesture"
    yield "cutoffs" if cutoffs else "cutoffs   none; spikecut calibrate fits them"
    for name, one in cutoffs.items():
        default = " (default)" if name == card.default_cutoff else ""
        yield f"  {name}{default}, fitted on {one.n:,}: {one.promise}"
        for level_name, level in one.sensitivity.levels().items() if one.sensitivity else ():
            yield f"    {rates_text(level_name, level)}"
    if card.onset and cutoffs and not any(one.sensitivity for one in cutoffs.values()):
        yield "sensitivity: none is fitted; spikecut calibrate FOLDER --gesture-free SESSIONS fits the levels"
