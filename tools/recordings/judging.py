"""Judges a recording for a network: what is unusual in it, and what to do about it, one sentence each.

The thresholds are constants of this module. They ask for clear cases: an ordinary recording has no finding.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spikecut.pipeline.events import Frame, SensorSize
from spikecut.pipeline.metrics.recording_quality import BLOCK, Quality
from spikecut.pipeline.rules.reference import LEVELS, Quantiles, Reference, place_of

HOT_SHARE = 0.02  # of all events, by hot pixels together
HOT_FACTOR, HOT_HZ = 20, 10  # a hot pixel: events against the mean of its neighbours, and a second
SATURATED_SHARE = 0.01  # of the bins of 1 ms
FLICKER_HZ, FLICKER_FACTOR, FLICKER_SPECTRA = (100, 120), 20, 2  # lamps at 50 and 60 Hz; power against its surroundings
DEAD_SHARE = 0.1  # of the sensor
DEAD_EVENTS, DEAD_S = 5, 2  # on average in a pixel, and the seconds that show it
COARSE_US, COARSE_EVENTS = 100, 1_000  # the step of the clock, and events that show it
ON_SHARE = (0.1, 0.9)
SHOWN = 8  # hot pixels that are named
KEPT = 2**15  # bins of which statistics are kept
FACTOR = 2  # how far beyond the first and last quantile is still alike


@dataclass(frozen=True, slots=True)
class Finding:
    """What is unusual, and what to do."""

    name: str
    sentence: str
    advice: str


@dataclass(slots=True)
class BinStatistics:
    """Event counts and active shares of every k-th frame that passes; k grows, so that memory does not."""

    counts: list[int] = field(default_factory=list)
    active: list[float] = field(default_factory=list)
    n: int = 0
    every: int = 1

    def over(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The same frames."""
        for frame in frames:
            if self.n % self.every == 0:
                self.counts.append(frame.n_events)
                self.active.append(float(np.count_nonzero(frame.pixels.any(axis=0))) / frame.pixels[0].size)
                if len(self.counts) == KEPT:
                    self.counts, self.active, self.every = self.counts[::2], self.active[::2], self.every * 2
            self.n += 1
            yield frame


@dataclass(frozen=True, slots=True)
class Likeness:
    """One number of a recording, its `place` among the quantiles of the calibration recordings, and if it is near."""

    name: str
    value: float
    place: str
    like: bool


def hot_pixels(quality: Quality) -> list[tuple[int, int, int]]:
    """Column, row and events of every pixel with far more events than its neighbours, the hottest first."""
    pixels = quality.pixels
    if pixels is None or not quality.seconds:
        return []
    padded = np.pad(pixels, 1)
    height, width = pixels.shape
    window = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    neighbours = np.sort(np.stack(window), axis=0)[:6].mean(axis=0)  # two of eight may be hot, too
    hot = (pixels > HOT_FACTOR * (neighbours + 1)) & (pixels > HOT_HZ * quality.seconds)
    rows, columns = np.nonzero(hot)
    order = np.argsort(-pixels[rows, columns], kind="stable")
    return [(int(columns[i]), int(rows[i]), int(pixels[rows[i], columns[i]])) for i in order]


def dead_area(quality: Quality) -> tuple[float, tuple[int, int, int, int]]:
    """The share of squares of `BLOCK` pixels without any event, and the window of the others: x, y, width, height."""
    pixels = quality.pixels
    nothing = (0.0, (0, 0, 0, 0))
    if pixels is None or pixels.mean() < DEAD_EVENTS or quality.seconds < DEAD_S or min(pixels.shape) < BLOCK:
        return nothing
    height, width = (side // BLOCK * BLOCK for side in pixels.shape)
    blocks = pixels[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).sum(axis=(1, 3))
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return float((blocks == 0).mean()), (x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1)


def flicker_hz(quality: Quality) -> int | None:
    """The frequency of lamps that dominates the event rate, 100 or 120 Hz; None without any."""
    if quality.n_spectra < FLICKER_SPECTRA:
        return None
    power, hz = quality.power, quality.frequencies_hz
    around = float(np.median(power[(hz > 60) & (hz < 180)]))
    peaks = {lamp: float(power[np.abs(hz - lamp) < 2].max()) for lamp in FLICKER_HZ}
    lamp = max(peaks, key=lambda one: peaks[one])
    return lamp if peaks[lamp] > FLICKER_FACTOR * max(around, 1.0) else None


def findings_of(quality: Quality) -> Iterator[Finding]:
    """What is unusual in a recording itself."""
    if damage := quality.lost.damage:
        causes = ", ".join(f"{n:,} {cause}" for cause, n in damage.events_by_cause().items())
        yield Finding(
            "losses", f"{damage.total:,} events were lost ({causes}).", "Copy or record it anew; what is whole is used."
        )
    if quality.n_gaps:
        sentence = f"There are {quality.n_gaps} gaps without any event, {quality.gap_us / 1e6:.1f} s in all."
        yield Finding("gaps", sentence, "Look for a lost connection while recording.")
    if not quality.n_events:
        return
    hot = hot_pixels(quality)
    if hot and (share := sum(n for _, _, n in hot) / quality.n_events) > HOT_SHARE:
        names = ", ".join(f"({x}, {y})" for x, y, _ in hot[:SHOWN]) + (" and more" if len(hot) > SHOWN else "")
        sentence = f"{len(hot)} hot pixels make {share:.0%} of all events: {names}."
        yield Finding("hot_pixels", sentence, "Remove them: --filter hot_pixels.")
    if (saturated := quality.saturated_bins / quality.n_bins) > SATURATED_SHARE:
        sentence = f"In {saturated:.0%} of the time the rate is cut off, at most {quality.ceiling:,} events a ms."
        yield Finding("saturation", sentence, "Set higher thresholds of the camera, or read a window of its sensor.")
    dead, (x, y, width, height) = dead_area(quality)
    if dead > DEAD_SHARE:
        sentence = f"{dead:.0%} of the sensor has no events at all; they lie in {x},{y},{width}x{height}."
        yield Finding("dead_area", sentence, f"Show that part alone: --fit {x},{y},{width}x{height}.")
    if (lamp := flicker_hz(quality)) is not None:
        sentence = f"The event rate flickers at {lamp} Hz, as lamps do."
        yield Finding("flicker", sentence, "Use other lamps or daylight, or calibrate on such recordings.")
    if quality.step_us >= COARSE_US and quality.n_events >= COARSE_EVENTS:
        sentence = f"All times are multiples of {quality.step_us:,} us: a clock of {quality.step_us / 1000:g} ms."
        yield Finding("time_resolution", sentence, "Save times in us; bins shorter than that step are not possible.")
    on = quality.n_on / quality.n_events
    if not ON_SHARE[0] <= on <= ON_SHARE[1]:
        sentence = f"{on:.0%} of the events are ON."
        yield Finding("polarity", sentence, "See whether one polarity was lost or the thresholds differ.")


def likeness(bins: BinStatistics, quality: Quality, step_us: int, reference: Reference) -> list[Likeness]:
    """The medians of a recording among those of the calibration recordings."""
    counts = np.array(bins.counts)
    busy = counts > 0
    if not busy.any():
        return []
    values = {
        "events_per_bin": (float(np.median(counts[busy])), reference.events_per_bin),
        "active_share": (float(np.median(np.array(bins.active)[busy])), reference.active_share),
        "rate_hz": (float(counts.mean()) * 1e6 / step_us, reference.rate_hz),
        "on_share": (quality.n_on / max(quality.n_events, 1), reference.on_share),
    }
    return [Likeness(name, value, place_of(value, at), _near(value, at)) for name, (value, at) in values.items()]


def unlike(places: Iterable[Likeness], reference: Reference) -> Iterator[Finding]:
    """A finding for each number that is far from those of the calibration recordings."""
    words = {
        "events_per_bin": "number of events a bin",
        "active_share": "share of active pixels a bin",
        "rate_hz": "number of events a second",
    }
    for one in places:
        if one.like:
            continue
        values = reference.quantiles()[one.name]
        sentence = (
            f"The {words.get(one.name, 'share of ON events')} ({one.value:,.4g}) is unlike the calibration recordings "
            f"({values[0]:,.4g} to {values[-1]:,.4g}, {LEVELS[0]} to {LEVELS[-1]} %)."
        )
        yield Finding(f"unlike_{one.name}", sentence, "Fit cutoffs on your own recordings: spikecut calibrate.")


def _near(value: float, quantiles: Quantiles) -> bool:
    return quantiles[0] / FACTOR <= value <= quantiles[-1] * FACTOR


def as_json(quality: Quality, sensor: SensorSize) -> dict[str, Any]:
    """The measurements for programs."""
    dead, window = dead_area(quality)
    return {
        "rate_hz": round(quality.n_events / quality.seconds, 3) if quality.seconds else 0.0,
        "on_share": round(quality.n_on / quality.n_events, 6) if quality.n_events else None,
        "saturated_share": round(quality.saturated_bins / max(quality.n_bins, 1), 6),
        "most_events_in_a_ms": quality.ceiling,
        "hot_pixels": [[x, y] for x, y, _ in hot_pixels(quality)],
        "dead_share": round(dead, 6),
        "active_window": list(window) if window[2] else [0, 0, sensor.width, sensor.height],
        "flicker_hz": flicker_hz(quality),
        "time_step_us": quality.step_us,
        "gaps": quality.n_gaps,
        "gap_us": quality.gap_us,
    }
