"""`spikecut data check`: what of DVS128 Gesture lies in a folder, what is missing, and where to get it.

The published set: 122 sessions of 29 people, 98 with 1,176 gestures to train, 24 with 288 to test. Tonic's copy names
files by class and so keeps one of a session's two arm rolls; it has 1,077 and 264 gestures (its issue 270).
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from spikecut.pipeline.errors import EmptyRecording, SourceError, SpikecutError
from spikecut.pipeline.events import NOTHING_LOST, DropCause
from spikecut.sources import open_recording
from spikecut.sources.gesture_labels import GESTURES, SessionLabels
from spikecut.sources.gesture_set import HOME, GestureSet, Session, is_gesture_set, open_gesture_set
from spikecut.sources.gestures import LIGHTINGS, SENSOR
from spikecut.tools.data_lines import as_json, as_lines

OK, DAMAGED, UNREADABLE = 0, 3, 4
_ARCHIVES = ("DvsGesture.tar.gz", "ibmGestureTrain.tar.gz", "ibmGestureTest.tar.gz")
_MIB = 1 << 20
_GESTURES = {"published": {"train": 1_176, "test": 288}, "tonic": {"train": 1_077, "test": 264}}
_ABSENT = {  # every user was recorded under all five lights, but for these
    **dict.fromkeys([3, 4, 14, 27], ("lab",)),
    **dict.fromkeys([7, 8, 10, 18, 23], ("natural",)),
    **dict.fromkeys([20, 24], ("lab", "natural")),
    11: ("lab", "led"),
    12: ("fluorescent", "lab", "natural"),
    16: ("fluorescent_led",),
    21: ("led",),
    25: ("fluorescent_led", "lab", "natural"),
}
