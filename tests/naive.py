"""Slow twins of the kernels of pipeline and sources and of pipeline/binning.py, so plain that they need no test.

When one of them disagrees with the compiled code, the one here is right.
"""

import math
import re
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy import ndarray


def count_events(
    counts: ndarray,
    limit: int,
    x: ndarray,
    y: ndarray,
    p: ndarray,
    x0: int,
    y0: int,
    width: int,
    height: int,
    factor: int,
) -> int:
    rows, columns = -(-height // factor), -(-width // factor)
    image = counts[:-1].reshape(2, rows, columns)
    inside = 0
    for xi, yi, pi in zip(x.tolist(), y.tolist(), p.tolist(), strict=True):
        if x0 <= xi < x0 + width and y0 <= yi < y0 + height and pi < 2:
            cell = (pi, (yi - y0) // factor, (xi - x0) // factor)
            image[cell] = min(int(image[cell]) + 1, int(limit))
            inside += 1
        else:
            counts[-1] = min(int(counts[-1]) + 1, int(limit))
    return inside


def frames_of(t: ndarray, x: ndarray, y: ndarray, p: ndarray, step_us: int, height: int, width: int) -> ndarray:
    """Every bin from the first event to the last, as int64 `[T, p, y, x]`; each event in exactly one."""
    bins = (np.asarray(t) - t[0]) // step_us
    frames = np.zeros((int(bins[-1]) + 1, 2, height, width), np.int64)
    for bi, xi, yi, pi in zip(bins.tolist(), x.tolist(), y.tolist(), p.tolist(), strict=True):
        frames[bi, pi, yi, xi] += 1
    return frames


def refractory(t: ndarray, x: ndarray, y: ndarray, period_us: int) -> list[bool]:
    """Which events pass: those whose pixel passed none less than `period_us` before."""
    passed: dict[tuple[int, int], int] = {}
    mask = []
    for ti, xi, yi in zip(t.tolist(), x.tolist(), y.tolist(), strict=True):
        passes = (xi, yi) not in passed or ti - passed[xi, yi] >= period_us
        if passes:
            passed[xi, yi] = ti
        mask.append(passes)
    return mask


def background(t: ndarray, x: ndarray, y: ndarray, window_us: int) -> list[bool]:
    """Which events have a neighbour, of 8, with an event before them and at most `window_us` ago."""
    fired: dict[tuple[int, int], int] = {}
    mask = []
    for ti, xi, yi in zip(t.tolist(), x.tolist(), y.tolist(), strict=True):
        around = [(xi + dx, yi + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if (dx, dy) != (0, 0)]
        mask.append(any(ti - fired[pixel] <= window_us for pixel in around if pixel in fired))
        fired[xi, yi] = ti
    return mask


def rate_limit(t: ndarray, events_per_s: int, burst_us: int) -> list[bool]:
    """Which events a token bucket lets through that holds the events of `burst_us`, and at least one."""
    full = max(Fraction(events_per_s * burst_us, 1_000_000), Fraction(1))
    tokens, before, mask = full, int(t[0]) if len(t) else 0, []
    for ti in t.tolist():
        tokens = min(full, tokens + Fraction((ti - before) * events_per_s, 1_000_000))
        before = ti
        mask.append(tokens >= 1)
        tokens -= mask[-1]
    return mask


def voxel(
    t: ndarray, x: ndarray, y: ndarray, p: ndarray, shape: tuple[int, int, int], first_us: int, span_us: int
) -> ndarray:
    """A signed voxel grid `[bins, y, x]` by the formula of Zhu et al.: every event against every bin."""
    grid = np.zeros(shape)
    for ti, xi, yi, pi in zip(t.tolist(), x.tolist(), y.tolist(), p.tolist(), strict=True):
        place = (shape[0] - 1) * (ti - first_us) / span_us if span_us else 0.0
        for b in range(shape[0]):
            grid[b, yi, xi] += (1 if pi else -1) * max(0.0, 1.0 - abs(b - place))
    return grid


def surface(
    t: ndarray, x: ndarray, y: ndarray, p: ndarray, size: tuple[int, int], now_us: int, tau_us: int, linear: bool
) -> ndarray:
    """The surface `[p, y, x]` of the last events at `now_us`."""
    image = np.zeros((2, *size))
    for ti, xi, yi, pi in zip(t.tolist(), x.tolist(), y.tolist(), p.tolist(), strict=True):
        age = (now_us - ti) / tau_us
        image[pi, yi, xi] = max(0.0, 1.0 - age) if linear else math.exp(-age)
    return image


def pixel(
    light: list[tuple[int, float]], on: float, off: float, leak: float, refractory_us: int
) -> list[tuple[int, int]]:
    """One DVS pixel without noise: `(t, p)` for every threshold that ln(light) crosses, its memory leaking."""
    memory, last, events = math.log(light[0][1]), -math.inf, []
    for (t0, before), (t1, after) in pairwise(light):
        near = math.log(before) - memory
        far = math.log(after) - memory + leak * (t1 - t0)
        moved = 0.0
        while True:
            if far - moved >= on - 1e-9:
                moved, p = moved + on, 1
            elif moved - far >= off - 1e-9:
                moved, p = moved - off, 0
            else:
                break
            t = min(max(t0 + int((moved - near) / (far - near) * (t1 - t0) + 1e-9 * (t1 - t0)), t0), t1 - 1)
            if t - last >= refractory_us:
                events.append((t, p))
                last = t
        memory += moved - leak * (t1 - t0)
    return events


def text_rows(
    data: bytes, columns: str, decimals: int, width: int, height: int, separator: bytes = b""
) -> tuple[list[tuple[int, int, int, int]], int, int]:
    """The events (x, y, t in us, p) of lines of text; how many lines are none; how many lie outside the sensor.

    `_` is a column that is skipped; its cells end at the separator, or without one at a blank, comma or semicolon.
    """
    blank = rb"[ \r]" if separator == b"\t" else rb"[ \t\r]"
    number = rb"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    cells = {"t": number, "x": number, "y": number, "p": number[:-1] + rb"|(?i:true|false|on|off)(?![a-zA-Z]))"}
    cells["_"] = (rb"[^%s]*" % separator) if separator else rb"[^,; \t\r]+"
    between = rb"%s*%s%s*" % (blank, separator, blank) if separator else rb"(?:[ \t\r]*[,;][ \t\r]*|[ \t\r]+)"
    row = re.compile(blank + rb"*" + between.join(cells[name] for name in columns) + blank + rb"*(?:#.*)?")
    words = {b"true": b"1", b"on": b"1", b"false": b"0", b"off": b"0"}
    names = [name for name in columns if name != "_"]
    rows, unreadable, outside = list[tuple[int, int, int, int]](), 0, 0
    for line in data.split(b"\n"):
        if re.fullmatch(blank + rb"*(?:#.*)?", line):
            continue
        match = row.fullmatch(line)
        if match is None:
            unreadable += 1
            continue
        values = (Fraction(words.get(cell.lower(), cell).decode()) for cell in match.groups())
        event = dict(zip(names, values, strict=True))
        t = event["t"] * Fraction(10) ** decimals
        rounded = math.floor(abs(t) + Fraction(1, 2)) * (-1 if t < 0 else 1)
        whole = all(event[name].denominator == 1 for name in ("xyp" if decimals > 0 else "xypt"))
        if (
            not whole
            or abs(event["p"]) > 1
            or any(abs(one) > 10**17 for one in (Fraction(rounded), event["x"], event["y"]))
        ):
            unreadable += 1
        elif not (0 <= event["x"] < width and 0 <= event["y"] < height):
            outside += 1
        else:
            rows.append((int(event["x"]), int(event["y"]), rounded, int(event["p"] > 0)))
    return rows, unreadable, outside
