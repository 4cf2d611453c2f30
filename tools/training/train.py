"""`spikecut train`: recordings in, a network with its card out. Visible progress, resumable."""

import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from spikecut.pipeline.atomic_files import write_text
from spikecut.pipeline.errors import ConfigError
from spikecut.tools.machine import commit, device_for, processor, use
from spikecut.tools.time_unit import pace_of
from spikecut.tools.training.recipe import Recipe, read_recipe
from spikecut.tools.training.training_data import Material, made_of, material_for

if TYPE_CHECKING:
    from spikecut.models.training.epochs import TrainingRun

_STATE = "training.pt"
_WATCHED = 1000  # as many are watched between epochs where there are more: enough for two digits
_CLOCK = "seconds.txt"  # of the epochs done, beside the state of the training


def train(
    recipe: Recipe,
    data: Path | None,
    out: Path,
    *,
    epochs: int | None,
    learning_rate: float | None,
    start: Path | None,
    seed: int,
    resume: bool,
    device: str,
) -> Path:
    """Trains on the train part of a folder (or on drawn users) and writes `NAME.safetensors` and `NAME.json`.

    Every tenth recording or session of the train part is kept out to show progress; it chooses nothing:
    the network kept is the averaged one after the last epoch. The accuracy in the card is measured on
    the test part, once, at the end. With `start` the weights of a trained network are trained further; the
    card then tells its history too.

    Raises:
        ConfigError: if the folder has other classes than the recipe, or `out` holds an earlier run and
            `resume` is not set.
        ModelError: if it is set, and the earlier run was made of something else.
    """
    from spikecut.models.card import ModelCard
    from spikecut.models.files import checkpoint
    from spikecut.models.training.distributed import leads
    from spikecut.models.training.epochs import TrainingRun

    made_by, console = commit(), Console(stderr=True, quiet=not leads())
    if (out / _STATE).exists() and not resume:
        raise ConfigError(f"{out} holds an earlier run", hint="--resume goes on with it; or choose another folder")
    recipe = planned(recipe, epochs, learning_rate, seed)
    plan = recipe.training
    out.mkdir(parents=True, exist_ok=True)
    recipe, material = material_for(recipe, data, out)
    device = device_for(device)
    before = None if start is None else checkpoint.read_card(start.with_suffix(".json"))
    made = made_of(recipe, data, "" if before is None else before.weights_sha256)
    run = TrainingRun(recipe.network, plan, len(material.fit[1]), device, made_of=made)
    history: dict[str, Any] = {}
    if start is not None and before is not None:
        run.start_from(checkpoint.read_weights(start, before))
        history = {"started_from": {"weights_sha256": before.weights_sha256, **before.provenance}}
    if resume and (out / _STATE).exists():
        run.resume(out / _STATE)
        console.print(f"going on after epoch {run.epoch} of {plan.epochs}")
    seconds = _epochs(run, material, recipe, out, console)
    weights = out / f"{recipe.name}.safetensors"
    if not leads():
        return weights
    metrics = _tested(run, material, console)
    source = f"{'' if data is None else '--data DIR '}--epochs {plan.epochs} --learning-rate {plan.learning_rate:g}"
    source += "" if start is None else f" --start {start.name}"
    provenance = {
        "title": recipe.title,
        "command": f"spikecut train {recipe.name} {source} --seed {seed}",
        **material.origin,
        "plan": asdict(plan),
        "made_of": made,
        **history,
        "seconds": round(seconds),
        "machine": processor(device),
        "commit": made_by,
    }
    card = ModelCard(
        name=recipe.name,
        spec=recipe.network,
        classes=recipe.classes,
        sensor=recipe.sensor,
        horizon=recipe.horizon,
        default_cutoff=recipe.deciding.default,
        onset=asdict(recipe.onset) if recipe.onset else {},
        metrics=metrics,
        provenance=provenance,
        trained_on=material.digests + (() if before is None else before.trained_on),
    )
    checkpoint.save(out, card, run.averaged())
    return weights


def planned(recipe: Recipe, epochs: int | None, learning_rate: float | None, seed: int) -> Recipe:
    """The recipe with what the command line says of its training.

    Raises:
        ConfigError: for a number that cannot be.
    """
    asked: dict[str, Any] = {"epochs": epochs, "learning_rate": learning_rate, "seed": seed}
    given = {name: value for name, value in asked.items() if value is not None}
    return replace(recipe, training=replace(recipe.training, **given))


def _epochs(run: "TrainingRun", material: Material, recipe: Recipe, out: Path, console: Console) -> float:
    """The epochs that are left, each kept; returns how many seconds all have taken."""
    import torch

    from spikecut.models.training.distributed import leads
    from spikecut.models.training.layerwise import accuracy_by_step

    (frames, labels), watch = (map(torch.from_numpy, pair) for pair in (material.fit, material.watch))
    shown, shown_labels = (one[:: max(1, len(one) // _WATCHED)] for one in watch)
    pace, n_epochs = pace_of(recipe.network), run.plan.epochs
    seconds = _seconds_so_far(out) if run.epoch else 0.0
    while run.epoch < n_epochs:
        started = time.monotonic()
        loss = run.train_epoch(frames, labels)
        seconds += time.monotonic() - started
        if not leads():
            continue
        write_text(out / _CLOCK, f"{seconds:.1f}\n", overwrite=True)
        run.save(out / _STATE)
        accuracy = accuracy_by_step(run.averaged(), shown[:, : recipe.horizon], shown_labels, steps=recipe.horizon)
        left = seconds / run.epoch * (n_epochs - run.epoch)
        parts = "  ".join(f"{pace.whole(t)} {accuracy[t - 1]:.2f}" for t in _marks(recipe.horizon))
        console.print(f"epoch {run.epoch}/{n_epochs}  loss {loss:.3f}  right after {parts}  {left:.0f} s left")
    return seconds


def _tested(run: "TrainingRun", material: Material, console: Console) -> dict[str, Any]:
    """What the card says of the test part, which nothing has seen before."""
    import torch

    from spikecut.models.training.layerwise import accuracy_as_ann, accuracy_by_step
    from spikecut.pipeline.metrics.intervals import wilson

    test, labels = map(torch.from_numpy, material.test())
    network, shown = run.averaged(), test[:, : run.plan.window]
    accuracy = accuracy_by_step(network, shown, labels, steps=run.plan.window)
    n = len(labels)
    full = wilson(round(accuracy[-1] * n), n)
    console.print(f"test part, full window: {full.value:.1%} (95 % {full.low:.1%} to {full.high:.1%}, n = {n})")
    ann = {"accuracy_ann": round(accuracy_as_ann(network, shown, labels), 4)} if run.spec.levels else {}
    return {
        "part": "test",
        "n": n,
        "accuracy_full_window": round(full.value, 4),
        "interval_95_wilson": [round(full.low, 4), round(full.high, 4)],
        **ann,
        "accuracy_by_step": [round(a, 4) for a in accuracy],
    }


def _marks(horizon: int) -> list[int]:
    return sorted({max(1, horizon * share // 30) for share in (2, 4, 8, 15, 30)})


def _seconds_so_far(out: Path) -> float:
    """How long the epochs have taken up to now; nothing is told of a run that did not keep it."""
    try:
        return float((out / _CLOCK).read_text())
    except (OSError, ValueError):
        return 0.0


def run_train(
    recipe: str,
    data: Path | None,
    out: Path,
    *,
    epochs: int | None,
    learning_rate: float | None,
    start: str | None,
    seed: int,
    threads: int,
    resume: bool,
    device: str,
) -> int:
    """The command; prints the path of the weights."""
    if epochs is not None and epochs < 1:
        raise ConfigError(f"a training of {epochs} epochs; it needs at least one")
    if learning_rate is not None and not 0 < learning_rate < 1:
        raise ConfigError(f"a learning rate of {learning_rate}; expected above 0 and below 1")
    from spikecut.models.files import opening
    from spikecut.models.training.distributed import leads, together

    wanted = read_recipe(recipe)
    first = None if start is None else opening.locate(start)
    if first is not None and first.suffix != ".safetensors":
        raise ConfigError(f"--start {start}: a network of another make", hint="its own code trains it")
    use(threads)
    try:
        with together():
            weights = train(
                wanted,
                data,
                out,
                epochs=epochs,
                learning_rate=learning_rate,
                start=first,
                seed=seed,
                resume=resume,
                device=device,
            )
            if leads():
                print(weights)
    except KeyboardInterrupt:
        print(f"interrupted; --resume goes on after the last whole epoch in {out}", file=sys.stderr)
        return 130
    return 0
