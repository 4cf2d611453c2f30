"""What passes over recordings have in common: a batch is read, and what cannot be read is set apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from spikecut.pipeline.errors import EmptyRecording, ModelError, SpikecutError
from spikecut.pipeline.events import Frame, SensorSize
from spikecut.pipeline.fit import Fit, Fits
from spikecut.sources.datasets.base import Example, FrameSpec
from spikecut.sources.datasets.digests import digests_of
from spikecut.sources.datasets.reading import Fate, readings
from spikecut.tools.batch.examples import Examples
from spikecut.tools.batch.executors.base import Batch
from spikecut.tools.batch.passes.decisions import Trail
from spikecut.tools.batch.run_folder.folder import Fault
from spikecut.tools.batch.run_folder.parquet import Columns

NOT_FINITE = "NotFinite"  # the class of a fault: an output of the network


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch: its part is on the disk, or its rows are here where none is kept.

    `n` recordings have an answer; of the rule that progress watches `n_right` are right, after `us` in all.
    """

    n: int
    n_right: int
    us: int
    faults: tuple[Fault, ...]
    fits: tuple[Fit, ...]
    rows: Columns | None


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The recordings of a batch while they are read, in the order of the data set; the lists are filled meanwhile."""

    ids: Sequence[str]
    members: Sequence[Example]
    trails: Sequence[Trail]
    fates: list[Fate] = field(default_factory=list)
    fits: Fits = field(default_factory=Fits)

    def streams(self, view: FrameSpec) -> Iterator[Iterator[Frame]]:
        """The frames of every recording."""
        for trail, (fate, frames) in zip(self.trails, readings(self.members, view), strict=True):
            self.fates.append(fate)
            yield trail.over(frames)

    def kept(self, decisions: Mapping[int, object]) -> list[int]:
        """The places of the recordings that have a decision and could be read to its end."""
        return [at for at, decision in sorted(decisions.items()) if decision and self.fates[at].error is None]

    def faults(self, kept: Sequence[int]) -> tuple[Fault, ...]:
        """Why the others have no answer."""
        return tuple(Fault(self.ids[at], *self._reason(at)) for at in range(len(self.ids)) if at not in set(kept))

    def digests(self, kept: Sequence[int]) -> list[str]:
        """The digest of each recording's source; every byte is read for it, once a source."""
        sources = {id(self.members[at].source): self.members[at].source for at in kept}
        by_source = dict(zip(sources, digests_of(sources.values()), strict=True))
        return [by_source[id(self.members[at].source)] for at in kept]

    def _reason(self, at: int) -> tuple[str, str]:
        """The class and the text of the error that left a recording without an answer."""
        error: SpikecutError | None = self.fates[at].error
        if error is None and len(self.trails[at]):
            return NOT_FINITE, f"{self.members[at].place}: the network's output is not finite"
        error = error or EmptyRecording(self.members[at].place, "no events")
        return type(error).__name__, str(error)


def reading_of(batch: Batch, examples: Examples, places: Mapping[str, int]) -> Reading:
    """The recordings of a batch.

    Raises:
        ModelError: if one is no longer in the data set.
    """
    if missing := [item for item in batch.items if item not in places]:
        raise ModelError(f"{missing[0]} is no longer there")
    ids = sorted(batch.items, key=places.__getitem__)  # the examples of a source follow one another
    members = [examples.members[places[item]] for item in ids]
    return Reading(ids, members, [Trail() for _ in members])


def stored(fits: Fits) -> dict[str, Any]:
    """The fits of a batch as its part keeps them."""
    return {"fits": [asdict(fits.used[name]) for name in sorted(fits.used)]} if fits.used else {}


def fits_of(about: Mapping[str, Any]) -> Iterator[Fit]:
    """The fits that a part keeps."""
    for raw in about.get("fits", []):
        sizes = {name: SensorSize(**raw[name]) for name in ("sensor", "frame")}
        yield Fit(**{**raw, **sizes, "window": tuple(raw["window"]), "part": tuple(raw["part"])})
