"""The outputs of a network at every step of many recordings: one pass, from which every rule is fitted and swept."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.readout import Readout
from spikecut.pipeline.evidence.scores import SCORES
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.results import Evidence


@dataclass(frozen=True, slots=True, eq=False)
class Plans:
    """The output of a policy for the first frames of each recording: a logit for every possible budget.

    These are the last P numbers of steps up to the horizon: it looks at T - P + 1 frames. `policy` is the SHA-256 of
    its weights, `cost` what asking it costs in steps of the network.
    """

    logits: Float32[ndarray, "N P"]
    policy: str
    cost: float = 0.0

    def pick(self, which: Int64[ndarray, " L"]) -> "Plans":
        """The plans of some of the recordings."""
        return Plans(self.logits[which], self.policy, self.cost)


@dataclass(frozen=True, slots=True, eq=False)
class RecordedOutputs:
    """Outputs, truth, and where they come from.

    `outputs` are per step, not summed; of an ensemble of R networks the members' stand side by side, so M = R K.
    `labels` are class numbers. `groups` says whose recording each is (a subject, a session): splits keep a group
    together. Without it every recording is its own. `reading` is the readout that rules are fitted with where none is
    named: without it the sum, merged over `members`. `plans` is what a policy said of the recordings' first frames.
    """

    outputs: Float32[ndarray, "N T M"]
    labels: Int64[ndarray, " N"]
    groups: tuple[str, ...] = ()
    members: int = 1
    reading: Readout | None = None
    plans: Plans | None = None

    def __post_init__(self) -> None:
        if len(self.outputs) != len(self.labels) or not len(self.labels):
            raise ConfigError(f"{len(self.outputs)} recorded outputs with {len(self.labels)} labels")
        if self.members < 1 or self.outputs.shape[2] % self.members:
            raise ConfigError(f"{self.outputs.shape[2]} outputs a step are not those of {self.members} members")
        if not 0 <= self.labels.min() <= self.labels.max() < self.n_classes:
            raise ConfigError(f"labels outside the {self.n_classes} classes of the outputs")
        if self.groups and len(self.groups) != len(self.labels):
            raise ConfigError(f"{len(self.groups)} groups for {len(self.labels)} recordings")
        if self.plans is not None and len(self.plans.logits) != len(self.labels):
            raise ConfigError(f"plans for {len(self.plans.logits)} of {len(self.labels)} recordings")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def horizon(self) -> int:
        return int(self.outputs.shape[1])

    @property
    def n_classes(self) -> int:
        return int(self.outputs.shape[2]) // self.members

    @property
    def readout(self) -> Readout:
        """The readout of rules for which no other is named."""
        return self.reading or Readout(members=self.members)

    def read_by(self, reading: Readout) -> "RecordedOutputs":
        """The same recordings, for fitting rules with another readout."""
        return replace(self, reading=reading)

    def logits(self, readout: Readout | None = None) -> Float32[ndarray, "N T K"]:
        """The logits after every step with this readout."""
        return (readout or self.readout).of(self.outputs)

    def correct(self, readout: Readout | None = None) -> Bool[ndarray, "N T"]:
        """Whether the answer would be right if the network were stopped after each step."""
        return np.asarray(self.logits(readout).argmax(axis=2) == self.labels[:, None])

    def scores(
        self, score: str, readout: Readout | None = None, weights: tuple[float, ...] = ()
    ) -> Float32[ndarray, "N T"]:
        """A score of `cutoff.SCORES` after every step."""
        logits, n = self.logits(readout), len(self)
        after = [SCORES[score](logits[:, t], np.full(n, t + 1), weights) for t in range(self.horizon)]
        return np.stack(after, axis=1)

    def pick(self, which: Int64[ndarray, " P"]) -> "RecordedOutputs":
        """The outputs of some of the recordings."""
        groups = tuple(self.groups[i] for i in which) if self.groups else ()
        plans = None if self.plans is None else self.plans.pick(which)
        return RecordedOutputs(self.outputs[which], self.labels[which], groups, self.members, self.reading, plans)

    def split(self, share: float, seed: int) -> tuple["RecordedOutputs", "RecordedOutputs"]:
        """Two parts, the first with about `share` of the recordings; a group is never torn apart.

        Raises:
            ConfigError: if a part would be empty.
        """
        names = np.array(self.groups) if self.groups else np.arange(len(self)).astype(str)
        groups = np.random.default_rng(seed).permutation(np.unique(names))
        n_first = round(share * len(groups))
        if not 0 < n_first < len(groups):
            raise ConfigError(f"{len(groups)} groups of recordings cannot be split {share:.0%} to {1 - share:.0%}")
        first = np.isin(names, groups[:n_first])
        return self.pick(np.flatnonzero(first)), self.pick(np.flatnonzero(~first))


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """The stops of a rule on recorded outputs: the steps, counted from 1, the labels, and the prediction sets.

    `scores` are those at the stop, `fired` says whether the rule stopped, or the recording ended before it did.
    """

    stops: Int64[ndarray, " N"]
    labels: Int64[ndarray, " N"]
    sets: Bool[ndarray, "N K"] | None = None
    scores: Float32[ndarray, " N"] | None = None
    fired: Bool[ndarray, " N"] | None = None


def sweep(recorded: RecordedOutputs, decider: CutoffDecider[Any], lengths: Int64[ndarray, " N"] | None = None) -> Sweep:
    """Evaluates a rule at every step of recorded outputs, and keeps its first stop, at the latest the horizon.

    Where `lengths` says how many steps each recording has, its stop is at the latest the last of them.
    Computed afterwards from full-length outputs: good for fitting and plotting, no evidence of time saved.
    """
    outputs, n = recorded.outputs, len(recorded)
    last = np.full(n, recorded.horizon) if lengths is None else lengths
    stops, labels = np.zeros(n, np.int64), np.zeros(n, np.int64)
    scores, fired = np.zeros(n, np.float32), np.zeros(n, np.bool_)
    sets: Bool[ndarray, "N K"] | None = None
    state, totals = None, np.zeros_like(outputs[:, 0])
    plans = None if recorded.plans is None else recorded.plans.logits
    for t in range(recorded.horizon):
        totals = totals + outputs[:, t]
        evidence = Evidence(np.full(n, t + 1), outputs[:, t], totals, plans=plans)
        verdict, state = decider.decide(evidence, state)
        now = (stops == 0) & (verdict.stop | (t + 1 == last))
        stops[now], labels[now] = t + 1, verdict.label[now]
        scores[now], fired[now] = verdict.score[now], verdict.stop[now]
        if verdict.sets is not None:
            sets = np.zeros_like(verdict.sets) if sets is None else sets
            sets[now] = verdict.sets[now]
        if stops.all():
            break
    return Sweep(stops, labels, sets, scores, fired)


def first_stops(stop: Bool[ndarray, "N T"]) -> Int64[ndarray, " N"]:
    """The first step, counted from 1, at which each recording would stop; the horizon if there is none."""
    return np.asarray(np.where(stop.any(axis=1), stop.argmax(axis=1) + 1, stop.shape[1]), np.int64)


def __getattr__(name: str) -> Any:
    """What this module held before outputs got a module for their file."""
    from spikecut.moved import look_up

    return look_up(__name__, name)
