"""From the outputs of a network, or from decisions, to the rows of a part: one for every recording and rule."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from spikecut.pipeline.events import Frame
from spikecut.pipeline.recorded import Plans, RecordedOutputs, sweep
from spikecut.pipeline.results import Decision, StopReason
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.tools.batch.run_folder.parts import rounded


@dataclass(slots=True)
class Trail:
    """What was read of one stream up to each step; it is filled in while the frames are iterated.

    Of every step the events until then, those lost to damage, and the end of its bin in µs. After a reset of the
    clock the network starts over: then `was_reset`.
    """

    n_events: list[int] = field(default_factory=list)
    n_lost: list[int] = field(default_factory=list)
    ends_us: list[int] = field(default_factory=list)
    start_us: int = 0
    segment: int = 0
    was_reset: bool = False

    def __len__(self) -> int:
        return len(self.ends_us)

    def over(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The frames as they are."""
        n_events = n_lost = 0
        for frame in frames:
            if not self.ends_us:
                self.start_us, self.segment = frame.start_us, frame.segment
            self.was_reset |= frame.segment != self.segment
            n_events, n_lost = n_events + frame.n_events, n_lost + frame.lost.damage.total
            self.n_events.append(n_events)
            self.n_lost.append(n_lost)
            self.ends_us.append(frame.end_us)
            yield frame


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one rule to one recording.

    `label` is the number of the class, `t_dec_us` the time of the recording from its first bin to the answer. Up to
    there the network had read `n_events`, and `n_lost` were lost to damage. `logits` are kept for the full window.
    """

    label: int
    steps: int
    t_dec_us: int
    reason: StopReason
    score: float
    n_events: int
    n_lost: int
    logits: Float32[ndarray, " K"] | None = None


def of_decision(decision: Decision, trail: Trail, *, with_logits: bool = False) -> Answer:
    """The answer of a network that really stopped."""
    n_lost = trail.n_lost[-1 if trail.was_reset else decision.steps - 1]
    return Answer(
        decision.label,
        decision.steps,
        decision.latency_us,
        decision.reason,
        decision.score,
        decision.n_events,
        n_lost,
        decision.total if with_logits else None,
    )


def swept(
    outputs: Float32[ndarray, "N T K"], trails: Sequence[Trail], rule: FittedCutoff, plans: Plans | None
) -> list[Answer]:
    """The answers of a rule to recorded outputs: those of a network that it really stops."""
    if not trails:
        return []
    horizon = outputs.shape[1]
    lengths = np.array([min(len(trail), horizon) for trail in trails], np.int64)
    recorded = RecordedOutputs(outputs, np.zeros(len(trails), np.int64), plans=plans)
    stopped = sweep(recorded, rule.cutoff, lengths)
    assert stopped.scores is not None
    assert stopped.fired is not None
    rows = zip(
        trails, stopped.stops.tolist(), stopped.labels.tolist(), stopped.scores.tolist(), stopped.fired, strict=True
    )
    answers = []
    for trail, steps, label, score, fired in rows:
        ended = StopReason.horizon if steps == horizon else StopReason.end_of_stream
        reason, at = StopReason.cutoff if fired else ended, steps - 1
        time_us = trail.ends_us[at] - trail.start_us
        answers.append(Answer(label, steps, time_us, reason, score, trail.n_events[at], trail.n_lost[at]))
    return answers


@dataclass(frozen=True, slots=True)
class Subject:
    """A recording as rows name it: its item, the class it shows, and the digest of its source."""

    item_id: str
    label: str
    sha256: str


def columns_of(
    subjects: Sequence[Subject], answers: Mapping[str, Sequence[Answer]], classes: Sequence[str]
) -> dict[str, list[Any]]:
    """The columns of a part, sorted by item; of each item one row for every rule, in their order."""
    order = sorted(range(len(subjects)), key=lambda at: subjects[at].item_id)
    rows = [(subjects[at], rule, of[at]) for at in order for rule, of in answers.items()]
    each = [answer for _, _, answer in rows]
    return {
        "item_id": [subject.item_id for subject, _, _ in rows],
        "rule": [rule for _, rule, _ in rows],
        "label": [subject.label for subject, _, _ in rows],
        "pred": [classes[answer.label] for answer in each],
        "steps": [answer.steps for answer in each],
        "t_dec_us": [answer.t_dec_us for answer in each],
        "reason": [answer.reason.name for answer in each],
        "score": rounded(np.array([answer.score for answer in each], np.float64)).tolist(),
        "n_events": [answer.n_events for answer in each],
        "dropped": [answer.n_lost for answer in each],
        "partial": [answer.n_lost > 0 for answer in each],
        "sha256": [subject.sha256 for subject, _, _ in rows],
        "logits": [None if answer.logits is None else rounded(answer.logits).tolist() for answer in each],
    }
