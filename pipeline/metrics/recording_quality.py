"""Measures the quality of a recording while its batches pass: one pass, memory that does not grow with its length.

Time is counted in bins of 1 ms. What the numbers mean is judged elsewhere (`tools.recordings.judging`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikecut.pipeline.events import NOTHING_LOST, DropCounts, EventBatch, SensorSize

BIN_US = 1_000
WINDOW = 1_024  # bins of one spectrum: its lines are 1000 / 1024 Hz apart
GAP_BINS = 1_000  # silence of 1 s is a gap
RUN_BINS = 20  # equal counts in so many bins in a row: chance does not do that
LEAST_IN_RUN = 50  # events in a bin
MOST_PIXELS = 2**24  # of a sensor whose pixels are counted one by one
BLOCK = 8  # pixels: the side of the squares in which dead areas are looked for


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """The measurements of a recording.

    `n_bins` of 1 ms were read, `saturated_bins` of them lie in runs of equal counts, at most `ceiling` events each.
    `power` is the mean spectrum of `n_spectra` windows of 1.024 s, scaled so that events at random times give 1.
    `step_us` divides all times from one event to another, 0 if there are not two. `n_gaps` are silences of 1 s or more.
    `pixels[y, x]` are counts, None for a sensor of more than `MOST_PIXELS`.
    """

    n_events: int
    n_on: int
    n_bins: int
    saturated_bins: int
    ceiling: int
    power: Any
    n_spectra: int
    step_us: int
    n_gaps: int
    gap_us: int
    pixels: Any
    lost: DropCounts

    @property
    def seconds(self) -> float:
        """The time that was read, without gaps."""
        return self.n_bins * BIN_US / 1e6

    @property
    def frequencies_hz(self) -> Any:
        """The frequency of every entry of `power`."""
        return np.fft.rfftfreq(WINDOW, BIN_US / 1e6)


class QualityMeter:
    """Measures the batches of one sensor that pass through `over`."""

    def __init__(self, sensor: SensorSize) -> None:
        self.sensor = sensor
        self._pixels = None
        if sensor.width * sensor.height <= MOST_PIXELS:
            self._pixels = np.zeros(sensor.height * sensor.width, np.int64)
        self._n = self._on = self._bins = self._saturated = self._ceiling = 0
        self._gaps = self._gap_us = self._step = self._n_spectra = 0
        self._lost = NOTHING_LOST
        self._power = np.zeros(WINDOW // 2 + 1)
        self._window = np.zeros(0, np.int64)
        self._segment: int | None = None
        self._start_us = self._last_us = self._next_bin = self._open = 0
        self._run, self._level = 0, -1

    def over(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        """The same batches, each measured before it is handed on."""
        for batch in batches:
            self.add(batch)
            yield batch

    def add(self, batch: EventBatch) -> None:
        """Measures one batch."""
        self._lost += batch.lost
        if not len(batch):
            return
        self._n += len(batch)
        self._on += int(batch.p.sum())
        if self._pixels is not None:
            place = batch.y.astype(np.int64) * self.sensor.width + batch.x
            np.add.at(self._pixels, place, 1)
        if batch.segment != self._segment:
            self._interrupt(batch)
        else:
            self._step = int(np.gcd(self._step, int(batch.t[0]) - self._last_us))
        self._step = int(np.gcd(self._step, np.gcd.reduce(np.diff(batch.t)))) if len(batch) > 1 else self._step
        self._count(batch.t)
        self._last_us = int(batch.t[-1])

    def finish(self) -> Quality:
        """The measurements of all that passed."""
        if self._segment is not None:
            self._close(np.array([self._open]))
        self._end_run()
        pixels = self._pixels
        return Quality(
            n_events=self._n,
            n_on=self._on,
            n_bins=self._bins,
            saturated_bins=self._saturated,
            ceiling=self._ceiling,
            power=self._power / max(self._n_spectra, 1),
            n_spectra=self._n_spectra,
            step_us=self._step,
            n_gaps=self._gaps,
            gap_us=self._gap_us,
            pixels=None if pixels is None else pixels.reshape(self.sensor.height, self.sensor.width),
            lost=self._lost,
        )

    def _interrupt(self, batch: EventBatch) -> None:
        """Begins bins anew with a segment of the clock."""
        if self._segment is not None:
            self._close(np.array([self._open]))
        self._end_run()
        self._segment, self._start_us = batch.segment, int(batch.t[0])
        self._next_bin = self._open = 0
        self._window = self._window[:0]

    def _count(self, t: Any) -> None:
        """Counts times into bins; those before the last one are complete."""
        bins = (t - self._start_us) // BIN_US
        edges = np.flatnonzero(np.diff(bins)) + 1
        numbers = bins[np.concatenate([[0], edges])]
        counts = np.diff(np.concatenate([[0], edges, [len(bins)]]))
        for number, count in _stretches(numbers, counts, self._next_bin):
            silent = int(number[0]) - self._next_bin
            if silent > 0:
                self._close(np.array([self._open]))
                self._open, self._next_bin = 0, self._next_bin + 1
                self._silence(int(number[0]) - self._next_bin)
            dense = np.zeros(int(number[-1] - number[0]) + 1, np.int64)
            dense[number - number[0]] = count
            dense[0] += self._open
            self._close(dense[:-1])
            self._next_bin, self._open = int(number[-1]), int(dense[-1])

    def _silence(self, n_bins: int) -> None:
        """Bins without an event: a gap, or zeros."""
        self._next_bin += n_bins
        if n_bins < GAP_BINS:
            self._close(np.zeros(n_bins, np.int64))
            return
        self._end_run()
        self._gaps += 1
        self._gap_us += n_bins * BIN_US
        self._window = self._window[:0]

    def _close(self, counts: Any) -> None:
        """Takes complete bins."""
        if not len(counts):
            return
        self._bins += len(counts)
        self._ceiling = max(self._ceiling, int(counts.max()))
        self._runs(counts)
        window = np.concatenate([self._window, counts])
        whole = len(window) // WINDOW * WINDOW
        for one in window[:whole].reshape(-1, WINDOW):
            if total := one.sum():
                self._power += np.abs(np.fft.rfft(one - one.mean())) ** 2 / total
                self._n_spectra += 1
        self._window = window[whole:]

    def _runs(self, counts: Any) -> None:
        """Adds up the bins in long runs of counts that differ by less than chance makes them."""
        for level in counts.tolist():
            if level >= LEAST_IN_RUN and abs(level - self._level) <= 0.5 * level**0.5:
                self._run += 1
            else:
                self._end_run()
                self._run = 1
            self._level = level

    def _end_run(self) -> None:
        if self._run >= RUN_BINS:
            self._saturated += self._run
        self._run, self._level = 0, -1


def _stretches(numbers: Any, counts: Any, next_bin: int) -> Iterator[tuple[Any, Any]]:
    """Numbers of bins and their counts, cut where so many bins are silent that it is a gap."""
    cuts = np.flatnonzero(np.diff(numbers) > GAP_BINS) + 1
    yield from zip(np.split(numbers, cuts), np.split(counts, cuts), strict=True)
