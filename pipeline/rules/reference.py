"""Statistics of calibration recordings, as quantiles: is a new recording like those that a cutoff was fitted on?

The alarm for drift (`metrics.drift`) compares event rate, density and scores with them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import Frame

LEVELS = (1, 5, 25, 50, 75, 95, 99)  # of the quantiles, in percent

Quantiles = tuple[float, ...]  # one for each of LEVELS


@dataclass(frozen=True, slots=True)
class Extremes:
    """The lowest and the highest mean over `window` answers in a row, over all such means of `n` people.

    Of each answer the last bins before the cutoff's stop in events a second (`rate_hz`) and as the mean share of
    active pixels, and the probability there.

    Raises:
        ModelError: if there are no people, no answers in a row, or a pair decreases or is no pair of numbers.
    """

    n: int
    window: int
    rate_hz: tuple[float, float]
    active_share: tuple[float, float]
    confidence: tuple[float, float]

    def __post_init__(self) -> None:
        if self.n < 1 or self.window < 1:
            raise ModelError(f"reference.answers: {self.n} people, {self.window} answers in a row; expected 1 or more")
        for name in ("rate_hz", "active_share", "confidence"):
            low, high = getattr(self, name)
            if not 0 <= low <= high < float("inf"):
                raise ModelError(
                    f"reference.answers.{name}: {low:g}, {high:g}; expected a number of 0 or more and one not below"
                )


@dataclass(frozen=True, slots=True)
class Reference:
    """Quantiles over `n` recordings or all their bins, read up to the horizon of the network.

    Of bins: `events_per_bin`, and `active_share`, the share of the frame's pixels that have an event. Of recordings:
    `rate_hz`, events a second in the frame; `on_share`, ON events among all; `duration_s`, up to the horizon;
    `final_confidence`, the highest probability after the whole window, and `decision_confidence`, that at the cutoff's
    stop. `answers` are what the alarm for drift compares with. `about` says which recordings they are.

    Raises:
        ModelError: if quantiles are too few, decrease, or are out of range.
    """

    n: int
    about: str
    events_per_bin: Quantiles
    active_share: Quantiles
    rate_hz: Quantiles
    on_share: Quantiles
    duration_s: Quantiles
    final_confidence: Quantiles = ()
    decision_confidence: Quantiles = ()
    answers: Extremes | None = None

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ModelError(f"reference: {self.n} recordings; expected 1 or more")
        for name, values in self.quantiles().items():
            if not values and name.endswith("_confidence"):
                continue
            shares = name.endswith(("_share", "_confidence"))
            if len(values) != len(LEVELS) or list(values) != sorted(values) or values[0] < 0:
                raise ModelError(f"reference.{name}: expected {len(LEVELS)} numbers of 0 or more that do not decrease")
            if shares and values[-1] > 1:
                raise ModelError(f"reference.{name}: found {values[-1]:g}; expected shares up to 1")

    def quantiles(self) -> Mapping[str, Quantiles]:
        """All quantiles by their names."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("n", "about", "answers")}


def quantiles_of(values: Sequence[float] | ndarray) -> Quantiles:
    """The quantiles at `LEVELS`, rounded to 6 digits, of values of which there is at least one.

    >>> quantiles_of(range(101))
    (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0)
    """
    percentiles = np.percentile(np.asarray(values, np.float64), LEVELS)
    return tuple(float(f"{value:.6g}") for value in np.maximum.accumulate(percentiles))


def place_of(value: float, quantiles: Quantiles) -> str:
    """Where a value is among quantiles, as text.

    >>> place_of(0.5, (1, 2, 3, 4, 5, 6, 7)), place_of(3.5, (1, 2, 3, 4, 5, 6, 7)), place_of(9, (1, 2, 3, 4, 5, 6, 7))
    ('below 1 %', '25 to 50 %', 'above 99 %')
    """
    at = int(np.searchsorted(quantiles, value, side="right"))
    if at == 0:
        return f"below {LEVELS[0]} %" if value < quantiles[0] else f"at {LEVELS[0]} %"
    if at == len(LEVELS):
        return f"above {LEVELS[-1]} %" if value > quantiles[-1] else f"at {LEVELS[-1]} %"
    return f"{LEVELS[at - 1]} to {LEVELS[at]} %"


@dataclass(frozen=True, slots=True, eq=False)
class StreamStatistics:
    """The numbers of one stream: of each bin its events and the share of active pixels; ON events, and its length."""

    counts: Int64[ndarray, " T"]
    active: Float64[ndarray, " T"]
    n_on: int
    us: int


class FrameStatistics:
    """Collects the statistics of many streams of frames while a network reads them; one number a bin stays."""

    def __init__(self) -> None:
        self._counts: list[list[int]] = []
        self._active: list[list[float]] = []
        self._on: list[int] = []
        self._us: list[int] = []

    def over(self, streams: Iterable[Iterable[Frame]]) -> Iterator[Iterable[Frame]]:
        """The streams as they are."""
        for frames in streams:
            place = len(self._us)
            self._counts.append([])
            self._active.append([])
            self._on.append(0)
            self._us.append(0)
            yield self._noting(frames, place)

    def _noting(self, frames: Iterable[Frame], place: int) -> Iterator[Frame]:
        for frame in frames:
            pixels = frame.pixels
            self._counts[place].append(frame.n_events)
            self._active[place].append(float(np.count_nonzero(pixels.any(axis=0))) / pixels[0].size)
            self._on[place] += int(pixels[-1].sum(dtype=np.int64))
            self._us[place] += frame.end_us - frame.start_us
            yield frame

    def one(self, at: int) -> StreamStatistics:
        """Those of one stream."""
        counts, active = np.array(self._counts[at], np.int64), np.array(self._active[at], np.float64)
        return StreamStatistics(counts, active, self._on[at], self._us[at])

    def of(self, which: Sequence[int], about: str) -> Reference | None:
        """The statistics of the streams `which`; None if they have no events."""
        return reference_over([self.one(i) for i in which], about)


def reference_over(streams: Sequence[StreamStatistics], about: str) -> Reference | None:
    """The statistics of streams; None if they have no events."""
    used = [one for one in streams if one.us and one.counts.sum()]
    if not used:
        return None
    counts = np.array([one.counts.sum() for one in used], np.float64)
    seconds = np.array([one.us for one in used]) / 1e6
    return Reference(
        n=len(used),
        about=about,
        events_per_bin=quantiles_of(np.concatenate([one.counts for one in used])),
        active_share=quantiles_of(np.concatenate([one.active for one in used])),
        rate_hz=quantiles_of(counts / seconds),
        on_share=quantiles_of(np.minimum(np.array([one.n_on for one in used]) / counts, 1)),
        duration_s=quantiles_of(seconds),
    )
