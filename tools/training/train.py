"""`spikecut train`: recordings in, a network with its card out. Visible progress, resumable."""

import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.atomic_files import claimed, write_text
from spikecut.tools.machine import commit, device_for, processor, today, use
from spikecut.tools.reading_options import read_options
from spikecut.tools.time_unit import pace_of
from spikecut.tools.training.recipe import Recipe, read_recipe
from spikecut.tools.training.training_data import Material, made_of, material_for

if TYPE_CHECKING:
    from spikecut.models.card import ModelCard
    from spikecut.models.training.epochs import TrainingRun
    from spikecut.tools.commands.fit.train import Train

_STATE = "training.pt"
_WATCHED = 1000  # as many are watched between epochs where there are more: enough for two digits
_CLOCK = "seconds.txt"  # of the epochs done, beside the state of the training


@dataclass(frozen=True, slots=True)
class _Trained:
    """A trained network: the one that is trained further, or the teacher."""

    weights: Path
    card: "ModelCard"


def train(options: "Train") -> Path:
    """Trains on the train part of a folder (or on drawn users) and writes `NAME.safetensors` and `NAME.json`.

    Every tenth recording or session of the train part is kept out to show progress; it chooses nothing:
    the network kept is the averaged one after the last epoch. The accuracy in the card is measured on
    the test part, once, at the end. With `start` the weights of a trained network are trained further; the
    card then has its history too. `teacher` gives a share of the targets.

    Raises:
        ConfigError: if the folder has other classes than the recipe, `start` or `teacher` is not a network of
            spikecut, the recipe wants a teacher and there is none or the other way round, or `out` holds an earlier
            run and `resume` is not set.
        ModelError: if it is set, and the earlier run was made of something else.
    """
    from spikecut.models.training.distributed import leads

    with claimed(options.out / _STATE) if leads() else nullcontext():
        return _train(options)


def _train(options: "Train") -> Path:
    from spikecut.models.files import checkpoint, opening
    from spikecut.models.training.distributed import leads
    from spikecut.models.training.epochs import TrainingRun
    from spikecut.models.training.layerwise import multiplies_in_bfloat16
    from spikecut.models.training.more_classes import with_more_classes

    made_by, console = commit(), Console(stderr=True, quiet=not leads())
    out, state = options.out, options.out / _STATE
    recipe = planned(read_recipe(options.recipe), options.epochs, options.learning_rate, options.seed)
    start, teacher = _trained("start", options.start), _trained("teacher", options.teacher)
    if state.exists() and not options.resume:
        raise ConfigError(f"{out} holds an earlier run", hint="--resume goes on with it; or choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    reading = read_options(options)
    recipe, material = material_for(recipe, options.data, out, reading)
    device = device_for(options.device)
    teacher_sha256 = _checked(teacher, recipe).card.weights_sha256 if teacher or recipe.teacher else ""
    made = made_of(recipe, options.data, start.card.weights_sha256 if start else "", reading, teacher_sha256)
    run = TrainingRun(recipe.network, recipe.training, len(material.fit[1]), device, made_of=made)
    if start:
        first = checkpoint.read_weights(start.weights, start.card)
        readout = [*run.network.state_dict()][-1].rpartition(".")[0]
        run.start_from(with_more_classes(first, readout, start.card.classes, recipe.classes))
    if teacher:
        run.learn_from(opening.load_module(teacher.weights)[0])
    if options.resume and state.exists():
        run.resume(state)
        console.print(f"going on after epoch {run.epoch} of {recipe.training.epochs}")
    if run.plan.bfloat16 and not multiplies_in_bfloat16(run.device):
        console.print("note: this processor is slow in bfloat16; bfloat16 = false in the recipe trains in float32")
    seconds = _epochs(run, material, recipe, out, console)
    if leads():
        metrics = _tested(run, material, console)
        made_on = {"seconds": round(seconds), "machine": processor(device), "commit": made_by, "date": today()}
        provenance = _provenance(options, recipe, material, made, start) | _taught_by(teacher) | made_on | _pulled(run)
        digests = tuple(dict.fromkeys(material.digests + (start.card.trained_on if start else ())))
        checkpoint.save(out, _card(recipe, metrics, provenance, digests), run.averaged())
    return out / f"{recipe.name}.safetensors"


def _trained(flag: str, named: str | None) -> _Trained | None:
    """The network that a flag names.

    Raises:
        ConfigError: if spikecut did not make it.
    """
    from spikecut.models.files import checkpoint, opening

    if named is None:
        return None
    weights = opening.locate(named)
    if weights.suffix != ".safetensors":
        raise ConfigError(f"--{flag} {named}: a network of another make", hint="its own code trains it")
    return _Trained(weights, checkpoint.read_card(weights.with_suffix(".json")))


def _checked(teacher: _Trained | None, recipe: Recipe) -> _Trained:
    """The teacher, which the recipe wants and which sees the same frames.

    Raises:
        ConfigError: if there is none, the recipe wants none, or it has other classes or frames.
    """
    if teacher is None:
        raise ConfigError(
            f"recipe {recipe.name!r} learns from a teacher",
            hint=f"spikecut recipe trains both; or --teacher WEIGHTS of spikecut train {recipe.teacher}",
        )
    if not recipe.teacher:
        raise ConfigError(f"recipe {recipe.name!r} has no teacher", hint="leave out --teacher")
    card, network = teacher.card, recipe.network
    theirs, ours = (
        (card.classes, card.spec.frame, card.spec.step_us),
        (recipe.classes, network.frame, network.step_us),
    )
    if theirs != ours:
        raise ConfigError(
            f"teacher {teacher.weights}: {len(card.classes)} classes, frames of {card.spec.frame}, steps of "
            f"{card.spec.step_us} us; recipe {recipe.name!r} has {len(recipe.classes)}, {network.frame}, "
            f"{network.step_us} us, or classes of other names",
            hint=f"spikecut train {recipe.teacher} on the same data",
        )
    return teacher


def _taught_by(teacher: _Trained | None) -> dict[str, Any]:
    """The teacher in the provenance of a network."""
    if teacher is None:
        return {}
    return {"teacher": {"weights_sha256": teacher.card.weights_sha256, **teacher.card.provenance}}


def _pulled(run: "TrainingRun") -> dict[str, Any]:
    """How strongly RCS pulled at the weights, epoch by epoch, in the provenance of a network; nothing without RCS."""
    if not run.pulls:
        return {}
    return {
        "rcs": {
            "measured": "first batch of each epoch: norm of the gradient of weight x RCS over that of the task's loss; "
            "share of the batch that is right at the end",
            "epochs": [one.epoch for one in run.pulls],
            "gradient_ratio": [float(f"{one.ratio:.4g}") for one in run.pulls],
            "right_at_the_end": [round(one.right, 4) for one in run.pulls],
        }
    }


def _provenance(
    options: "Train", recipe: Recipe, material: Material, made: dict[str, Any], start: _Trained | None
) -> dict[str, Any]:
    """The provenance of a network: its data and settings, and how to repeat it."""
    plan = recipe.training
    flags = f"{'' if options.data is None else '--data DIR '}--epochs {plan.epochs}"
    flags += f" --learning-rate {plan.learning_rate:g}" + (f" --start {start.weights.name}" if start else "")
    flags += f" --teacher {Path(options.teacher).name}" if options.teacher else ""
    history = {"weights_sha256": start.card.weights_sha256, **start.card.provenance} if start else {}
    return {
        "title": recipe.title,
        "command": f"spikecut train {recipe.name} {flags} --seed {options.seed}",
        **material.origin,
        "plan": asdict(plan),
        "made_of": made,
        **({"started_from": history} if start else {}),
    }


def _card(recipe: Recipe, metrics: dict[str, Any], provenance: dict[str, Any], digests: tuple[str, ...]) -> "ModelCard":
    from spikecut.models.card import ModelCard

    return ModelCard(
        name=recipe.name,
        spec=recipe.network,
        classes=recipe.classes,
        sensor=recipe.sensor,
        horizon=recipe.horizon,
        default_cutoff=recipe.deciding.default,
        onset=asdict(recipe.onset) if recipe.onset else {},
        rejects=recipe.rejects,
        metrics=metrics,
        provenance=provenance,
        trained_on=digests,
    )


def planned(recipe: Recipe, epochs: int | None, learning_rate: float | None, seed: int) -> Recipe:
    """The recipe with the training options of the command line.

    Raises:
        ConfigError: for a number that cannot be.
    """
    values: dict[str, Any] = {"epochs": epochs, "learning_rate": learning_rate, "seed": seed}
    given = {name: value for name, value in values.items() if value is not None}
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
        rcs = f"RCS {100 * run.pulls[-1].ratio:.3g} % at {run.pulls[-1].right:.2f}  " if run.pulls else ""
        console.print(f"epoch {run.epoch}/{n_epochs}  loss {loss:.3f}  {rcs}right after {parts}  {left:.0f} s left")
    return seconds


def _tested(run: "TrainingRun", material: Material, console: Console) -> dict[str, Any]:
    """The card's figures on the test part, which is read here for the first time."""
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
    """How long the epochs have taken up to now; 0 for a run that did not keep it."""
    try:
        return float((out / _CLOCK).read_text())
    except (OSError, ValueError):
        return 0.0


def run_train(options: "Train") -> int:
    """The command; prints the path of the weights.

    Raises:
        ConfigError: for a number that cannot be; and as `train`.
    """
    if options.learning_rate is not None and not 0 < options.learning_rate < 1:
        raise ConfigError(f"a learning rate of {options.learning_rate}; expected above 0 and below 1")
    from spikecut.models.training.distributed import leads, together

    use(options.threads)
    try:
        with together():
            weights = train(options)
            if leads():
                print(weights)
    except KeyboardInterrupt:
        if (options.out / _STATE).exists():
            print(f"--resume goes on after the last whole epoch in {options.out}", file=sys.stderr)
        else:
            print("no epoch was complete, so nothing of the training was written", file=sys.stderr)
        raise
    return 0
