"""A network on disk: `NAME.safetensors` with the weights, `NAME.json` with its card. Neither is ever executed.

A network of one's own is a Python file, and that one is: see `network_file`.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from spikecut.models.architectures.networks import NetworkSpec, build, plain
from spikecut.models.card import ModelCard
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.files.network_file import load_file
from spikecut.models.files.weights_io import read_carded, read_tensors, write_carded
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.protocols import SteppedModel

SHIPPED = Path(__file__).parent.parent / "weights"
_KIND, _VERSION = "spikecut network", 1


def save(folder: Path, card: ModelCard, network: nn.Module) -> ModelCard:
    """Writes weights and card into a folder; returns the card with the weights' hash filled in."""
    weights = folder / f"{card.name}.safetensors"
    return write_carded(weights, card, plain(network).state_dict(), _KIND, _VERSION)


def load(model: str | Path) -> tuple[SteppedModel[Any], ModelCard]:
    """A network ready to be stepped: a shipped one by its name, any other by the path of its weights.

    `nets.py`, or `nets.py:small`, is a file that makes it with `from_norse`: this one is executed.

    Raises:
        ModelError: if there is none, or weights and card do not belong together.
    """
    weights = locate(model)
    if weights.suffix != ".safetensors":
        return load_file(*_python_file(weights))
    card = read_card(weights.with_suffix(".json"))
    network = plain(build(card.spec))
    try:
        network.load_state_dict(read_weights(weights, card))
    except RuntimeError as error:
        raise ModelError(f"{weights}: the weights do not fit the card: {error}") from error
    return NetworkStepper(network, card.spec), card


def read_weights(weights: Path, card: ModelCard) -> dict[str, torch.Tensor]:
    """The plain weights that a card belongs to.

    Raises:
        ModelError: if the file is another than the card says, damaged, or holds what is no number.
    """
    return read_tensors(weights, card.weights_sha256)


def card_of(weights: Path) -> ModelCard:
    """The card of a network that was located; see `load`."""
    return read_card(weights.with_suffix(".json")) if weights.suffix == ".safetensors" else load(weights)[1]


def locate(model: str | Path) -> Path:
    """The weights' file for a shipped name or a path (with or without its suffix); a Python file as it was named."""
    shipped = sorted(path.stem for path in SHIPPED.glob("*.safetensors"))
    if str(model) in shipped:
        return SHIPPED / f"{model}.safetensors"
    path = Path(model)
    for candidate in (path, path.with_name(path.name + ".safetensors")):
        if candidate.suffix == ".safetensors" and candidate.is_file():
            return candidate
    file, _ = _python_file(path)
    if file.suffix == ".py" and file.is_file():
        return path
    raise ModelError(
        f"no network {str(model)!r}",
        hint="give the path of a .safetensors file, that of a .py that makes one with spikecut.from_norse, or a "
        f"shipped one: {', '.join(shipped) or 'none'}",
    )


def _python_file(path: Path) -> tuple[Path, str]:
    """`nets.py:small` is the network `small` of the file `nets.py`."""
    stem, named, wanted = path.name.partition(".py:")
    return (path.with_name(f"{stem}.py"), wanted) if named else (path, "")


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
