"""A network on disk: `NAME.safetensors` with the weights, `NAME.json` with its card. Neither is ever executed."""

from pathlib import Path

import torch
from torch import nn

from spikecut.models.architectures.networks import plain
from spikecut.models.card import ModelCard
from spikecut.models.files.weights_io import read_carded, read_tensors, write_carded
from spikecut.pipeline.errors import ConfigError, ModelError, printable
from spikecut.pipeline.files.strict import typed, unexpected
from spikecut.pipeline.recognition import Onset

_KIND, _VERSION = "spikecut network", 1
_LONGEST = 2**20  # steps


def save(folder: Path, card: ModelCard, network: nn.Module) -> ModelCard:
    """Writes weights and card into a folder; returns the card with the weights' hash filled in."""
    weights = folder / f"{card.name}.safetensors"
    return write_carded(weights, card, plain(network).state_dict(), _KIND, _VERSION)


def read_weights(weights: Path, card: ModelCard) -> dict[str, torch.Tensor]:
    """The plain weights that a card belongs to.

    Raises:
        ModelError: if the file does not have the SHA-256 of the card, is damaged, or holds values that are not finite.
    """
    return read_tensors(weights, card.weights_sha256)


def read_card(path: Path) -> ModelCard:
    """Reads a card back.

    Raises:
        ModelError: if it is missing, of another kind or version, or lacks a field.
    """
    try:
        card = read_carded(path, _KIND, _VERSION, ModelCard)
        _check(card)
    except OSError as error:
        raise ModelError(f"{path}: cannot read the card: {error.strerror}") from error
    except ConfigError as error:
        raise ModelError(f"{path}: {error}", hint=error.hint) from error
    if len(card.classes) != card.spec.n_classes:
        raise ModelError(f"{path}: {len(card.classes)} class names for {card.spec.n_classes} outputs")
    return card


def _check(card: ModelCard) -> None:
    """Checks beyond the types of the fields: numbers of steps, and the entries of free tables."""
    if not 1 <= card.horizon <= _LONGEST or card.spec.step_us < 1 or not card.classes:
        raise ConfigError(
            f"{card.horizon} steps of {card.spec.step_us} us, {len(card.classes)} classes; expected 1 to {_LONGEST:,} "
            "steps, and 1 or more of the others"
        )
    for name in card.classes:
        if name != printable(name):
            raise unexpected("classes", name, "names without control characters")
    if len(set(card.classes)) < len(card.classes):
        raise unexpected("classes", list(card.classes), "every name once")
    if not set(card.rejects) < set(card.classes) or len(set(card.rejects)) < len(card.rejects):
        raise unexpected("rejects", list(card.rejects), "some of the classes, each once, and not all of them")
    if "/" in card.name or card.name.startswith("."):  # files are called by it
        raise unexpected("name", card.name, "a name without / that begins with no dot")
    if card.onset:
        typed(Onset, dict(card.onset), "onset")
    if not isinstance(card.provenance.get("made_of", {}), dict):
        raise ConfigError("provenance.made_of is no table")
