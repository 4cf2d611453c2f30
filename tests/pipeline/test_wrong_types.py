"""Wrong types in the place of every argument of every public constructor and builder: only errors of the project.

Run in a process of its own, since in the others the shapes of arrays are checked before the functions are called.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import spikecut
from spikecut.pipeline.errors import SpikecutError

API: Any = spikecut
WRONG: tuple[Any, ...] = (
    *("a", None, b"x", 5, -1, 0, 1.5, float("nan"), float("inf"), 2**70, True),
    *((1, 2), [1, "a"], [[1], [2, 3]], {}, object(), np.zeros(3), np.zeros((0, 2)), API.SensorSize(4, 4)),
)
SENSOR = API.SensorSize(34, 34)
BATCH = API.EventBatch.from_structured({"t": [1, 2], "x": [3, 4], "y": [5, 6], "p": [0, 1]}, SENSOR)
BINNER = API.CountBinner(SENSOR, 10)

CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "SensorSize": (API.SensorSize, (3, 4)),
    "EventBatch": (API.EventBatch, (BATCH.t, BATCH.x, BATCH.y, BATCH.p, 0, 10, SENSOR, 0, BATCH.lost)),
    "EventBatch.between": (BATCH.between, (0, 1)),
    "EventBatch.take": (BATCH.take, (np.array([0]),)),
    "EventBatch.from_structured": (API.EventBatch.from_structured, ({"t": [1], "x": [3], "y": [5], "p": [0]}, SENSOR)),
    "CountBinner": (API.CountBinner, (SENSOR, 10, "uint8", False, None, 1, 100)),
    "SliceCounter": (API.SliceCounter, (SENSOR, 10, None, "uint8", False, 100)),
    "TimeSurfaceBinner": (API.TimeSurfaceBinner, (SENSOR, 10, None, 50, "linear", 100)),
    "VoxelBinner": (API.VoxelBinner, (SENSOR, 10, None, 5, "split", 100)),
    "EventTransform": (API.EventTransform, (["flip:x"], SENSOR)),
    "FrameTransform": (API.FrameTransform, (BINNER, SENSOR)),
    "filtered": (API.filtered, (BINNER, ["flip:x"])),
    "find_hot_pixels": (API.find_hot_pixels, ([BATCH],)),
    "frames_of": (API.frames_of, ([], BINNER)),
    "fixed": (API.fixed, (1, 5)),
    "never": (API.never, (5,)),
    "confidence": (API.confidence, (0.5, 5)),
    "topk": (API.topk, ([1.0],)),
    "ThresholdCutoff": (API.ThresholdCutoff, ("a", "confidence", np.ones(3))),
    "load_cutoff": (API.load_cutoff, ("confidence",)),
    "load_network": (API.load_network, ("gestures",)),
    "open_recording": (API.open_recording, ("missing.h5",)),
}


def foreign_errors() -> Iterator[str]:
    for name, (call, right) in CALLS.items():
        for at in range(len(right)):
            for wrong in WRONG:
                try:
                    made = call(*right[:at], wrong, *right[at + 1 :])
                    if hasattr(made, "__next__"):
                        list(made)
                except SpikecutError:
                    pass
                except Exception as error:
                    yield f"{name}, argument {at}: {wrong!r:.40}: {type(error).__name__}: {error}"


def test_a_wrong_type_anywhere_is_an_error_of_the_project() -> None:
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
    assert not done.stdout


if __name__ == "__main__":
    for line in foreign_errors():
        print(line)
