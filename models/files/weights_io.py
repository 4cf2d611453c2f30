"""Weights and the card that they belong to: `NAME.safetensors` and `NAME.json`. Nothing in them is ever executed."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor

from spikecut.pipeline.errors import LimitExceeded, ModelError, SpikecutError, in_a_line, printable
from spikecut.pipeline.files.atomic_files import write_together
from spikecut.pipeline.files.limits import limited_bytes
from spikecut.pipeline.files.strict import read_json, typed, unexpected

Card = TypeVar("Card")
_MOST_BYTES = 16 * 2**20


def write_carded(weights: Path, card: Card, tensors: Mapping[str, Tensor], kind: str, version: int) -> Card:
    """Writes both files, whole or not at all and the card last; returns the card with the weights' hash filled in.

    `card` is a frozen dataclass with a field `weights_sha256`.
    """
    raw = to_bytes({name: value.contiguous() for name, value in tensors.items()})
    card = dataclasses.replace(card, weights_sha256=hashlib.sha256(raw).hexdigest())  # type: ignore[type-var]
    text = json.dumps({"kind": kind, "version": version, **dataclasses.asdict(card)}, indent=1)  # type: ignore[call-overload]
    write_together({weights.with_suffix(".json"): (text + "\n").encode(), weights: raw}, overwrite=True)
    return card


def read_carded(path: Path, kind: str, version: int, card: type[Card]) -> Card:
    """Reads a card back, every field checked against its type; a field `name` is to be shown, so may hide nothing.

    Raises:
        OSError: if it is missing.
        ModelError: if it is of another kind or version, or a field is unknown, missing or invalid.
    """
    try:
        raw = read_json(path, _MOST_BYTES)
        stored = raw.pop("version", None)
        if raw.pop("kind", None) != kind or type(stored) is not int or stored != version:
            raise ModelError(f"not a card of version {version} of a {kind}")
        read = typed(card, raw)
        if (name := raw["name"]) != printable(name):
            raise unexpected("name", name, "a text without control characters")
        return read
    except SpikecutError as error:
        raise ModelError(f"{path}: not a card of a {kind}: {error}", hint=error.hint) from error


def check_shapes(declared: Mapping[str, Tensor], stored: Mapping[str, Tensor], weights: Path) -> None:
    """Compares names and shapes of a network's tensors with those in its file.

    Raises:
        ModelError: naming the first that differs.
    """
    for name in (*declared, *stored):
        ours, theirs = declared.get(name), stored.get(name)
        if ours is None or theirs is None or ours.shape != theirs.shape:
            by_card = "none" if ours is None else f"{tuple(ours.shape)}"
            in_file = "none" if theirs is None else f"{tuple(theirs.shape)}"
            raise ModelError(
                f"{weights}: the weights do not fit the card: {name} is {in_file} in the file, {by_card} by the card"
            )


def read_tensors(weights: Path, sha256: str) -> dict[str, Tensor]:
    """The weights that a card belongs to.

    Raises:
        ModelError: if the file cannot be read, does not have the SHA-256 of the card, is damaged, or holds values that
            are not finite.
    """
    try:
        raw = limited_bytes(weights, "weights-bytes")
    except LimitExceeded as error:
        raise ModelError(str(error), hint=error.hint) from error
    except OSError as error:
        raise ModelError(f"{weights}: cannot read the weights: {error.strerror}") from error
    if (actual := hashlib.sha256(raw).hexdigest()) != sha256:
        raise ModelError(
            f"{weights}: its SHA-256 begins {actual[:12]}, the card says {sha256[:12]}",
            hint="weights and card are of different trainings, or the file is damaged",
        )
    try:
        tensors: dict[str, Tensor] = from_bytes(raw)
    except SafetensorError as error:
        raise ModelError(f"{weights}: the weights do not fit the card: {in_a_line(error)}") from error
    if broken := [name for name, value in tensors.items() if not torch.isfinite(value).all()]:
        raise ModelError(f"{weights}: {broken[0]} holds numbers that are not finite")
    return tensors
