"""Time surfaces: how long ago each pixel last fired, for each polarity.

Lagorce et al., "HOTS: A Hierarchy of Event-Based Time-Surfaces for Pattern Recognition" (TPAMI 2017): exp(-age / tau).
The linear one is the surface of active events (Benosman et al. 2014) from 1 at the moment of the event to 0 at tau.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, Frame, SensorSize
from spikecut.pipeline.files.arguments import one_of, whole
from spikecut.pipeline.representations.representation_kernels import NEVER, last_times, surface
from spikecut.pipeline.representations.slicing import check_slices, sliced


@dataclass(frozen=True, slots=True)
class TimeSurfaceBinner:
    """The surface at the end of every slice of `step_us` or of `n_events`: `pixels[p, y, x]`, float32, 0 to 1.

    Last events are remembered from slice to slice, until the clock is reset; a pixel that never fired is 0.
    """

    sensor: SensorSize
    step_us: int | None = None
    n_events: int | None = None
    tau_us: int = 50_000
    decay: Literal["exponential", "linear"] = "exponential"
    max_silence_bins: int = 1_000

    def __post_init__(self) -> None:
        check_slices(self.sensor, self.step_us, self.n_events, self.max_silence_bins)
        whole("tau_us", self.tau_us)
        one_of("decay", self.decay, ("exponential", "linear"))
        if self.tau_us < 1 or self.decay not in ("exponential", "linear"):
            raise ConfigError(
                f"a surface of {self.decay!r} decay in {self.tau_us} us; expected exponential or linear, at least 1 us"
            )

    def bins(self, batches: Iterable[EventBatch]) -> Iterator[Frame]:
        """The frames of a stream, each as soon as its slice is complete; errors as `CountBinner.bins`."""
        return sliced(_Surface(self), self.sensor, (self.step_us, self.n_events), self.max_silence_bins, batches)


class _Surface:
    def __init__(self, binner: TimeSurfaceBinner) -> None:
        self.size, self.tau_us, self.linear = binner.sensor, binner.tau_us, binner.decay == "linear"
        self.restart()

    def restart(self) -> None:
        self.last: Any = np.full(2 * self.size.width * self.size.height, NEVER, np.int64)
        self.n_inside = 0

    def add(self, batch: EventBatch, first: int, last: int) -> None:
        t, x, y, p = (column[first:last] for column in (batch.t, batch.x, batch.y, batch.p))
        self.n_inside += last_times(self.last, t, x, y, p, self.size.width, self.size.height)

    def pixels(self, start_us: int, end_us: int) -> tuple[Any, int]:
        image, inside = np.empty(len(self.last), np.float32), self.n_inside
        surface(image, self.last, end_us, self.tau_us, self.linear)
        self.n_inside = 0
        return image.reshape(2, self.size.height, self.size.width), inside
