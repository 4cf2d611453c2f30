"""Voxel grids: events between bins of time, divided by their distance to them.

Zhu et al., "Unsupervised Event-based Learning of Optical Flow, Depth, and Egomotion" (arXiv 1812.08156), equations 1
to 3: an event of time t_i adds p_i max(0, 1 - |b - t*|) to the bins b, with t* = (B - 1) (t_i - t_0) / (t_N - t_0).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, Frame, SensorSize
from spikecut.pipeline.files.arguments import one_of, whole
from spikecut.pipeline.representations.representation_kernels import voxel
from spikecut.pipeline.representations.slicing import check_slices, sliced

_MOST_BINS = 1_000


@dataclass(frozen=True, slots=True)
class VoxelBinner:
    """Voxel grids of `bins` bins for slices of `step_us` or of `n_events`, float32.

    `signed` polarity counts OFF as -1 into `pixels[bin, y, x]`; `split` counts each polarity by itself, into
    `pixels[bin, y, x]` with the OFF bins before the ON bins. t_0 and t_N are the slice's ends with `step_us`, and
    its first and last event with `n_events`.
    """

    sensor: SensorSize
    step_us: int | None = None
    n_events: int | None = None
    bins_per_slice: int = 5
    polarity: Literal["signed", "split"] = "signed"
    max_silence_bins: int = 1_000

    def __post_init__(self) -> None:
        check_slices(self.sensor, self.step_us, self.n_events, self.max_silence_bins)
        whole("bins_per_slice", self.bins_per_slice)
        one_of("polarity", self.polarity, ("signed", "split"))
        if not 1 <= self.bins_per_slice <= _MOST_BINS or self.polarity not in ("signed", "split"):
            raise ConfigError(
                f"a voxel grid of {self.bins_per_slice} bins, polarity {self.polarity!r}; expected 1 to {_MOST_BINS}, "
                "signed or split"
            )

    def bins(self, batches: Iterable[EventBatch]) -> Iterator[Frame]:
        """The frames of a stream, each as soon as its slice is complete; errors as `CountBinner.bins`."""
        return sliced(_Voxels(self), self.sensor, (self.step_us, self.n_events), self.max_silence_bins, batches)


class _Voxels:
    """Keeps the events of the slice: their places in time are known when it ends."""

    def __init__(self, binner: VoxelBinner) -> None:
        self.size, self.split, self.by_time = binner.sensor, binner.polarity == "split", binner.step_us is not None
        self.n_channels = binner.bins_per_slice * (2 if self.split else 1)
        self.parts: list[tuple[Any, Any, Any, Any]] = []

    def restart(self) -> None:
        self.parts = []

    def add(self, batch: EventBatch, first: int, last: int) -> None:
        t, x, y, p = (column[first:last] for column in (batch.t, batch.x, batch.y, batch.p))
        self.parts.append((t, x, y, p))

    def pixels(self, start_us: int, end_us: int) -> tuple[Any, int]:
        width, height = self.size.width, self.size.height
        grid, inside = np.zeros((self.n_channels + 1) * width * height, np.float32), 0
        if self.parts:
            first_us = start_us if self.by_time else int(self.parts[0][0][0])
            span_us = (end_us if self.by_time else int(self.parts[-1][0][-1])) - first_us
            for part in self.parts:
                inside += voxel(grid, *part, width, height, first_us, span_us, self.split)
        self.parts = []
        return grid[: -width * height].reshape(self.n_channels, height, width), inside
