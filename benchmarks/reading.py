"""Files to ordered events: decode speed of each format that we write ourselves."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.binning import SENSOR, N, events
from benchmarks.timing import best_seconds
from spikecut.sources import open_recording
from spikecut.sources.formats.aedat2 import write_aedat2
from spikecut.sources.formats.atis import write_atis
from spikecut.sources.formats.hdf5_writer import write_hdf5


def main() -> None:
    batch = events()
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"events.{name}" for name in ("bin", "aedat", "h5")}
        write_atis(paths["bin"], [batch])
        write_aedat2(paths["aedat"], [batch])
        write_hdf5(paths["h5"], [batch], SENSOR)

        def reading(path: Path) -> Callable[[], object]:
            return lambda: sum(len(part) for part in open_recording(path, sensor=SENSOR))

        readers = {name: reading(path) for name, path in paths.items()}
        seconds = best_seconds(readers, rounds=3)
        print(f"reading {N / 1e6:g} M events, decoded, checked and in order")
        for name, spent in seconds.items():
            size = paths[name].stat().st_size / N
            print(f"  .{name:<25}{N / spent / 1e6:>8.0f} Mevents/s {size:>7.1f} bytes an event")


if __name__ == "__main__":
    main()
