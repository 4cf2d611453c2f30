"""Frames of events other than counts by time: each is a binner, and one row of the table `REPRESENTATIONS`.

All of them cut the stream by time (`step_us`) or by number of events (`n_events`), give the same frames however it
was cut into batches, and start anew where the clock was reset.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.files.strict import closest
from spikecut.pipeline.protocols import Binner


@dataclass(frozen=True, slots=True)
class Representation:
    """A representation: its name, its shape, what it is, `module:Class`, and what the name gives to the class."""

    name: str
    shape: str
    sentence: str
    home: str
    given: Mapping[str, Any]


_HERE = "spikecut.pipeline.representations"
_SURFACE = f"{_HERE}.time_surface:TimeSurfaceBinner"
REPRESENTATIONS: Mapping[str, Representation] = {
    row.name: row
    for row in (
        Representation("counts", "[2, H, W]", "events of each polarity", f"{_HERE}.counts:SliceCounter", {}),
        Representation("binary", "[2, H, W]", "1 where an event was", f"{_HERE}.counts:SliceCounter", {"binary": True}),
        Representation(
            "voxel", "[bins, H, W]", "signed polarities, interpolated in time", f"{_HERE}.voxel:VoxelBinner", {}
        ),
        Representation(
            "voxel_split",
            "[2 bins, H, W]",
            "events of each polarity, interpolated in time: OFF bins, then ON",
            f"{_HERE}.voxel:VoxelBinner",
            {"polarity": "split"},
        ),
        Representation(
            "exponential_surface",
            "[2, H, W]",
            "exp(-age / tau) of each pixel's last event",
            _SURFACE,
            {"decay": "exponential"},
        ),
        Representation(
            "linear_surface",
            "[2, H, W]",
            "max(0, 1 - age / tau) of each pixel's last event",
            _SURFACE,
            {"decay": "linear"},
        ),
    )
}


def representation(name: str, sensor: SensorSize, **options: Any) -> Binner:
    """The binner of a representation by its name; `options` are those of its class.

    Raises:
        ConfigError: if there is none of that name, or it does not take these options.
    """
    row = REPRESENTATIONS.get(name)
    if row is None:
        near = closest(name, REPRESENTATIONS)
        raise ConfigError(
            f"no representation {name!r}",
            hint=f"did you mean {near!r}?" if near else f"known ones: {', '.join(REPRESENTATIONS)}",
        )
    module, _, kind = row.home.partition(":")
    try:
        made: Binner = getattr(import_module(module), kind)(sensor, **{**row.given, **options})
    except TypeError as error:
        raise ConfigError(f"representation {name!r} with {options}: {error}") from error
    return made
