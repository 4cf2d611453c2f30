"""Events to frames: 128 x 128 pixels, 10 ms bins, 1 M events a second, beside Tonic's ToFrame."""

from collections.abc import Callable

import numpy as np

from benchmarks.parts.timing import best_seconds
from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.kernels import SPILLS, count_bin

SENSOR, STEP_US, N = SensorSize(128, 128), 10_000, 2_000_000


def events(n: int = N) -> EventBatch:
    """Uniformly random pixels: the hardest case for the cache. Seeded."""
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, n, n))
    x, y = rng.integers(0, 128, (2, n)).astype(np.uint16)
    return EventBatch(t, x, y, rng.integers(0, 2, n).astype(np.uint8), 0, n, SENSOR)


def main() -> None:
    import tonic.transforms

    batch = events()
    structured = batch.to_structured()
    binners = {
        "uint8": CountBinner(SENSOR, STEP_US),
        "uint16": CountBinner(SENSOR, STEP_US, counter="uint16"),
        "float32": CountBinner(SENSOR, STEP_US, counter="float32"),
        "binary": CountBinner(SENSOR, STEP_US, binary=True),
        "uint8, downsampled by 2": CountBinner(SENSOR, STEP_US, downsample=2),
        "uint8, cropped to 64x64": CountBinner(SENSOR, STEP_US, crop=(32, 32, 64, 64)),
    }
    to_frame = tonic.transforms.ToFrame(sensor_size=(128, 128, 2), time_window=STEP_US, include_incomplete=True)

    def counting(binner: CountBinner) -> Callable[[], object]:
        return lambda: sum(frame.n_events for frame in binner.bins([batch]))

    def loop_alone() -> None:
        counts, at = np.zeros(2 * SENSOR.width * SENSOR.height + SPILLS, np.uint8), 0
        for edge in range(STEP_US, N + 1, STEP_US):
            at, _, _ = count_bin(counts, 255, batch.t, batch.x, batch.y, batch.p, at, edge, 0, 0, 128, 128, 1)

    contenders: dict[str, Callable[[], object]] = {name: counting(binner) for name, binner in binners.items()}
    contenders["uint8, the loop alone"] = loop_alone
    contenders["Tonic ToFrame"] = lambda: to_frame(structured)
    seconds = best_seconds(contenders, rounds=5)
    slowest = seconds["Tonic ToFrame"]
    print(f"binning {N / 1e6:g} M events into {STEP_US / 1000:g} ms bins of 2 x 128 x 128, bounds checked")
    for name, spent in seconds.items():
        print(f"  {name:<26}{N / spent / 1e6:>8.0f} Mevents/s {slowest / spent:>7.1f}x Tonic")


if __name__ == "__main__":
    main()
