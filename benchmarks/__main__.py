"""`make bench`: every comparison that needs no data, one thread, best of several alternating runs."""

import platform

import torch

from benchmarks import binning, deciding, stopping, filtering, pictures, pixel, reading, training

if __name__ == "__main__":
    torch.set_num_threads(1)
    print(f"Python {platform.python_version()}, {platform.machine()}, one thread; ratios within this run\n")
    for part in (binning, filtering, pixel, reading, deciding, stopping, training, pictures):
        part.main()
        print()
