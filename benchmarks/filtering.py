"""Filters and representations beside Tonic's: 1 M events of 240 x 180 pixels, one thread."""

from collections.abc import Callable

import numpy as np

from benchmarks.parts.timing import best_seconds
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.filters.parsing import filter_from
from spikecut.pipeline.protocols import Binner
from spikecut.pipeline.representations.time_surface import TimeSurfaceBinner
from spikecut.pipeline.representations.voxel import VoxelBinner

SENSOR, N, FEW = SensorSize(240, 180), 1_000_000, 20_000


def events(n: int = N) -> EventBatch:
    """A ring that moves, a quarter noise, one event a µs. Seeded."""
    rng = np.random.default_rng(0)
    t = np.arange(n, dtype=np.int64)
    angle, middle = rng.uniform(0, 2 * np.pi, n), 60 + 100 * (t / n)
    x = np.clip(middle + 50 * np.cos(angle) + rng.normal(0, 1, n), 0, 239).astype(np.uint16)
    y = np.clip(90 + 50 * np.sin(angle) + rng.normal(0, 1, n), 0, 179).astype(np.uint16)
    noise = rng.random(n) < 0.25
    x[noise], y[noise] = rng.integers(0, 240, noise.sum()), rng.integers(0, 180, noise.sum())
    return EventBatch(t, x, y, rng.integers(0, 2, n).astype(np.uint8), 0, n, SENSOR)


def main() -> None:
    import tonic.transforms

    batch = events()
    structured, few = batch.to_structured(), batch.between(0, FEW).to_structured()
    signed = structured.astype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "i1")])  # bools would all become +1
    size = (SENSOR.width, SENSOR.height, 2)
    denoise, refractory = (
        tonic.transforms.Denoise(filter_time=5_000),
        tonic.transforms.RefractoryPeriod(delta=1_000),
    )
    to_voxels = tonic.transforms.ToVoxelGrid(sensor_size=size, n_time_bins=5)

    def filtering(text: str) -> Callable[[], object]:
        one = filter_from(text)
        return lambda: sum(len(part) for part in one.apply([batch]))

    def binning(binner: Binner) -> Callable[[], object]:
        return lambda: sum(frame.n_events for frame in binner.bins([batch]))

    texts = (
        "noise:5ms",
        "refractory:1ms",
        "rate_limit:500k",
        "hot_pixels",
        "crop:56,26,128x128",
        "flip:x",
        "polarity:on",
    )
    contenders = {text: filtering(text) for text in texts}
    contenders["voxel grid, 5 bins"] = binning(VoxelBinner(SENSOR, n_events=N))
    contenders["voxel grid, 5 bins, 10 ms"] = binning(VoxelBinner(SENSOR, step_us=10_000))
    contenders["time surface, 10 ms"] = binning(TimeSurfaceBinner(SENSOR, step_us=10_000))
    contenders["Tonic Denoise"] = lambda: denoise(few)
    contenders["Tonic RefractoryPeriod"] = lambda: refractory(few)
    contenders["Tonic ToVoxelGrid"] = lambda: to_voxels(signed)
    seconds = best_seconds(contenders, rounds=5)
    rate = {
        name: (FEW if name in ("Tonic Denoise", "Tonic RefractoryPeriod") else N) / s for name, s in seconds.items()
    }
    beside = {
        "noise:5ms": "Tonic Denoise",
        "refractory:1ms": "Tonic RefractoryPeriod",
        "voxel grid, 5 bins": "Tonic ToVoxelGrid",
    }
    print(f"filters and representations of {N / 1e6:g} M events of {SENSOR} pixels")
    for name, one in rate.items():
        ratio = f"{one / rate[beside[name]]:>8.0f}x {beside[name]}" if name in beside else ""
        print(f"  {name:<26}{one / 1e6:>9.2f} Mevents/s{ratio}")


if __name__ == "__main__":
    main()
