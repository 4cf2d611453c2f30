"""Files to ordered events: each format beside the readers of other libraries that are installed, in one run.

`python -m benchmarks.reading [FORMAT ...]`. A peer delivers the columns of all events; so do we, but decoded, checked,
in order and in bounded memory. A peer that answers with another number of events says so.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np

from benchmarks.binning import events
from benchmarks.parts.timing import best_seconds
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats import FORMATS

SENSOR, N = SensorSize(128, 128), 2_000_000
Counter = Callable[[Path], int]


def evutils(path: Path) -> int:
    return len(import_module("evutils.io").EventReader(str(path), max_events=1 << 30).read_all())


def expelliarmus(path: Path) -> int:
    encoding = {".dat": "dat"}.get(path.suffix, path.stem)
    return len(import_module("expelliarmus").Wizard(encoding=encoding).read(str(path)))


def evt3(path: Path) -> int:
    return len(import_module("evt3").decode_file(str(path)))


def aedat(path: Path) -> int:
    packets = import_module("aedat").Decoder(str(path))
    return sum(len(packet["events"]) for packet in packets if "events" in packet)


def faery(path: Path) -> int:
    return sum(map(len, import_module("faery").events_stream_from_file(str(path))))


def tonic(path: Path) -> int:
    return len(import_module("tonic.io").read_mnist_file(str(path), np.dtype("i4,i4,i8,i4")))


def h5py(path: Path) -> int:
    with import_module("h5py").File(path) as file:
        columns = [file["events"][name][:] for name in "txyp"]
    return len(columns[0])


PEERS: dict[str, tuple[Counter, ...]] = {
    "aedat2": (evutils,),
    "aedat3": (evutils,),
    "aedat4": (aedat, evutils, faery),
    "atis": (tonic,),
    "dat": (evutils, expelliarmus, faery),
    "es": (faery,),
    "evt2": (evutils, expelliarmus, faery),
    "evt21": (evutils, faery),
    "evt3": (evt3, evutils, expelliarmus, faery),
    "hdf5": (h5py,),
}


def main(names: Sequence[str] = ()) -> None:
    batch = events(N)
    rows = {name: row for name, row in FORMATS.items() if row.writer and (not names or name in names)}
    with tempfile.TemporaryDirectory() as folder:
        for name, row in rows.items():
            path = Path(folder) / f"{name}{row.suffixes[0]}"
            row.write(path, [batch], SENSOR)
            _compare(name, path, batch)


def _compare(name: str, path: Path, batch: EventBatch) -> None:
    def own() -> int:
        return sum(len(part) for part in open_recording(path, sensor=SENSOR))

    contenders: dict[str, Callable[[], object]] = {"spikecut": own}
    for peer in _installed(PEERS.get(name, ())):
        try:
            n = peer(path)
        except Exception as error:  # another library may fail in any way; that is its answer
            print(f"{name:<8}{peer.__name__} cannot read it: {type(error).__name__}: {str(error)[:80]}")
            continue
        if n != len(batch):
            print(f"{name:<8}{peer.__name__} delivers {n:,} of {len(batch):,} events")
        contenders[peer.__name__] = partial(peer, path)
    seconds = best_seconds(contenders, rounds=4)
    size = path.stat().st_size / len(batch)
    best = min((spent for peer, spent in seconds.items() if peer != "spikecut"), default=None)
    speeds = "  ".join(f"{peer} {len(batch) / spent / 1e6:.0f}" for peer, spent in seconds.items())
    ratio = "" if best is None else f"  {best / seconds['spikecut']:.2f}x the best peer"
    print(f"{name:<8}{size:>5.1f} bytes an event  Mevents/s: {speeds}{ratio}", flush=True)


def _installed(peers: tuple[Counter, ...]) -> Iterator[Counter]:
    for peer in peers:
        module = {"evutils": "evutils.io", "tonic": "tonic.io"}.get(peer.__name__, peer.__name__)
        try:
            import_module(module)
        except ImportError:
            continue
        yield peer


if __name__ == "__main__":
    main(sys.argv[1:])
