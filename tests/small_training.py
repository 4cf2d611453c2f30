"""A network of two layers and a task that takes two steps to solve: for tests of training."""

from dataclasses import replace

import numpy as np
import torch

from spikecut.models.spec import NetworkSpec
from spikecut.models.training.augment import Augmentation
from spikecut.models.training.plan import TrainingPlan
from spikecut.pipeline.events import SensorSize

SPEC = NetworkSpec("compact", (6, 8), 2, 10_000, SensorSize(8, 8))
TEBN = replace(SPEC, normalisation="tebn", tebn_steps=6)
STILL = Augmentation(rotate_deg=0, scale=0, shear=0, shift=0, drop=0.1)
PLAN = TrainingPlan(window=6, epochs=3, batch_size=20, augmentation=STILL)


def bars(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A bar that wanders to the right or to the left: no single step tells which, two do."""
    rng = np.random.default_rng(seed)
    frames = np.zeros((n, 6, 2, 8, 8), np.uint8)
    labels = rng.integers(0, 2, n)
    for i, label in enumerate(labels):
        start = rng.integers(0, 8)
        for t in range(6):
            frames[i, t, 1, :, (start + (t if label else -t)) % 8] = 1
            frames[i, t, 0, :, (start + (t - 1 if label else 1 - t)) % 8] = 1
    return torch.from_numpy(frames), torch.from_numpy(labels)
