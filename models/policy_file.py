"""A policy on disk: `NAME.policy.safetensors` with the weights, `NAME.policy.json` with its card. Never executed."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import nn

from spikecut.models.checkpoint import ModelCard
from spikecut.models.policy import PolicyPlanner, PolicySpec, build_policy
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize

SUFFIX = ".policy.safetensors"
_KIND, _VERSION = "spikecut policy", 1


@dataclass(frozen=True, slots=True)
class PolicyCard:
    """What must be known to use a policy, and what should be known to trust it.

    `network` is the SHA-256 of the weights that it plans for and `name` what that network is called. `macs` are the
    multiply-accumulates of asking it once, `step_macs` those of one step of the network. `trained_on` are the
    digests of the recordings that shaped it, `metrics` what it did on them, `provenance` says data, licence, seed,
    commit and command.
    """

    name: str
    spec: PolicySpec
    network: str
    macs: int
    step_macs: int
    weights_sha256: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    trained_on: tuple[str, ...] = ()

    @property
    def cost(self) -> float:
        """What asking it costs, in steps of the network."""
        return self.macs / self.step_macs


def save_policy(weights: Path, card: PolicyCard, policy: nn.Module) -> PolicyCard:
    """Writes the weights, and the card beside them; returns the card with the weights' hash filled in."""
    weights.parent.mkdir(parents=True, exist_ok=True)
    raw = to_bytes({name: value.contiguous() for name, value in policy.state_dict().items()})
    card = dataclasses.replace(card, weights_sha256=hashlib.sha256(raw).hexdigest())
    text = json.dumps({"kind": _KIND, "version": _VERSION, **dataclasses.asdict(card)}, indent=1)
    for path, content in ((weights, raw), (weights.with_suffix(".json"), (text + "\n").encode())):
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(content)
        partial.replace(path)
    return card


def load_policy(weights: Path, network: ModelCard) -> PolicyPlanner:
    """The policy in a file, ready to be asked about streams that this network reads.

    Raises:
        ModelError: if there is none, weights and card do not belong together, or it was made for another network.
    """
    card = read_policy_card(weights.with_suffix(".json"))
    if card.network != network.weights_sha256:
        raise ModelError(
            f"{weights}: a policy for network {card.network[:12]}; {network.name!r} is {network.weights_sha256[:12]}",
            hint="train one for this network: spikecut policy",
        )
    if card.spec.horizon != network.horizon:
        raise ModelError(
            f"{weights}: budgets up to {card.spec.horizon} steps; the network's window has {network.horizon}"
        )
    try:
        raw = weights.read_bytes()
    except OSError as error:
        raise ModelError(f"{weights}: cannot read the policy: {error.strerror}") from error
    if (found := hashlib.sha256(raw).hexdigest()) != card.weights_sha256:
        raise ModelError(
            f"{weights}: its SHA-256 begins {found[:12]}, the card says {card.weights_sha256[:12]}",
            hint="weights and card are of different trainings, or the file is damaged",
        )
    policy = build_policy(card.spec)
    try:
        tensors = from_bytes(raw)
        policy.load_state_dict(tensors)
    except (SafetensorError, RuntimeError) as error:
        raise ModelError(f"{weights}: the weights do not fit the card: {error}") from error
    if broken := [name for name, value in tensors.items() if not torch.isfinite(value).all()]:
        raise ModelError(f"{weights}: {broken[0]} holds numbers that are not finite")
    return PolicyPlanner(policy, card.spec, card.weights_sha256, card.cost, card.trained_on)


def read_policy_card(path: Path) -> PolicyCard:
    """Reads a policy's card back.

    Raises:
        ModelError: if it is missing, of another kind or version, or lacks a field.
    """
    try:
        raw = json.loads(path.read_text())
        if (raw.pop("kind", None), raw.pop("version", None)) != (_KIND, _VERSION):
            raise ModelError(f"{path}: not a card of version {_VERSION} of a {_KIND}")
        spec = PolicySpec(**{**raw["spec"], "frame": SensorSize(**raw["spec"]["frame"])})
        return PolicyCard(**{**raw, "spec": spec, "trained_on": tuple(raw["trained_on"])})
    except OSError as error:
        raise ModelError(
            f"{path}: cannot read the policy's card: {error.strerror}", hint="spikecut policy writes one"
        ) from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path}: not a card of a spikecut policy ({error})") from error
