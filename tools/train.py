"""`spikecut train`: recordings in, a network with its card out. Visible progress, resumable."""

import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import SensorSize
from spikecut.sources import open_recording
from spikecut.sources.datasets import LabelledRecording, list_recordings, part_of


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is fixed for one data set: sensor, bin, window, network, and where the data came from."""

    sensor: SensorSize
    step_us: int
    horizon: int
    channels: tuple[int, ...]
    n_classes: int
    epochs: int
    licence: str
    attribution: str


RECIPES = {
    "nmnist": Recipe(
        sensor=SensorSize(34, 34),
        step_us=10_000,
        horizon=30,
        channels=(16, 32, 64),
        n_classes=10,
        epochs=60,
        licence="CC BY-SA 4.0 (the data set's licence, passed on to the weights)",
        attribution="N-MNIST: Orchard, Jayawant, Cohen, Thakor, Converting static image datasets to spiking "
        "neuromorphic datasets using saccades, Frontiers in Neuroscience 9:437 (2015), arXiv 1507.07629",
    )
}


def train(recipe_name: str, data: Path, out: Path, *, epochs: int | None, seed: int, resume: bool) -> Path:
    """Trains on the train part of a folder and writes `NAME.safetensors` and `NAME.json` to `out`.

    Every tenth recording of the train part is kept out to show progress; it chooses nothing: the
    network kept is the averaged one after the last epoch. The accuracy in the card is measured on the
    test part, once, at the end.

    Raises:
        ConfigError: if the folder has another number of classes than the recipe, or `out` holds an
            earlier run and `resume` is not set.
    """
    import torch

    from spikecut.models import checkpoint
    from spikecut.models.networks import NetworkSpec
    from spikecut.models.training import TrainingPlan, TrainingRun, accuracy_by_step
    from spikecut.pipeline.metrics import wilson

    recipe = RECIPES[recipe_name]
    console = Console(stderr=True)
    recordings = list_recordings(data)
    classes = tuple(sorted({recording.class_name for recording in recordings}))
    if len(classes) != recipe.n_classes:
        raise ConfigError(f"{data}: {len(classes)} classes; the recipe {recipe_name!r} has {recipe.n_classes}")
    state_file = out / "training.pt"
    if state_file.exists() and not resume:
        raise ConfigError(f"{out} holds an earlier run", hint="--resume goes on with it; or choose another folder")
    out.mkdir(parents=True, exist_ok=True)

    plan = TrainingPlan(epochs=epochs or recipe.epochs, seed=seed)
    spec = NetworkSpec("compact", recipe.channels, recipe.n_classes, recipe.step_us, recipe.sensor)
    fitting = part_of(recordings, "train")
    shown, used = fitting[::10], [r for i, r in enumerate(fitting) if i % 10]
    frames, labels = (torch.from_numpy(a) for a in load_frames(used, recipe, "train"))
    shown_frames, shown_labels = (torch.from_numpy(a) for a in load_frames(shown, recipe, "watch"))

    run = TrainingRun(spec, plan, len(frames))
    if resume and state_file.exists():
        run.resume(state_file)
        console.print(f"going on after epoch {run.epoch} of {plan.epochs}")
    started = time.monotonic()
    first = run.epoch
    while run.epoch < plan.epochs:
        loss = run.train_epoch(frames, labels)
        run.save(state_file)
        accuracy = accuracy_by_step(run.averaged(), shown_frames, shown_labels)
        left = (time.monotonic() - started) / (run.epoch - first) * (plan.epochs - run.epoch)
        parts = "  ".join(f"{t * recipe.step_us // 1000} ms {accuracy[t - 1]:.2f}" for t in _marks(recipe.horizon))
        console.print(f"epoch {run.epoch}/{plan.epochs}  loss {loss:.3f}  right after {parts}  {left:.0f} s left")

    test_frames, test_labels = (torch.from_numpy(a) for a in load_frames(part_of(recordings, "test"), recipe, "test"))
    accuracy = accuracy_by_step(run.averaged(), test_frames, test_labels)
    full = wilson(round(accuracy[-1] * len(test_labels)), len(test_labels))
    card = checkpoint.save(
        out,
        checkpoint.ModelCard(
            name=recipe_name,
            spec=spec,
            classes=classes,
            sensor=recipe.sensor,
            horizon=recipe.horizon,
            metrics={
                "part": "test",
                "n": len(test_labels),
                "accuracy_full_window": round(full.value, 4),
                "interval_95_wilson": [round(full.low, 4), round(full.high, 4)],
                "accuracy_by_step": [round(a, 4) for a in accuracy],
            },
            provenance={
                "command": f"spikecut train {recipe_name} --data DIR --epochs {plan.epochs} --seed {seed}",
                "data_licence": recipe.licence,
                "attribution": recipe.attribution,
                "recordings": {"train": len(used), "watched": len(shown)},
                "plan": asdict(plan),
                "commit": _commit(),
                "torch": torch.__version__,
            },
            trained_on=tuple(recording.digest() for recording in fitting),
        ),
        run.averaged(),
    )
    console.print(
        f"test part, full window: {full.value:.1%} (95 % {full.low:.1%} to {full.high:.1%}, n = {len(test_labels)})"
    )
    return out / f"{card.name}.safetensors"


def load_frames(
    recordings: list[LabelledRecording], recipe: Recipe, what: str
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The first `horizon` frames of every recording, uint8 `(N, T, 2, H, W)`, and the labels `(N,)`."""
    size = (len(recordings), recipe.horizon, 2, recipe.sensor.height, recipe.sensor.width)
    frames = np.zeros(size, np.uint8)
    binner = CountBinner(recipe.sensor, recipe.step_us)
    console = Console(stderr=True)
    numbered = enumerate(recordings)
    for i, recording in track(numbered, f"reading {what}", len(recordings), console=console, transient=True):
        stream = binner.bins(open_recording(recording.path, sensor=recipe.sensor))
        for frame in islice(stream, recipe.horizon):
            frames[i, frame.index] = frame.pixels
    return frames, np.array([recording.label for recording in recordings], np.int64)


def _marks(horizon: int) -> list[int]:
    return sorted({max(1, horizon * share // 30) for share in (2, 4, 8, 30)})


def _commit() -> str:
    """The checkout's commit, if this is one; a tree with changes is called that."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    root = Path(__file__).resolve().parent

    def ask(*words: str) -> str:
        return subprocess.run([git, *words], cwd=root, capture_output=True, text=True, check=False).stdout.strip()

    commit = ask("rev-parse", "--short=12", "HEAD")
    return f"{commit} with changes" if ask("status", "--porcelain", "--", ".") else commit or "unknown"


def run_train(recipe: str, data: Path, out: Path, *, epochs: int | None, seed: int, resume: bool) -> int:
    """The command; prints the path of the weights."""
    if recipe not in RECIPES:
        raise ConfigError(f"recipe {recipe!r}; expected one of {', '.join(RECIPES)}")
    if epochs is not None and epochs < 1:
        raise ConfigError(f"a training of {epochs} epochs; it needs at least one")
    try:
        print(train(recipe, data, out, epochs=epochs, seed=seed, resume=resume))
    except KeyboardInterrupt:
        print(f"interrupted; --resume goes on after the last whole epoch in {out}", file=sys.stderr)
        return 130
    return 0
