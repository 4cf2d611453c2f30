"""What a worker does with a batch of recordings: one pass to the horizon that answers for all rules, or a real stop.

The pass records the outputs of the network at every step; what each rule decides follows from them (`decisions.swept`).
A recording whose clock is reset starts over in the middle of its frames: there every rule really stops.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spikecut.pipeline.replay import replay
from spikecut.pipeline.results import Decision
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.step_budget import FirstFrames, plans_of
from spikecut.sources.datasets.base import Example
from spikecut.tools.batch.executors.base import Batch
from spikecut.tools.batch.passes.batch_reading import BatchResult, Reading, reading_of, stored
from spikecut.tools.batch.passes.decisions import Answer, Subject, Trail, columns_of, of_decision, swept
from spikecut.tools.batch.passes.opened import Opened, PassWork
from spikecut.tools.batch.run_folder.parquet import Table
from spikecut.tools.batch.run_folder.parts import write_part
from spikecut.tools.cutoff_lookup import shared_policy
from spikecut.tools.frame_streams import view_of

FULL = "none"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ReplayWork(PassWork):
    """Replays recordings of a data set; begun once a process.

    `rules` are swept, or really stop (`stops`; then there is one). `watched` is the one whose answers progress counts,
    `lanes` how many recordings are stepped together. Without `digests` the files are not read once more for their
    SHA-256.
    """

    rules: Mapping[str, FittedCutoff]
    watched: str
    lanes: int
    stops: bool = False
    digests: bool = True

    def begin(self) -> Callable[[Batch], BatchResult]:
        """Loads the network and lists the data set."""
        return _Worker(self, self.opened())


@dataclass(frozen=True, slots=True, eq=False)
class _Worker:
    """The work in one process."""

    work: ReplayWork
    opened: Opened

    def __call__(self, batch: Batch) -> BatchResult:
        work, reading = self.work, reading_of(batch, self.opened.examples, self.opened.places)
        answers, kept = self._answers(reading)
        columns = self._columns(reading, answers, kept)
        watched = [at for at, rule in enumerate(columns["rule"]) if rule == work.watched]
        if work.parts is not None and kept:
            write_part(work.parts, batch.key, Table(columns, stored(reading.fits)))
        return BatchResult(
            n=len(kept),
            n_right=sum(columns["label"][at] == columns["pred"][at] for at in watched),
            us=sum(columns["t_dec_us"][at] for at in watched),
            faults=reading.faults(kept),
            fits=tuple(reading.fits.used.values()),
            rows=columns | {"logits": []} if work.parts is None else None,
        )

    def _answers(self, reading: Reading) -> tuple[dict[str, list[Answer]], list[int]]:
        """Of each rule the answers to the recordings that could be read, and which those are."""
        work, horizon = self.work, self.opened.card.horizon
        policy = None if work.stops else shared_policy(work.rules.values())
        first = FirstFrames(policy.look if policy else 0)
        streams = first.over(reading.streams(view_of(self.opened.card, work.reading, reading.fits)))
        cutoff = next(iter(work.rules.values())).cutoff
        trace = None
        if not work.stops:
            trace = np.zeros((len(reading.ids), horizon, self.opened.stepper.n_outputs), np.float32)
        decisions = dict(
            replay(streams, self.opened.stepper, cutoff, horizon=horizon, batch_size=work.lanes, trace=trace)
        )
        kept = reading.kept(decisions)
        made, trails = [_given(decisions[at]) for at in kept], [reading.trails[at] for at in kept]
        if trace is None:
            (name,) = work.rules
            stopped = zip(made, trails, strict=True)
            return {name: [of_decision(one, trail, with_logits=name == FULL) for one, trail in stopped]}, kept
        plans = plans_of(policy, first, kept) if policy and kept else None
        answers = {name: swept(trace[kept], trails, rule, plans) for name, rule in work.rules.items()}
        answers[FULL] = [replace(one, logits=last.total) for one, last in zip(answers[FULL], made, strict=True)]
        for place, at in enumerate(kept):
            if reading.trails[at].was_reset:
                for name, rule in work.rules.items():
                    answers[name][place] = self._really(reading.members[at], rule, with_logits=name == FULL)
        return answers, kept

    def _really(self, example: Example, rule: FittedCutoff, *, with_logits: bool) -> Answer:
        """The answer to a recording that is read once more, and really stopped."""
        trail = Trail()
        frames = trail.over(example.frames(view_of(self.opened.card, self.work.reading)))
        ((_, decision),) = replay([frames], self.opened.stepper, rule.cutoff, horizon=self.opened.card.horizon)
        return of_decision(_given(decision), trail, with_logits=with_logits)

    def _columns(
        self, reading: Reading, answers: Mapping[str, Sequence[Answer]], kept: Sequence[int]
    ) -> dict[str, list[Any]]:
        digests = reading.digests(kept) if self.work.digests else [""] * len(kept)
        classes, labels = self.opened.card.classes, self.opened.examples.labels
        ids = [reading.ids[at] for at in kept]
        subjects = [
            Subject(item, classes[labels[self.opened.places[item]]], digest)
            for item, digest in zip(ids, digests, strict=True)
        ]
        return columns_of(subjects, answers, classes)


def _given(decision: Decision | None) -> Decision:
    assert decision is not None
    return decision
