"""`spikecut info`: the contents of a recording in numbers, by one pass over it in bounded memory."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spikecut.pipeline.clock import format_us
from spikecut.pipeline.errors import SourceError, printable
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.datasets.gesture_labels import GestureSpan, labels_beside, read_labels
from spikecut.sources.datasets.labelled_events import LabelledEvents, empty_sentence
from spikecut.sources.formats.base import ReadOptions, Recording, TextLayout
from spikecut.sources.formats.open import open_with
from spikecut.tools.reading_options import parse_sensor, read_options
from spikecut.tools.recordings.image_info import is_about_pictures, run_picture_info

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.info import Info

__all__ = [
    "PEAK_US",
    "RecordingInfo",
    "info",
    "info_lines",
    "info_object",
    "info_of",
    "parse_sensor",
    "print_info",
    "run_info",
]

PEAK_US = 10_000


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """A recording in numbers; times are µs of its own clock, and None where there are no events.

    `covered_us` is the time from first to last event, summed over the segments. `peak_events` is the
    most that fell into one of the 10 ms that follow each other from the first event on. `lost` also
    holds the camera's own signals (`special`), which are no damage.
    """

    path: Path
    format: str
    sensor: SensorSize
    n_events: int
    n_on: int
    t_first_us: int | None
    t_last_us: int | None
    covered_us: int
    peak_events: int
    n_segments: int
    lost: DropCounts
    empty_labels: tuple[GestureSpan, ...] = ()

    @property
    def damage(self) -> list[dict[str, int | str | None]]:
        """One entry a cause: how many events and bytes, the first place, and the sentence of the cause.

        A labelled gesture without events is one, too, with the cause `empty_label`.
        """
        labels: list[dict[str, int | str | None]] = [
            {"cause": "empty_label", "events": 0, "bytes": 0, "at_byte": None, "sentence": empty_sentence(span)}
            for span in self.empty_labels
        ]
        return labels + [
            {
                "cause": cause.value,
                "events": loss.events,
                "bytes": loss.bytes,
                "at_byte": loss.at_byte,
                "sentence": cause.sentence,
            }
            for cause, loss in self.lost.damage.losses.items()
        ]

    @property
    def rate_hz(self) -> float:
        """Events a second on average; 0 if no time passed."""
        return self.n_events * 1e6 / self.covered_us if self.covered_us else 0.0


def info(path: str | Path, sensor: SensorSize | None = None, text: TextLayout | None = None) -> RecordingInfo:
    """Reads a recording once and returns its numbers; `sensor` and `text` are as for `open_recording`.

    Raises:
        SourceError: if it cannot be read at all.
    """
    return info_of(open_with(Path(path), ReadOptions(sensor, text=text)), spans_beside(Path(path)))


def info_of(recording: Recording, spans: Sequence[GestureSpan] = ()) -> RecordingInfo:
    """The numbers of an opened recording, by one pass over it; `spans` are gestures that should have events in it.

    Raises:
        SourceError: if it cannot be read at all.
    """
    labelled = LabelledEvents(spans)
    n_events = n_on = covered_us = n_segments = 0
    first = last = segment = None
    lost, peak = NOTHING_LOST, _Peak()
    for batch in recording:
        lost += batch.lost
        if not len(batch):
            continue
        begin, end = int(batch.t[0]), int(batch.t[-1])
        if batch.segment != segment:
            segment, n_segments = batch.segment, n_segments + 1
        else:
            assert last is not None
            begin = last
        first = begin if first is None else first
        covered_us += end - begin
        last = end
        n_events += len(batch)
        n_on += int(batch.p.sum())
        labelled.add(batch)
        peak.add(batch)
    return RecordingInfo(
        path=recording.path,
        format=recording.format,
        sensor=recording.sensor,
        n_events=n_events,
        n_on=n_on,
        t_first_us=first,
        t_last_us=last,
        covered_us=covered_us,
        peak_events=peak.most,
        n_segments=n_segments,
        lost=lost,
        empty_labels=tuple(labelled.empty),
    )


def spans_beside(path: Path) -> tuple[GestureSpan, ...]:
    """The gestures in the label file of a session, if it has one that can be read."""
    try:
        return read_labels(labels_beside(path)).spans
    except SourceError:
        return ()


def print_info(report: RecordingInfo) -> None:
    """Prints the numbers as text, on stdout."""
    for line in info_lines(report):
        print(printable(line))


def run_info(options: "Info") -> int:
    """The command, also for pictures: 0 if the recording is sound, 3 if a part of it was lost."""
    assert options.file is not None  # `Info.run`
    if is_about_pictures(options.file):
        return run_picture_info(options.file, as_json=options.json)
    reading = read_options(options)
    spans = spans_beside(options.file) if reading.is_whole else ()
    report = info_of(open_with(options.file, reading), spans)
    if options.json:
        print(json.dumps(info_object(report)))
    else:
        print_info(report)
    return 3 if report.damage else 0


class _Peak:
    """The fullest of the 10 ms bins; the last bin stays open until an event falls beyond it."""

    def __init__(self) -> None:
        self.most = 0
        self._key: tuple[int, int] | None = None  # segment and number of the open bin
        self._count = 0
        self._start_us = 0

    def add(self, batch: EventBatch) -> None:
        if self._key is None or self._key[0] != batch.segment:
            self._key, self._count, self._start_us = (batch.segment, 0), 0, int(batch.t[0])
        bins = (batch.t - self._start_us) // PEAK_US
        edges = np.flatnonzero(np.diff(bins)) + 1
        counts = np.diff([0, *edges.tolist(), len(bins)])
        if bins[0] == self._key[1]:
            counts[0] += self._count
        self.most = max(self.most, int(counts.max()))
        self._key, self._count = (batch.segment, int(bins[-1])), int(counts[-1])


def info_object(report: RecordingInfo) -> dict[str, object]:
    """The numbers for programs."""
    return {
        "format": report.format,
        "sensor": [report.sensor.width, report.sensor.height],
        "n_events": report.n_events,
        "n_on": report.n_on,
        "t_first_us": report.t_first_us,
        "t_last_us": report.t_last_us,
        "damage": report.damage,
    }


def info_lines(report: RecordingInfo) -> Iterable[str]:
    """The numbers for people, a line each."""
    yield f"{report.path}"
    yield f"  format    {report.format}"
    yield f"  sensor    {report.sensor}"
    if not report.n_events or report.t_first_us is None or report.t_last_us is None:
        yield "  events    none"
    else:
        yield f"  events    {report.n_events:,}, {report.n_on / report.n_events:.1%} ON"
        yield f"  time      {report.t_first_us:,} to {report.t_last_us:,} us: {format_us(report.covered_us)}"
        yield f"  rate      {report.rate_hz:,.0f} events/s; at most {report.peak_events:,} in 10 ms"
    if report.n_segments > 1:
        yield f"  segments  {report.n_segments}: the clock was reset {report.n_segments - 1} times"
    if signals := report.lost.losses.get(DropCause.special):
        yield f"  signals   {signals.events:,}: {DropCause.special.sentence}"
    for entry in report.damage:
        place = "" if entry["at_byte"] is None else f", first at byte {entry['at_byte']:,}"
        size = f" ({entry['bytes']:,} bytes)" if entry["bytes"] else ""
        count = "" if entry["cause"] == "empty_label" else f"{entry['events']:,} events{size}{place}: "
        yield f"  lost      {count}{entry['sentence']}"
    yield f"  verdict   {_verdict(report)}"


def _verdict(report: RecordingInfo) -> str:
    outside = report.lost.losses.get(DropCause.outside_sensor)
    if outside and outside.events > report.n_events:
        return f"most events lie outside {report.sensor}: probably the wrong sensor; try --sensor WxH"
    if report.empty_labels and not report.lost.damage:
        return f"{len(report.empty_labels)} labelled gestures have no events: another recording, or another clock"
    if report.damage:
        total = report.lost.damage.total
        return f"damaged: {total:,} of {report.n_events + total:,} events lost, the rest is usable"
    return "sound" if report.n_events else "sound, but there is nothing in it"
