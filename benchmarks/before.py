"""HDF5: today's reader beside that of an earlier commit, on a file that the earlier one wrote and on one of today.

`git worktree add ../before e5a9c77` (the last that read through the HDF5 library), then
`python -m benchmarks.before ../before`.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

_WRITE = """
import sys
from pathlib import Path
from benchmarks.binning import events
from spikecut.pipeline.events import SensorSize
from spikecut.sources.formats import FORMATS
FORMATS["hdf5"].write(Path(sys.argv[1]), [events(2_000_000)], SensorSize(128, 128))
"""
_READ = """
import sys, time
from spikecut.sources import open_recording
best = float("inf")
for _ in range(4):
    started = time.process_time()
    n = sum(len(batch) for batch in open_recording(sys.argv[1]))
    best = min(best, time.process_time() - started)
print(n / best / 1e6)
"""
_ROUNDS = 3


def main(before: Path) -> None:
    before, today = before.resolve(), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder) / "before.h5", Path(folder) / "today.h5"
        _run(before, _WRITE, old)
        _run(today, _WRITE, new)
        readings = {
            "before, its own file": (before, old),
            "today, that file": (today, old),
            "today, its own file": (today, new),
        }
        speeds = dict.fromkeys(readings, 0.0)
        for _ in range(_ROUNDS):
            for name, (root, path) in readings.items():
                speeds[name] = max(speeds[name], float(_run(root, _READ, path)))
    first = speeds["before, its own file"]
    for name, speed in speeds.items():
        print(f"HDF5  {name:<22}{speed:>6.0f} Mevents/s {speed / first:>6.1f}x")


def _run(root: Path, code: str, path: Path) -> str:
    """What a piece of code prints with the sources of a checkout."""
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}:{root}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, env=environment, cwd=root, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
