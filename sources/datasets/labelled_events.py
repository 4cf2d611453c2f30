"""Counts the events of labelled gestures while a recording is read, to find labels without events."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from spikecut.pipeline.events import EventBatch, Frame
from spikecut.sources.datasets.gesture_labels import GestureSpan


@dataclass(slots=True)
class LabelledEvents:
    """The number of events of each of the `spans`, counted over what passes."""

    spans: Sequence[GestureSpan]
    counts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [0] * len(self.spans)

    def add(self, batch: EventBatch) -> None:
        """Counts the events of a batch."""
        for number, span in enumerate(self.spans):
            first, last = np.searchsorted(batch.t, (span.start_us, span.end_us)).tolist()
            self.counts[number] += last - first

    def over(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The same frames; those wholly within a gesture are counted."""
        for frame in frames:
            for number, span in enumerate(self.spans if frame.n_events else ()):
                if span.start_us <= frame.start_us and frame.end_us <= span.end_us:
                    self.counts[number] += frame.n_events
            yield frame

    @property
    def empty(self) -> list[GestureSpan]:
        """The gestures without a single event."""
        return [span for span, count in zip(self.spans, self.counts, strict=True) if not count]


def empty_sentence(span: GestureSpan) -> str:
    """The words about a labelled gesture without events."""
    return f"no events in the labelled gesture {span.name}, {span.start_us:,} to {span.end_us:,} us"
