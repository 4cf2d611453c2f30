"""A policy on disk: `NAME.policy.safetensors` with the weights, `NAME.policy.json` with its card. Never executed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from spikecut.models.card import ModelCard
from spikecut.models.files.weights_io import read_carded, read_tensors, write_carded
from spikecut.models.policy.network import PolicyPlanner, PolicySpec, build_policy
from spikecut.pipeline.errors import ModelError, in_a_line

SUFFIX = ".policy.safetensors"
_KIND, _VERSION = "spikecut policy", 1


@dataclass(frozen=True, slots=True)
class PolicyCard:
    """The facts needed to use a policy, and those needed to trust it.

    `network` is the SHA-256 of the weights that it plans for and `name` what that network is called. `macs` are the
    multiply-accumulates of running it once, `step_macs` those of one step of the network. `trained_on` are the
    digests of the recordings that trained it, `metrics` its figures on them, `provenance` data, licence, seed,
    commit and command; both are free by intention, any JSON.
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

    def __post_init__(self) -> None:
        if self.macs < 0 or self.step_macs < 1:
            raise ModelError(f"macs {self.macs}, step_macs {self.step_macs}; expected 0 or more, and 1 or more")

    @property
    def cost(self) -> float:
        """The cost of running it, in steps of the network."""
        return self.macs / self.step_macs


def save_policy(weights: Path, card: PolicyCard, policy: nn.Module) -> PolicyCard:
    """Writes the weights, and the card beside them; returns the card with the weights' hash filled in."""
    return write_carded(weights, card, policy.state_dict(), _KIND, _VERSION)


def load_policy(weights: Path, network: ModelCard) -> PolicyPlanner:
    """The policy in a file, ready to run on streams that this network reads.

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
    policy = build_policy(card.spec)
    try:
        policy.load_state_dict(read_tensors(weights, card.weights_sha256))
    except RuntimeError as error:
        raise ModelError(f"{weights}: the weights do not fit the card: {in_a_line(error)}") from error
    return PolicyPlanner(policy, card.spec, card.weights_sha256, card.cost, card.trained_on)


def read_policy_card(path: Path) -> PolicyCard:
    """Reads a policy's card back.

    Raises:
        ModelError: if it is missing, of another kind or version, or lacks a field.
    """
    try:
        return read_carded(path, _KIND, _VERSION, PolicyCard)
    except OSError as error:
        raise ModelError(
            f"{path}: cannot read the policy's card: {error.strerror}", hint="spikecut policy writes one"
        ) from error
