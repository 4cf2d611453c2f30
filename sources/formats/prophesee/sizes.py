"""The sensor of a Prophesee file: from its header, from the caller, or inferred with a note."""

import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import SpikecutWarning, printable
from spikecut.pipeline.events import SensorSize
from spikecut.sources.formats.prophesee.header import Header
from spikecut.sources.formats.reading.ordering import Chunk

_VGA, _HD = SensorSize(640, 480), SensorSize(1280, 720)
_CAMERAS = {"genx320": SensorSize(320, 320), "imx636": _HD, "imx646": _HD, "gen4": _HD, "gen3": _VGA}
_GENERATIONS = {"1": SensorSize(304, 240), "2": _VGA, "3": _VGA, "4": _HD}
SENSORS = (SensorSize(304, 240), SensorSize(320, 320), _VGA, _HD)
ENTIRE = SensorSize(1 << 16, 1 << 16)
_ENOUGH = 1_000_000  # events from which a sensor is inferred


def sensor_of(path: Path, header: Header, given: SensorSize | None, pixels: Iterable[Chunk]) -> SensorSize:
    """The size in the header, else `given`; else that of the camera it names, or the smallest that holds the `pixels`.

    Warns (`SpikecutWarning`) where the size is inferred.
    """
    if header.size_wh is not None:
        return SensorSize(*header.size_wh)
    if given is not None:
        return given
    if camera := _camera(header):
        name, size = camera
        reason = f"that of the camera in its header, {name}"
    else:
        size = smallest(pixels)
        reason = "the smallest that holds its pixels"
    warnings.warn(
        f"{printable(str(path))}: the header gives no sensor size; {size} is assumed, {reason}: --sensor sets another",
        SpikecutWarning,
        stacklevel=2,
    )
    return size


def smallest(pixels: Iterable[Chunk], sensors: tuple[SensorSize, ...] = SENSORS) -> SensorSize:
    """The first of `sensors` that holds 99 % of the first million pixels; the first of all if there are none."""
    n_inside, n = np.zeros(len(sensors), np.int64), 0
    for chunk in pixels:
        n += len(chunk.t)
        n_inside += [int(((chunk.x < s.width) & (chunk.y < s.height)).sum()) for s in sensors]
        if n >= _ENOUGH:
            break
    return next((s for s, inside in zip(sensors, n_inside.tolist(), strict=True) if inside >= 0.99 * n), sensors[-1])


def _camera(header: Header) -> tuple[str, SensorSize] | None:
    """The name of a known camera in the header, with its size."""
    for key in ("sensor_name", "plugin_name", "generation"):
        text = header.fields.get(key, "").lower()
        for name, size in _CAMERAS.items():
            if name in text:
                return name, size
    for key in ("sensor_generation", "generation"):
        if match := re.match(r"([1-4])(\.|$)", header.fields.get(key, "")):
            return f"generation {match.group(1)}", _GENERATIONS[match.group(1)]
    return None
