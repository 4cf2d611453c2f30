"""Counts answers on recordings without gestures at falling thresholds, one recording after the other in any process.

What a recording raises at a threshold depends on nothing else, so counts are the same for any number of processes.
Where the fit will end is not known to a process: it counts down to a threshold at which its own recording raises
clearly more than any level tolerates. Should the fit go on beyond that, the recording is counted once more, whole.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

from spikecut.models.files import opening
from spikecut.pipeline.errors import SpikecutError, UnreadableSource
from spikecut.pipeline.metrics.alarm_rates import GRID
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.sources.formats.base import ReadOptions
from spikecut.tools.batch.continuous.recorded_stream import AlarmCount, RecordedStream
from spikecut.tools.batch.driving import Done, drive
from spikecut.tools.batch.executors.base import Batch, Executor
from spikecut.tools.batch.passes.progress import Progress, shown
from spikecut.tools.cutoff_lookup import unfitted
from spikecut.tools.session.opening import OpenNetwork, open_stream

_CLEARLY = 2.0  # times the largest rate that a level tolerates, and so many alarms more
_MORE = 4


@dataclass(frozen=True, slots=True)
class Counted:
    """The answers on one recording of `minutes`: for each rule those at the first thresholds of `GRID`."""

    path: str
    minutes: float
    counts: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class CountingWork:
    """Counts with a network under its rules; an item is the path of a recording.

    No further than the first threshold with clearly more than `most_a_minute`.
    """

    weights: Path
    engine: str
    reading: ReadOptions
    rules: Mapping[str, CutoffDecider[Any]]
    most_a_minute: float

    def begin(self) -> Callable[[Batch], list[Counted | SpikecutError]]:
        """Loads the network."""
        import torch

        torch.set_num_threads(1)
        stepper, card = opening.load(self.weights, engine=self.engine)
        rule = unfitted(card)
        network = OpenNetwork(card, stepper, rule.cutoff, rule)
        return lambda batch: [self._counted(item, network) for item in batch.items]

    def _counted(self, item: str, network: OpenNetwork) -> Counted | SpikecutError:
        """A recording's counts, or what is wrong with it: that ends the command with its own error."""
        try:
            stream = RecordedStream(open_stream(Path(item), network, self.reading).frames, network.stepper)
        except SpikecutError as error:
            return error
        most = _CLEARLY * self.most_a_minute * stream.minutes + _MORE
        counts: dict[str, tuple[int, ...]] = {}
        for name, decider in self.rules.items():
            count, made = AlarmCount(stream, decider, network.card), list[int]()
            for threshold in GRID:
                made.append(count(threshold))
                if made[-1] > most:
                    break
            counts[name] = tuple(made)
        return Counted(item, stream.minutes, counts)


@dataclass(slots=True)
class AlarmCounts:
    """The counts of all recordings: `AlarmCounts(...).at(rule, threshold)` is the number of false alarms.

    Raises:
        SpikecutError: if a recording cannot be read.
    """

    work: CountingWork
    paths: Sequence[Path]
    executor: Executor
    counted: dict[str, Counted] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._count(self.work, [str(path) for path in self.paths], "counting answers without gestures")

    @property
    def minutes(self) -> float:
        """The length of all recordings."""
        return sum(self.counted[str(path)].minutes for path in self.paths)

    def at(self, rule: str, threshold: float) -> int:
        """The answers of a rule on all recordings at a threshold of `GRID`."""
        place = GRID.index(threshold)
        short = [path for path, one in self.counted.items() if place >= len(one.counts[rule])]
        if short:
            self._count(replace(self.work, most_a_minute=inf), short, "counting further")
        return sum(one.counts[rule][place] for one in self.counted.values())

    def _count(self, work: CountingWork, items: Sequence[str], what: str) -> None:
        progress = Progress(what, len(items))
        batches = [Batch(item, (item,)) for item in items]
        with shown(progress) as display:
            for one in drive(work, batches, self.executor, rebatch=lambda some: Batch(some[0], some)):
                if not isinstance(one, Done):
                    raise UnreadableSource(Path(one.item), one.message)
                (result,) = one.value
                if isinstance(result, SpikecutError):
                    raise result
                self.counted[result.path] = result
                progress.n_new += 1
                display.update()
