"""The pictures themselves: every pixel of a few scenes, as they were when people last looked at them.

The digests belong to the typeface of one OpenCV; after a change that is meant to be seen, look at the pictures
(`python tests/tools/views/test_golden_images.py FOLDER` writes them), then write down the digests that it prints.
"""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, Frame
from spikecut.pipeline.metrics.session_score import Outcome
from spikecut.pipeline.results import Decision, Item, Rejection, Rest, Step, StopReason
from spikecut.tools.views.overlay import Overlay, summary_card
from spikecut.tools.views.palette import PALETTES, OverlayStyle

OPENCV = "5.0.0"
STEP_US = 20_000
NAMES = ("hand clapping", "right hand wave", "left hand wave", "arm roll", "air drums")


def frame(index: int, size: int = 34) -> Frame:
    pixels = np.random.default_rng(index).poisson(0.15, (2, size, size)).astype(np.uint8)
    lost = DropCounts.of(DropCause.late, 3) if index == 2 else NOTHING_LOST
    return Frame(index, 0, index * STEP_US, (index + 1) * STEP_US, pixels, int(pixels.sum()), lost)


def step(index: int, size: int = 34, n_classes: int = 5) -> Step:
    total = np.linspace(-1, 1, n_classes, dtype=np.float32) * index
    return Step(index, frame(index, size), total, total, index / 4)


def counted(index: int, cells: tuple[int, ...], size: int = 34, n_classes: int = 5) -> Step:
    """With spikes of layers that have so many cells, fewer in later layers."""
    spikes = tuple(round((0.02 + 0.005 * index) * n) // (at + 1) for at, n in enumerate(cells))
    return replace(step(index, size, n_classes), spikes=spikes, cells=cells)


def decision(steps: int, label: int, reason: StopReason, n_classes: int = 5) -> Decision:
    total = np.linspace(-1, 1, n_classes, dtype=np.float32) * steps
    return Decision(label, steps, reason, steps / 4, 0, steps * STEP_US, 99, total)


def drawn(overlay: Overlay, *items: Item, truth: int | None = None) -> UInt8[ndarray, "h w 3"]:
    scene = overlay.begin("walking_07.aedat", truth)
    for item in items:
        scene = overlay.see(scene, item)
    return overlay.draw(scene)


def judged(overlay: Overlay, *items: Item) -> UInt8[ndarray, "h w 3"]:
    scene = overlay.begin("walking_07.aedat", 4)
    for outcome in (Outcome.right, Outcome.wrong, Outcome.repeated, Outcome.false_alarm):
        for item in items:
            if isinstance(item, Decision):
                scene = scene.judged(outcome, None)
            scene = overlay.see(scene, item)
    return overlay.draw(scene)


def pictures() -> dict[str, UInt8[ndarray, "h w 3"]]:
    limits = [np.inf] * 4 + [2.5] * 16
    plain = Overlay(NAMES, horizon=20, step_us=STEP_US)
    limited = Overlay(NAMES, horizon=20, step_us=STEP_US, thresholds=limits, note="slow motion 1/4")
    many = Overlay([f"class {k}" for k in range(40)], horizon=60, step_us=STEP_US, style=OverlayStyle(scale=0.5))
    light = Overlay(NAMES, horizon=20, step_us=STEP_US, thresholds=limits, style=PALETTES["light"])

    def few(*panes: str) -> Overlay:
        style = OverlayStyle(scale=0.5, panes=panes)
        return Overlay(NAMES, horizon=20, step_us=STEP_US, thresholds=limits, style=style)

    steps = [step(k) for k in range(8)]
    stopped = decision(8, 4, StopReason.cutoff)
    three, deep = (4096, 16384, 6144), (65536, 65536, 32768, *(16384,) * 5, *(8192,) * 5, *(4096,) * 4)
    return {
        "nothing yet": drawn(plain),
        "deciding": drawn(limited, *steps, truth=2),
        "decided, right": drawn(limited, *steps, stopped, truth=4),
        "decided, wrong, then rest": drawn(limited, *steps, stopped, Rest(frame(8)), truth=1),
        "rest without an answer": drawn(limited, *steps, Rest(frame(8))),
        "rest before the first step": drawn(plain, Rest(frame(0)), Rest(frame(1))),
        "the recording ended": drawn(plain, *steps, decision(8, 4, StopReason.end_of_stream)),
        "many classes, a large sensor": drawn(many, *[step(k, 300, 40) for k in range(5)], truth=3),
        "no gesture, then the next look": drawn(limited, *steps, Rejection(stopped), *[step(k) for k in range(3)]),
        "a false alarm after other answers": judged(limited, *steps, stopped),
        "the light palette": judged(light, *steps, stopped),
        "the light palette, at rest": drawn(light, *steps, Rest(frame(8))),
        "picture, answers": judged(few("picture", "answers"), *steps, stopped),
        "bars, clock": judged(few("bars", "clock"), *steps, stopped),
        "evidence, timeline": judged(few("evidence", "timeline"), *steps, stopped),
        "spikes beside the score": drawn(limited, *[counted(k, three) for k in range(8)]),
        "spikes of 17 layers": drawn(light, *[counted(k, deep) for k in range(8)]),
        "spikes at rest": drawn(light, *[counted(k, three) for k in range(8)], stopped, truth=4),
        "spikes not counted in the last step": drawn(limited, *[counted(k, three) for k in range(7)], step(7)),
        "evidence, spikes": drawn(few("evidence", "spikes"), *[counted(k, deep) for k in range(8)]),
        "picture, spikes": drawn(few("picture", "spikes"), *[counted(k, three) for k in range(8)]),
        "bars, spikes": drawn(few("bars", "spikes"), *[counted(k, three) for k in range(8)]),
        "spikes, not counted": drawn(few("bars", "spikes"), *steps),
        "last page": summary_card(["3 of 4 gestures named right", "wrong, missed\t1, 0", "and a line of its own"]),
    }


GOLDEN = {
    "nothing yet": "29b540bd9e24aa9a",
    "deciding": "5cce04b39ef7a53c",
    "decided, right": "0393fa521d38ddc8",
    "decided, wrong, then rest": "feb2dc215620773d",
    "rest without an answer": "7a8d78e5231e4eb4",
    "rest before the first step": "1b07baefeca7e0fc",
    "the recording ended": "d21f6c667d0f714b",
    "many classes, a large sensor": "4c0733c7874fd0cf",
    "no gesture, then the next look": "e2b0c0b26193b13d",
    "a false alarm after other answers": "2472b3fecfd4252b",
    "the light palette": "6a63512c94809888",
    "the light palette, at rest": "057c359acace96b6",
    "picture, answers": "790c1ce514bc4be1",
    "bars, clock": "73352a8d4f400722",
    "evidence, timeline": "4ddd082f91b1aeb4",
    "spikes beside the score": "b7a45cf21339e85a",
    "spikes of 17 layers": "30dcba3695ceb05e",
    "spikes at rest": "1077f4db7867286e",
    "spikes not counted in the last step": "3ac383f4ee66bcc1",
    "evidence, spikes": "97228b2e670f0203",
    "picture, spikes": "f531fa651aac555a",
    "bars, spikes": "f4e3f58fdec5f258",
    "spikes, not counted": "d970dc5a9a693bb9",
    "last page": "afacf841d5ef07c5",
}


@pytest.mark.skipif(cv2.__version__ != OPENCV, reason=f"the digests are of the letters of OpenCV {OPENCV}")
def test_every_picture_looks_as_it_did() -> None:
    assert {name: digest(image) for name, image in pictures().items()} == GOLDEN


def digest(image: UInt8[ndarray, "h w 3"]) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    for name, image in pictures().items():
        print(f'    "{name}": "{digest(image)}",')
        cv2.imwrite(str(Path(sys.argv[1]) / f"{name}.png"), image)
