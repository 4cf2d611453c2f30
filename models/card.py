"""The model card: the facts needed to use a network, and those needed to trust it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.events import SensorSize


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The facts needed to use a network, and those needed to trust it.

    `horizon` is the number of steps it was trained for. `trained_on` holds the first 16 hexadecimal
    digits of the SHA-256 of every recording that trained the weights, so that testing on them is
    noticed. `onset` detects when a continuous stream holds something to recognise (the fields of
    `recognition.Onset`); without it every window is decided. `rejects` are those of the classes that stand for
    movement that is no gesture: such an answer is none. `metrics` come with their n; `provenance`
    holds data, licence, seed, commit and command; both are free by intention: a card read from a file may hold
    any JSON there, and nothing that a network does depends on it. Of a network that has no file of weights
    (`from_norse`), `weights_sha256` is its `fingerprint`.
    """

    name: str
    spec: NetworkSpec
    classes: tuple[str, ...]
    sensor: SensorSize
    horizon: int
    weights_sha256: str = ""
    default_cutoff: str = "confidence-2pt"
    onset: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    trained_on: tuple[str, ...] = ()
    rejects: tuple[str, ...] = ()

    @property
    def learned_from_simulation(self) -> bool:
        """Whether its card says that the recordings that trained it were simulated."""
        return "simulated" in str(self.provenance.get("data", ""))

    @property
    def no_gestures(self) -> tuple[int, ...]:
        """The numbers of the classes of `rejects`."""
        return tuple(self.classes.index(name) for name in self.rejects)
