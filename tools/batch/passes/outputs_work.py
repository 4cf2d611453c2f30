"""What a worker does with a batch of recordings to record outputs: one pass to the horizon, and all that comes with it.

A row holds what calibrating and evaluating need of a recording: the outputs at every step, what a policy says of its
first frames, the statistics of its frames, and the digest of its source.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from spikecut.models.policy.network import PolicyPlanner
from spikecut.pipeline.replay import replay
from spikecut.pipeline.rules.reference import FrameStatistics
from spikecut.pipeline.rules.step_budget import FirstFrames, plans_of
from spikecut.pipeline.rules.thresholds import never
from spikecut.tools.batch.executors.base import Batch
from spikecut.tools.batch.passes.batch_reading import BatchResult, Reading, reading_of, stored
from spikecut.tools.batch.passes.opened import Opened, PassWork
from spikecut.tools.batch.run_folder.manifest import storable
from spikecut.tools.batch.run_folder.parquet import Table
from spikecut.tools.batch.run_folder.parts import OUTPUTS, write_part
from spikecut.tools.frame_streams import view_of


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OutputsWork(PassWork):
    """Records the outputs of a network on a data set; begun once a process.

    A `policy` runs on the first frames of every recording. The first `n_first` frames are among the rows where nothing
    is kept.
    """

    policy: PolicyPlanner | None = None
    n_first: int = 0

    def begin(self) -> Callable[[Batch], BatchResult]:
        """Loads the network and lists the data set."""
        return _Worker(self, self.opened())


@dataclass(frozen=True, slots=True, eq=False)
class _Worker:
    """The work in one process."""

    work: OutputsWork
    opened: Opened

    def __call__(self, batch: Batch) -> BatchResult:
        work, horizon, reading = (
            self.work,
            self.opened.card.horizon,
            reading_of(batch, self.opened.examples, self.opened.places),
        )
        first = FirstFrames(work.policy.look if work.policy else work.n_first)
        statistics = FrameStatistics()
        streams = statistics.over(first.over(reading.streams(view_of(self.opened.card, work.reading, reading.fits))))
        outputs = np.zeros((len(reading.ids), horizon, self.opened.stepper.n_outputs), np.float32)
        decisions = dict(replay(streams, self.opened.stepper, never(horizon), horizon=horizon, trace=outputs))
        kept = reading.kept(decisions)
        columns = self._columns(reading, kept, outputs, statistics)
        plans = plans_of(work.policy, first, kept).logits if work.policy and kept else None
        columns["plans"] = list(plans) if plans is not None else [None] * len(kept)
        if work.n_first and kept:
            columns["first"] = list(first.of(kept))
        if work.parts is not None and kept:
            write_part(work.parts, batch.key, Table(columns, stored(reading.fits)), OUTPUTS)
        answers = [decisions[at] for at in kept]
        labels = (self.opened.card.classes[one.label] for one in answers if one)
        return BatchResult(
            n=len(kept),
            n_right=sum(label == answer for label, answer in zip(columns["label"], labels, strict=True)),
            us=sum(one.latency_us for one in answers if one),
            faults=reading.faults(kept),
            fits=tuple(reading.fits.used.values()),
            rows=columns if work.parts is None else None,
        )

    def _columns(
        self,
        reading: Reading,
        kept: Sequence[int],
        outputs: Float32[ndarray, "N T K"],
        statistics: FrameStatistics,
    ) -> dict[str, list[Any]]:
        ids = [reading.ids[at] for at in kept]
        streams = [statistics.one(at) for at in kept]
        members = [reading.members[at] for at in kept]
        return {
            "item_id": ids,
            "place": [storable(member.place) for member in members],
            "label": [self.opened.card.classes[self.opened.examples.labels[self.opened.places[item]]] for item in ids],
            "subject": [storable(member.subject) for member in members],
            "sha256": reading.digests(kept),
            "dropped": [reading.fates[at].n_lost for at in kept],
            "outputs": [outputs[at].ravel() for at in kept],
            "events": [one.counts for one in streams],
            "active": [one.active for one in streams],
            "n_on": [one.n_on for one in streams],
            "us": [one.us for one in streams],
        }
