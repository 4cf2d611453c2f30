"""A network on disk: `NAME.safetensors` with the weights, `NAME.json` with its card. Neither is ever executed."""

from pathlib import Path

import torch
from torch import nn

from spikecut.models.architectures.networks import plain
from spikecut.models.card import ModelCard
from spikecut.models.files.weights_io import read_carded, read_tensors, write_carded
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize

_KIND, _VERSION = "spikecut network", 1


def save(folder: Path, card: ModelCard, network: nn.Module) -> ModelCard:
    """Writes weights and card into a folder; returns the card with the weights' hash filled in."""
    weights = folder / f"{card.name}.safetensors"
    return write_carded(weights, card, plain(network).state_dict(), _KIND, _VERSION)


def read_weights(weights: Path, card: ModelCard) -> dict[str, torch.Tensor]:
    """The plain weights that a card belongs to.

    Raises:
        ModelError: if the file is another than the card says, damaged, or holds what is no number.
    """
    return read_tensors(weights, card.weights_sha256)


def read_card(path: Path) -> ModelCard:
    """Reads a card back.

    Raises:
        ModelError: if it is missing, of another kind or version, or lacks a field.
    """
    try:
        raw = read_carded(path, _KIND, _VERSION)
        spec, sensor = raw["spec"], SensorSize(**raw["sensor"])
        spec = NetworkSpec(**{**spec, "channels": tuple(spec["channels"]), "frame": SensorSize(**spec["frame"])})
        lists = {name: tuple(raw[name]) for name in ("classes", "trained_on")}
        card = ModelCard(**{**raw, **lists, "spec": spec, "sensor": sensor})
    except OSError as error:
        raise ModelError(f"{path}: cannot read the card: {error.strerror}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path}: not a card of a spikecut network ({error})") from error
    if len(card.classes) != card.spec.n_classes:
        raise ModelError(f"{path}: {len(card.classes)} class names for {card.spec.n_classes} outputs")
    return card
