"""Rules made of rules. State is all zeros at rest, lanes first.

| rule | stops |
|---|---|
| `both`, `either` | when both of two rules stop, or one of them |
| `hold` | when a rule stops with the same label at a given number of consecutive steps |
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.results import Evidence, Verdict
from spikecut.pipeline.rules.patience import Counts, at_rest


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """Two rules that are both evaluated at every step."""

    first: CutoffDecider[Any]
    second: CutoffDecider[Any]
    rule: str

    @property
    def horizon(self) -> int:
        """The number of steps that both were made for."""
        return min(self.first.horizon, self.second.horizon)

    def ask(self, evidence: Evidence, state: tuple[Any, Any] | None) -> tuple[Verdict, Verdict, tuple[Any, Any]]:
        """The verdict of each, and the state of both."""
        states = state or (None, None)
        one, kept = self.first.decide(evidence, states[0])
        other, kept_other = self.second.decide(evidence, states[1])
        return one, other, (kept, kept_other)


@dataclass(frozen=True, slots=True, eq=False)
class Both(_Pair):
    """Stops when both rules stop. Label, score and set come from the first, so its coverage is kept."""

    rule: str = "both"

    def decide(self, evidence: Evidence, state: tuple[Any, Any] | None = None) -> tuple[Verdict, tuple[Any, Any]]:
        """The verdict on every lane; the state is that of both."""
        one, other, state = self.ask(evidence, state)
        return Verdict(one.stop & other.stop, one.label, one.score, one.sets), state


@dataclass(frozen=True, slots=True, eq=False)
class Either(_Pair):
    """Stops when one of two rules stops. If both stop, label and score come from the first; so does the set, if any."""

    rule: str = "either"

    def decide(self, evidence: Evidence, state: tuple[Any, Any] | None = None) -> tuple[Verdict, tuple[Any, Any]]:
        """The verdict on every lane; the state is that of both."""
        one, other, state = self.ask(evidence, state)
        second_only = other.stop & ~one.stop
        label = np.where(second_only, other.label, one.label)
        score = np.where(second_only, other.score, one.score)
        sets = other.sets if one.sets is None else one.sets
        return Verdict(one.stop | other.stop, label, score, sets), state


@dataclass(frozen=True, slots=True, eq=False)
class Hold:
    """Stops when a rule has stopped at `steps` consecutive steps with the same label."""

    decider: CutoffDecider[Any]
    steps: int
    rule: str = "hold"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"holding off for {self.steps} steps; expected at least 1")

    @property
    def horizon(self) -> int:
        """The number of steps that the rule was made for."""
        return self.decider.horizon

    def decide(
        self, evidence: Evidence, state: tuple[Any, Counts, Counts] | None = None
    ) -> tuple[Verdict, tuple[Any, Counts, Counts]]:
        """The verdict on every lane; the state is that of the inner rule, the last label, and the consecutive stops."""
        inner, before, run = state or (None, *at_rest(evidence))
        verdict, inner = self.decider.decide(evidence, inner)
        run = np.where(verdict.stop, np.where(verdict.label == before, run, 0) + 1, 0)
        lasting = Verdict(run >= self.steps, verdict.label, verdict.score, verdict.sets)
        return lasting, (inner, verdict.label, run)
