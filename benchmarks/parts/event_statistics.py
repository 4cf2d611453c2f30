"""What a recording's events are like, as numbers: rates, polarity, spacing in time, shape in space, rhythm.

Each is one number a recording, so that recordings can be compared and intervals go over recordings.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy import ndarray

from spikecut.pipeline.events import EventBatch, SensorSize

FRAME_US = 20_000
LEAST = 40  # events of a 20 ms frame in which something moves
STATISTICS = {
    "rate_kev_s": "events a second, thousands",
    "rate_p10_kev_s": "the same, 10th percentile of 100 ms windows",
    "rate_p90_kev_s": "the same, 90th percentile",
    "on_share": "share of ON events",
    "gap_median_ms": "time between two events of a pixel, median, ms",
    "gap_below_2ms": "share of such times below 2 ms",
    "gap_below_10ms": "the same below 10 ms",
    "opposite_below_2ms": "share of such times below 2 ms, from one polarity to the other",
    "same_polarity": "share of such pairs with equal polarity",
    "moving_share": "share of 20 ms frames with 40 events at least",
    "active_pixels": "active pixels of such a frame",
    "events_a_pixel": "events an active pixel",
    "neighbour_share": "share of active pixels with an active neighbour (of 8)",
    "inner_share": "share of active pixels with five active neighbours at least",
    "wide_px": "10th to 90th percentile of pixels with neighbours, across",
    "high_px": "the same, up and down",
    "quiet_hz": "events a second and pixel in the quietest tenth of 100 ms windows",
    "lonely_hz": "events a second and pixel without an active neighbour, all frames",
    "lonely_on_share": "share of ON among them",
    "hot_share": "share of lonely events on the busiest 1 % of pixels",
    "memory_50ms": "autocorrelation of the rate (10 ms bins) at 50 ms",
    "memory_200ms": "the same at 200 ms",
    "memory_500ms": "the same at 500 ms",
    "line_100hz": "power of the rate at 100 Hz over that beside it",
    "line_120hz": "the same at 120 Hz",
}

GAPS = ("gap_median_ms", "gap_below_2ms", "gap_below_10ms", "opposite_below_2ms", "same_polarity")


def joined(batches: Iterable[EventBatch], sensor: SensorSize, seconds: float = np.inf) -> EventBatch:
    """The first `seconds` of a recording as one batch; only its first segment, if the clock jumps."""
    parts: list[EventBatch] = []
    for batch in batches:
        if parts and (batch.segment != parts[0].segment or batch.end_us - parts[0].start_us > seconds * 1e6):
            break
        parts.append(batch)
    t, x, y, p = (np.concatenate([getattr(part, name) for part in parts]) for name in "txyp")
    return EventBatch(t, x, y, p, parts[0].start_us, parts[-1].end_us, sensor, parts[0].segment)


def describe(batch: EventBatch) -> dict[str, float]:
    """All `STATISTICS` of a recording; NaN where it has too few events for one."""
    if len(batch) < LEAST:
        return dict.fromkeys(STATISTICS, np.nan)
    t = batch.t - batch.t[0]
    seconds = max(int(t[-1]) + 1, 100_000) * 1e-6
    windows = np.bincount(t // 100_000)[: max(1, int(seconds * 10))] / 100  # the last, incomplete one is left out
    low, high = np.percentile(windows, (10, 90))
    area = batch.sensor.width * batch.sensor.height
    quiet = float(np.sort(windows)[: max(1, len(windows) // 10)].mean()) * 1e3 / area
    return {
        "rate_kev_s": len(batch) / seconds / 1e3,
        "rate_p10_kev_s": float(low),
        "rate_p90_kev_s": float(high),
        "on_share": float(batch.p.mean()),
        **_gaps(batch),
        **_shapes(batch, t, area, seconds),
        "quiet_hz": quiet,
        **_rhythm(t),
    }


def _gaps(batch: EventBatch) -> dict[str, float]:
    pixel = batch.y.astype(np.int64) * batch.sensor.width + batch.x
    order = np.argsort(pixel, kind="stable")
    same = np.diff(pixel[order]) == 0
    gaps = np.diff(batch.t[order])[same] * 1e-3
    alike = (np.diff(batch.p[order].astype(np.int8)) == 0)[same]
    if not len(gaps):
        return dict.fromkeys(GAPS, np.nan)
    return {
        "gap_median_ms": float(np.median(gaps)),
        "gap_below_2ms": float((gaps < 2).mean()),
        "gap_below_10ms": float((gaps < 10).mean()),
        "opposite_below_2ms": float(((gaps < 2) & ~alike).mean()),
        "same_polarity": float(alike.mean()),
    }


def _shapes(batch: EventBatch, t: ndarray, area: int, seconds: float) -> dict[str, float]:
    """Statistics of 20 ms frames. Where pixels lie is measured on those with a neighbour: noise has few."""
    width, height = batch.sensor.width, batch.sensor.height
    edges = np.searchsorted(t, np.arange(0, int(t[-1]) + FRAME_US, FRAME_US))
    moving: list[tuple[float, ...]] = []
    lonely = np.zeros((height, width))
    lonely_on = 0
    for begin, end in pairwise(edges):
        x, y = batch.x[begin:end], batch.y[begin:end]
        active = np.zeros((height + 2, width + 2), np.int32)
        active[y.astype(int) + 1, x.astype(int) + 1] = 1
        around = _around(active)
        alone = around[y, x] == 0
        np.add.at(lonely, (y[alone], x[alone]), 1)
        lonely_on += int(batch.p[begin:end][alone].sum())
        if end - begin < LEAST:
            continue
        inside = active[1:-1, 1:-1] > 0
        rows, columns = np.nonzero(inside & (around > 0))
        n_active = int(inside.sum())
        wide, high = (np.ptp(np.percentile(c, (10, 90))) if len(c) else np.nan for c in (columns, rows))
        inner = int((inside & (around >= 5)).sum())
        moving.append((n_active, (end - begin) / n_active, len(rows) / n_active, inner / n_active, wide, high))
    means = np.nanmean(moving, axis=0) if moving else np.full(6, np.nan)
    busiest = np.sort(lonely.ravel())[-max(1, area // 100) :].sum()
    names = ("active_pixels", "events_a_pixel", "neighbour_share", "inner_share", "wide_px", "high_px")
    return {
        "moving_share": len(moving) / max(1, len(edges) - 1),
        **{name: float(mean) for name, mean in zip(names, means, strict=True)},
        "lonely_hz": float(lonely.sum() / area / seconds),
        "lonely_on_share": lonely_on / max(1.0, float(lonely.sum())),
        "hot_share": float(busiest / max(1.0, lonely.sum())),
    }


def _around(active: ndarray) -> ndarray:
    """How many of the 8 neighbours are active, for a frame with a margin of one pixel."""
    rows = active[:-2] + active[1:-1] + active[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] - active[1:-1, 1:-1])


def _rhythm(t: ndarray) -> dict[str, float]:
    rate = np.bincount(t // 10_000).astype(float)
    memory = {f"memory_{lag * 10}ms": _autocorrelation(rate, lag) for lag in (5, 20, 50)}
    fine = np.bincount(t // 1_000).astype(float)
    power = np.zeros(501)
    for start in range(0, len(fine) - 999, 500):
        piece = fine[start : start + 1_000]
        power += np.abs(np.fft.rfft((piece - piece.mean()) * np.hanning(1_000))) ** 2
    beside = np.r_[85:97, 104:117, 124:136]  # 1 Hz apart; the lines and what Hann's window spreads are left out
    level = float(np.median(power[beside]))
    lines = {f"line_{hz}hz": float(power[hz - 1 : hz + 2].max()) / level if level else np.nan for hz in (100, 120)}
    return memory | lines


def _autocorrelation(rate: ndarray, lag: int) -> float:
    if len(rate) <= 2 * lag or not rate.std():
        return float("nan")
    centred = rate - rate.mean()
    return float((centred[lag:] * centred[:-lag]).mean() / centred.var())
