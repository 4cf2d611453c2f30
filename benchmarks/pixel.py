"""The simulated DVS pixel: a drawn person gesturing before 128 x 128 pixels, 400 images a second, one thread."""

import importlib.util
import time
from itertools import islice

import numpy as np

from spikecut.sources.simulation.gestures import DrawnSession
from spikecut.sources.simulation.pixel import DvsSpec, see

N_IMAGES, ROUNDS = 1_500, 3
CLEAN = DvsSpec(0.15, 0.15, 0.03)
FULL = DvsSpec(0.15, 0.15, 0.03, 0.3, 0.1, 200.0, 500, 0.0005, 100.0)


def main() -> None:
    images = list(islice(DrawnSession(2, "lab", quick=True)._images(), N_IMAGES))
    seconds = (images[-1][0] - images[0][0]) * 1e-6
    print(f"the simulated pixel: {N_IMAGES} images of 128 x 128, best of {ROUNDS}")
    for name, spec in (("clean", CLEAN), ("all noise and defects", FULL)):
        list(see(images[:3], spec, np.random.default_rng(0)))
        best = np.inf
        for _ in range(ROUNDS):
            started = time.perf_counter()
            n_events = sum(len(batch) for batch in see(images, spec, np.random.default_rng(0)))
            best = min(best, time.perf_counter() - started)
        rate = N_IMAGES * 128 * 128 / best / 1e6
        print(f"  {name:<22} {rate:6.0f} M pixels/s  ({n_events / seconds / 1e3:.0f} k events/s of sensor time)")
    if importlib.util.find_spec("v2ecore") is None:
        print("  v2e                    not measured: v2ecore is not installed here")


if __name__ == "__main__":
    main()
