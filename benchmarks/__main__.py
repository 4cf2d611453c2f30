"""`make bench`: the short form of comparisons that need no data, one after another, printed as it is measured.

One thread. `python -m benchmarks WORD ...` runs the parts with such a name; replay, training and pictures, which take
minutes, only so. `python -m benchmarks.NAME --help` says what the long form of a part takes.
"""

import sys
import time
from collections.abc import Callable

import torch

from benchmarks import (
    binning,
    deciding,
    end_to_end,
    engines,
    filtering,
    pictures,
    pixel,
    reading,
    replay,
    startup,
    stopping,
    streams,
    training,
)
from benchmarks.parts.report import machine

PARTS: dict[str, Callable[[], object]] = {
    "engines": engines.main,
    "streams": lambda: streams.main(["--quick", "--counts", "25", "50", "100", "150", "200"]),
    "end_to_end": end_to_end.main,
    "startup": startup.main,
    "stopping": lambda: stopping.main(["--rounds", "3"]),
    "binning": binning.main,
    "filtering": filtering.main,
    "pixel": pixel.main,
    "reading": reading.main,
    "deciding": deciding.main,
    "replay": replay.main,
    "training": training.main,
    "pictures": pictures.main,
}
LONG = ("replay", "training", "pictures")


def main(words: list[str]) -> None:
    torch.set_num_threads(1)
    print(f"{machine()}; ratios within this run\n", flush=True)
    for name, part in PARTS.items():
        if not any(word in name for word in words) and (words or name in LONG):
            continue
        started = time.perf_counter()
        part()
        print(f"  [{name}: {time.perf_counter() - started:.0f} s]\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
