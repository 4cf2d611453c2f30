"""The results of the loop: a `Step` after every bin, and a `Decision` when it stops."""

from dataclasses import dataclass
from enum import Enum

from jaxtyping import Bool, Float32, Int64, Num
from numpy import ndarray

from spikecut.pipeline.events import Frame


class StopReason(Enum):
    """Why the network is not stepped again. The name is the word in JSON, the value a sentence."""

    cutoff = "the decider was sure enough"
    horizon = "the last allowed step was reached"
    end_of_stream = "the recording ended first"


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that a decider may look at after a step of a batch, whose lanes may be at different steps.

    `steps` is how many each lane has made, this one included. `output` is the output of the network at
    this step, `total` the sum of all outputs so far, which the deciders of Wu et al. and Li et al. read.
    `frames` are the pixels of this step. A sweep over recorded outputs has none; there `plans` holds the
    budget logits of a policy, if they were recorded.
    """

    steps: Int64[ndarray, " B"]
    output: Float32[ndarray, "B K"]
    total: Float32[ndarray, "B K"]
    frames: Num[ndarray, "B C H W"] | None = None
    plans: Float32[ndarray, "B P"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """A decider's answer for every lane: stop now, with which label, at which score.

    Rules that promise sets give in `sets` which classes remain possible; an empty set means that no class fits.
    """

    stop: Bool[ndarray, " B"]
    label: Int64[ndarray, " B"]
    score: Float32[ndarray, " B"]
    sets: Bool[ndarray, "B K"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step of the network on one recording; `index` counts from 0, `score` is in the decider's unit.

    Where the engine counts them, `operations` are the synaptic operations of the step, and `spikes` how many of the
    `cells` of each spiking layer fired, in the order in which signals pass the layers.
    """

    index: int
    frame: Frame
    output: Float32[ndarray, " K"]
    total: Float32[ndarray, " K"]
    score: float
    operations: int | None = None
    spikes: tuple[int, ...] | None = None
    cells: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """A bin that passed after the decision, before the next window: the network did not read it."""

    frame: Frame


@dataclass(frozen=True, slots=True, eq=False)
class Abstention:
    """The end of a window without an answer: after step `steps`, on `frame`, the output was not finite."""

    steps: int
    frame: Frame


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """The answer: which label, after how many steps, and why then.

    `start_us` is when the first bin began and `time_us` when the last bin that was read ended, both in
    the recording's clock. `n_events` is how many events the network had read, `classes` which classes remain
    possible, for rules with prediction sets.
    """

    label: int
    steps: int
    reason: StopReason
    score: float
    start_us: int
    time_us: int
    n_events: int
    total: Float32[ndarray, " K"]
    classes: tuple[int, ...] | None = None
    id: int = 0
    revises: int | None = None

    @property
    def latency_us(self) -> int:
        """How much of the recording had to pass before the answer, in µs of sensor time."""
        return self.time_us - self.start_us


@dataclass(frozen=True, slots=True, eq=False)
class Rejection:
    """The end of an attempt without an answer: what moved is no gesture. `decision` is what was rejected."""

    decision: Decision

    @property
    def total(self) -> Float32[ndarray, " K"]:
        """The evidence at the end."""
        return self.decision.total


Item = Step | Decision | Rejection | Rest
