"""SEENN-II: a policy network chooses the number of steps (the budget) from the first frames.

Li, Geller, Kim, Panda (NeurIPS 2023, arXiv 2304.01230), section 3.3. The policy is a small network that reads the
image. Of a stream it reads the first `look` frames, so no budget is below `look`. It runs once a stream, behind the
seam `Planner`. The rule here stops when the budget is spent. Sweeps read the budget logits that were recorded with the
outputs (`Plans`), so the rule is fitted and compared like any other.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, Num
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.events import Frame
from spikecut.pipeline.evidence.probability import softmax
from spikecut.pipeline.evidence.readout import SUM, Readout
from spikecut.pipeline.protocols import CutoffDecider, Planner
from spikecut.pipeline.recorded import Plans
from spikecut.pipeline.results import Evidence, Verdict
from spikecut.pipeline.rules.thresholds import Held, check, leader

Counts = Int64[ndarray, " B"]
Seen = Num[ndarray, "B look C H W"]
Logits = Float32[ndarray, "B P"]
State = tuple[Counts, Seen | None, Held | None]


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """Stops a lane after the budget of steps that a policy chose from its first `look` frames. The score is the budget.

    `beyond` makes the budgets of all lanes longer or shorter, see `budgets`; None takes them as published.
    `policy` is the SHA-256 of the policy's weights and `cost` its price in steps of the network. `planner` is the
    policy itself: it has a file of its own, and the caller that runs the rule on frames passes it in.

    Raises:
        ConfigError: if it looks at no frame or beyond the horizon, or `beyond` is no share.
        ModelError: if the planner is another policy.
    """

    policy: str
    horizon: int
    look: int = 1
    beyond: float | None = None
    cost: float = 0.0
    readout: Readout = SUM
    rule: str = "planned"
    planner: Planner | None = field(default=None, metadata={"saved": False})

    def __post_init__(self) -> None:
        if not 1 <= self.look <= self.horizon:
            raise ConfigError(f"a look at {self.look} frames before a horizon of {self.horizon}; expected 1 to that")
        if self.beyond is not None and not 0 <= self.beyond <= 1:
            raise ConfigError(f"beyond is {self.beyond}; a share of probability lies between 0 and 1")
        if self.planner is not None and (self.planner.policy, self.planner.look) != (self.policy, self.look):
            raise ModelError(
                f"this cutoff was fitted for policy {self.policy[:12]} and {self.look} first frames; the one given is "
                f"{self.planner.policy[:12]} and looks at {self.planner.look}",
                hint="fit one for this policy: spikecut calibrate --rule planned",
            )

    def decide(self, evidence: Evidence, state: State | None = None) -> tuple[Verdict, State]:
        """The verdict on every lane; the state is its budget, 0 until it is chosen, and its first frames.

        Raises:
            ModelError: as every rule; or if there are neither frames and a planner nor recorded plans.
        """
        check(evidence, self.horizon)
        budget, first_frames, leaky_sum = state or (np.zeros(len(evidence.steps), np.int64), None, None)
        logits, leaky_sum = self.readout.read(evidence, leaky_sum)
        if evidence.plans is None and (evidence.steps <= self.look).any():
            first_frames = self._with(evidence, first_frames)
        due = evidence.steps == self.look
        if due.any():
            budget = budget.copy()
            budget[due] = budgets(self._plans_of_lanes(evidence, first_frames, due), self.look, self.beyond)
        if not (evidence.steps < self.look).any():  # all have been planned
            first_frames = None
        stop = (budget > 0) & (evidence.steps >= budget)
        return Verdict(stop, leader(logits), budget.astype(np.float32)), (budget, first_frames, leaky_sum)

    def _with(self, evidence: Evidence, first_frames: Seen | None) -> Seen:
        """The first frames of every lane, including those of this step."""
        if evidence.frames is None or self.planner is None:
            raise ModelError(
                "a planned cutoff without its policy: it reads the first frames, or budget logits recorded from them",
                hint="spikecut policy trains one and stores it beside the network; record the outputs again with it",
            )
        early = evidence.steps <= self.look
        shape = (len(early), self.look, *evidence.frames.shape[1:])
        first_frames = np.zeros(shape, np.float32) if first_frames is None else first_frames.copy()
        first_frames[early, evidence.steps[early] - 1] = evidence.frames[early]
        return first_frames

    def _plans_of_lanes(
        self, evidence: Evidence, first_frames: Seen | None, due: Bool[ndarray, " B"]
    ) -> Float32[ndarray, "L P"]:
        """The budget logits `(L, P)` of the lanes whose first `look` frames are complete."""
        if evidence.plans is not None:
            return np.asarray(evidence.plans[due])
        assert self.planner is not None
        assert first_frames is not None
        return self.planner.plan(first_frames[due])


def policy_cost(decider: CutoffDecider[Any]) -> float:
    """The cost of running a policy once a recording, in steps of the network; 0 for rules without a policy."""
    return decider.cost if isinstance(decider, Planned) else 0.0


def budgets(plans: Logits, look: int, beyond: float | None = None) -> Int64[ndarray, " B"]:
    """The budgets in steps: those of the policy's largest logit; of equal logits the fewest steps.

    With `beyond` a lane gets the fewest steps that leave at most this share of the policy's probability on longer
    budgets. So 1 grants `look` steps and 0 the horizon, and less is never earlier; one number fits all lanes to a
    tolerated loss.

    >>> plans = np.log(np.array([[0.1, 0.6, 0.2, 0.1]], np.float32))
    >>> [int(budgets(plans, 1, beyond)[0]) for beyond in (None, 1.0, 0.5, 0.25, 0.0)]
    [2, 1, 2, 3, 4]
    """
    if beyond is None:
        return np.asarray(look + plans.argmax(axis=1), np.int64)
    return granted(left_beyond(plans), look, beyond)


def granted(left: Float64[ndarray, "B P"], look: int, beyond: float) -> Int64[ndarray, " B"]:
    """The fewest steps whose share of probability on longer budgets (`left_beyond`) is at most `beyond`."""
    return np.asarray(look + (left <= beyond).argmax(axis=1), np.int64)


def left_beyond(plans: Logits) -> Float64[ndarray, "B P"]:
    """The share of the policy's probability on budgets longer than each; exact however small it is."""
    later = np.cumsum(softmax(plans.astype(np.float64))[:, :0:-1], axis=1)[:, ::-1]
    return np.concatenate([later, np.zeros((len(plans), 1))], axis=1)


class FirstFrames:
    """Keeps the first frames of many streams while a network reads them, so that a policy can read them afterwards.

    Where a stream's clock is reset, its first frames are those after it, as for the network.
    """

    def __init__(self, look: int) -> None:
        self.look = look
        self._first: list[list[Num[ndarray, "C H W"]]] = []

    def over(self, streams: Iterable[Iterable[Frame]]) -> Iterator[Iterable[Frame]]:
        """The streams as they are; of each that is read, the first frames are kept."""
        for frames in streams:
            first: list[Num[ndarray, "C H W"]] = []
            self._first.append(first)
            yield self._noting(frames, first)

    def _noting(self, frames: Iterable[Frame], first: list[Num[ndarray, "C H W"]]) -> Iterator[Frame]:
        segment: int | None = None
        for frame in frames:
            if frame.segment != segment:
                first.clear()
                segment = frame.segment
            if len(first) < self.look:
                first.append(frame.pixels)
            yield frame

    def of(self, which: Sequence[int]) -> Seen:
        """The first frames of the streams `which`; frames beyond the end of a stream are zeros.

        Raises:
            ConfigError: if none of them has a single frame.
        """
        picked = [self._first[i] for i in which]
        like = next((first[0] for first in picked if first), None)
        if like is None:
            raise ConfigError("no stream has a single frame for the policy to read")
        frames = np.zeros((len(picked), self.look, *like.shape), like.dtype)
        for target, first in zip(frames, picked, strict=True):
            for at, pixels in enumerate(first):
                target[at] = pixels
        return frames


def plans_of(planner: Planner, first: FirstFrames, which: Sequence[int]) -> Plans:
    """The budget logits of a policy for streams whose first frames were kept."""
    return Plans(planner.plan(first.of(which)), planner.policy, planner.cost)
