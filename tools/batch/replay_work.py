"""What a worker does with a batch of recordings: one pass to the horizon that answers for all rules, or a real stop.

The pass records the outputs of the network at every step; what each rule decides follows from them (`decisions.swept`).
A recording whose clock is reset starts over in the middle of its frames: there every rule really stops.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.errors import EmptyRecording, ModelError, SpikecutError
from spikecut.pipeline.fit import Fit, Fits
from spikecut.pipeline.protocols import SteppedModel
from spikecut.pipeline.recorded import Plans
from spikecut.pipeline.replay import replay
from spikecut.pipeline.results import Decision
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.step_budget import FirstFrames, plans_of
from spikecut.sources.datasets.base import Example
from spikecut.sources.datasets.digests import digests_of
from spikecut.sources.datasets.parts import Part
from spikecut.sources.datasets.reading import Fate, readings
from spikecut.sources.formats.base import ReadOptions
from spikecut.tools.batch.decisions import Answer, Subject, Trail, columns_of, of_decision, swept
from spikecut.tools.batch.examples import Examples, examples_of
from spikecut.tools.batch.executors.base import Batch
from spikecut.tools.batch.run_folder.folder import Fault
from spikecut.tools.batch.run_folder.parquet import Columns, Table
from spikecut.tools.batch.run_folder.parts import write_part
from spikecut.tools.cutoff_lookup import shared_policy
from spikecut.tools.frame_streams import view_of

FULL = "none"


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch: its part is on the disk, or its rows are here (without logits) where none is kept.

    `n` recordings have an answer; of the rule that progress watches `n_right` are right, after `us` in all.
    """

    n: int
    n_right: int
    us: int
    faults: tuple[Fault, ...]
    fits: tuple[Fit, ...]
    rows: Columns | None


@dataclass(frozen=True, slots=True, eq=False)
class ReplayWork:
    """Replays recordings of a data set; begun once a process.

    `rules` are swept, or really stop (`stops`; then there is one). `watched` is the one whose answers progress counts,
    `lanes` how many recordings are stepped together, `parts` the folder of parts, None to keep nothing. Without
    `digests` the files are not read once more for their SHA-256. `examples` are those that the driver has listed;
    other processes list them again.
    """

    weights: Path
    engine: str
    folder: Path
    part: Part
    reading: ReadOptions
    rules: Mapping[str, FittedCutoff]
    watched: str
    lanes: int
    parts: Path | None
    stops: bool = False
    digests: bool = True
    examples: Examples | None = field(default=None, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        values = (getattr(self, name) for name in self.__dataclass_fields__ if name != "examples")
        return ReplayWork, tuple(values)

    def begin(self) -> Callable[[Batch], BatchResult]:
        """Loads the network and lists the data set."""
        import torch

        torch.set_num_threads(1)
        stepper, card = opening.load(self.weights, engine=self.engine)
        examples = self.examples or examples_of(self.folder, card, self.part, self.reading)
        places = {item_id: at for at, item_id in enumerate(examples.ids(self.folder))}
        return _Worker(self, stepper, card, examples, places)


@dataclass(frozen=True, slots=True, eq=False)
class _Worker:
    """A network and a data set in one process."""

    work: ReplayWork
    stepper: SteppedModel[Any]
    card: ModelCard
    examples: Examples
    places: Mapping[str, int]

    def __call__(self, batch: Batch) -> BatchResult:
        if missing := [item for item in batch.items if item not in self.places]:
            raise ModelError(f"{self.work.folder}: {missing[0]} is no longer there")
        ids = sorted(batch.items, key=self.places.__getitem__)  # the examples of a source follow one another
        members = [self.examples.members[self.places[item]] for item in ids]
        fates: list[Fate] = []
        trails = [Trail() for _ in members]
        fits = Fits()
        answers, readable = self._answers(members, fates, trails, fits)
        faults = tuple(
            Fault(item, *_reason(example, fate, trail))
            for at, (item, example, fate, trail) in enumerate(zip(ids, members, fates, trails, strict=True))
            if at not in readable
        )
        columns = self._columns(ids, members, answers, readable)
        watched = [at for at, rule in enumerate(columns["rule"]) if rule == self.work.watched]
        if self.work.parts is not None and readable:
            about = {"fits": [asdict(fits.used[name]) for name in sorted(fits.used)]} if fits.used else {}
            write_part(self.work.parts, batch.key, Table(columns, about))
        return BatchResult(
            n=len(readable),
            n_right=sum(columns["label"][at] == columns["pred"][at] for at in watched),
            us=sum(columns["t_dec_us"][at] for at in watched),
            faults=faults,
            fits=tuple(fits.used.values()),
            rows=columns | {"logits": []} if self.work.parts is None else None,
        )

    def _answers(
        self, members: Sequence[Example], fates: list[Fate], trails: Sequence[Trail], fits: Fits
    ) -> tuple[dict[str, list[Answer]], list[int]]:
        """Of each rule the answers to the members that could be read, and which those are."""
        work, horizon = self.work, self.card.horizon
        policy = None if work.stops else shared_policy(work.rules.values())
        first = FirstFrames(policy.look if policy else 0)
        streams = self._streams(members, fates, trails, fits)
        cutoff = next(iter(work.rules.values())).cutoff
        trace = None
        if not work.stops:
            trace = np.zeros((len(members), horizon, self.stepper.n_outputs), np.float32)
        decisions = dict(
            replay(first.over(streams), self.stepper, cutoff, horizon=horizon, batch_size=work.lanes, trace=trace)
        )
        kept = [at for at, decision in sorted(decisions.items()) if decision and fates[at].error is None]
        if trace is None:
            (name,) = work.rules
            logits = name == FULL
            return {name: [of_decision(_given(decisions[at]), trails[at], with_logits=logits) for at in kept]}, kept
        plans = plans_of(policy, first, kept) if policy and kept else None
        answers = self._swept(trace, trails, kept, plans)
        totals = {at: _given(decisions[at]).total for at in kept}
        answers[FULL] = [replace(one, logits=totals[at]) for one, at in zip(answers[FULL], kept, strict=True)]
        for place, at in enumerate(kept):
            if trails[at].was_reset:
                for name, rule in work.rules.items():
                    answers[name][place] = self._really(members[at], rule, with_logits=name == FULL)
        return answers, kept

    def _swept(
        self, trace: Float32[ndarray, "N T K"], trails: Sequence[Trail], kept: list[int], plans: Plans | None
    ) -> dict[str, list[Answer]]:
        some = [trails[at] for at in kept]
        return {name: swept(trace[kept], some, rule, plans) for name, rule in self.work.rules.items()}

    def _really(self, example: Example, rule: FittedCutoff, *, with_logits: bool) -> Answer:
        """The answer to a recording that is read once more, and really stopped."""
        trail = Trail()
        frames = trail.over(example.frames(view_of(self.card, self.work.reading)))
        ((_, decision),) = replay([frames], self.stepper, rule.cutoff, horizon=self.card.horizon)
        return of_decision(_given(decision), trail, with_logits=with_logits)

    def _streams(self, members: Sequence[Example], fates: list[Fate], trails: Sequence[Trail], fits: Fits) -> Any:
        view = view_of(self.card, self.work.reading, fits)
        for trail, (fate, frames) in zip(trails, readings(members, view), strict=True):
            fates.append(fate)
            yield trail.over(frames)

    def _columns(
        self,
        ids: Sequence[str],
        members: Sequence[Example],
        answers: Mapping[str, Sequence[Answer]],
        readable: Sequence[int],
    ) -> dict[str, list[Any]]:
        sources = {id(members[at].source): members[at].source for at in readable}
        digests = dict.fromkeys(sources, "")
        if self.work.digests:
            digests = dict(zip(sources, digests_of(sources.values()), strict=True))
        classes, labels = self.card.classes, self.examples.labels
        subjects = [
            Subject(ids[at], classes[labels[self.places[ids[at]]]], digests[id(members[at].source)]) for at in readable
        ]
        return columns_of(subjects, answers, classes)


def _given(decision: Decision | None) -> Decision:
    assert decision is not None
    return decision


def _reason(example: Example, fate: Fate, trail: Trail) -> tuple[str, str]:
    """The class and the text of the error that left a recording without an answer."""
    error: SpikecutError | None = fate.error
    if error is None and len(trail):
        error = ModelError(f"{example.place}: the network's output is not finite")
    elif error is None:
        error = EmptyRecording(example.place, "no events")
    return type(error).__name__, str(error)
