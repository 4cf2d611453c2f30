"""What is fixed for each network that a command trains: sensor, bin, window, architecture, where data comes from."""

from dataclasses import asdict, dataclass, field
from typing import Any

from spikecut.models.augment import Augmentation
from spikecut.models.networks import NetworkSpec
from spikecut.models.training import TrainingPlan
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.recognition import Onset
from spikecut.sources.gesture_labels import GESTURES


@dataclass(frozen=True, slots=True)
class Recipe:
    """One network. Frames are kept for training with `downsample` pixels merged each way.

    `spare_steps` are read beyond the window, so that a showing may begin later than the label.
    """

    sensor: SensorSize
    spec: NetworkSpec
    plan: TrainingPlan
    classes: tuple[str, ...]
    licence: str
    attribution: str
    default_cutoff: str
    downsample: int = 1
    spare_steps: int = 0
    drawn_users: int = 0
    onset: dict[str, Any] = field(default_factory=dict)

    @property
    def horizon(self) -> int:
        return self.plan.window


RECIPES = {
    "nmnist": Recipe(
        sensor=SensorSize(34, 34),
        spec=NetworkSpec("compact", (16, 32, 64), 10, 10_000, SensorSize(34, 34)),
        plan=TrainingPlan(window=30, epochs=60),
        classes=tuple("0123456789"),
        licence="CC BY-SA 4.0 (the data set's licence, passed on to the weights)",
        attribution="N-MNIST: Orchard, Jayawant, Cohen, Thakor, Converting static image datasets to spiking "
        "neuromorphic datasets using saccades, Frontiers in Neuroscience 9:437 (2015), arXiv 1507.07629",
        default_cutoff="confidence-2pt",
    ),
    "gestures": Recipe(
        sensor=SensorSize(128, 128),
        spec=NetworkSpec("traces", (32, 64, 96), len(GESTURES), 20_000, SensorSize(128, 128)),
        plan=TrainingPlan(
            window=75,
            epochs=30,
            batch_size=32,
            averaging=0.01,
            bfloat16=True,
            augmentation=Augmentation(
                rotate_deg=6,
                scale=0.1,
                shear=0.05,
                shift=2.0,
                drop=0.4,
                mirrored=(0, 2, 1, 6, 5, 4, 3, 7, 8, 9, 10),
                inverted=True,
            ),
        ),
        classes=GESTURES,
        licence="GPL-3.0-or-later, as the program that drew the data",
        attribution="the gestures and the layout of DVS128 Gesture: Amir et al., A low power, fully event-based "
        "gesture recognition system, CVPR 2017; no recording of it was used",
        default_cutoff="confidence-1pt",
        downsample=4,
        spare_steps=37,
        drawn_users=870,
        onset=asdict(Onset()),
    ),
}
