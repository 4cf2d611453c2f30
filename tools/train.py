"""`spikecut train`: recordings in, a network with its card out. Visible progress, resumable."""

import contextlib
import ctypes
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from spikecut.pipeline.errors import ConfigError
from spikecut.sources.datasets import list_recordings, origin_of, part_of
from spikecut.sources.gesture_set import open_gesture_set
from spikecut.sources.gestures import VERSION, drawn_session, drawn_users
from spikecut.tools.frame_cache import Frames
from spikecut.tools.packing import Labels, pack_drawn, pack_recordings, pack_sessions
from spikecut.tools.recipe import Recipe, read_recipe

_CLOCK = "seconds.txt"  # of the epochs done, beside the state of the training
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a training needs: frames and labels to fit, to watch and, at the end, to test on; where they came from."""

    fit: tuple[Frames, Labels]
    watch: tuple[Frames, Labels]
    test: Callable[[], tuple[Frames, Labels]]
    origin: dict[str, Any]
    digests: tuple[str, ...]


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
) -> Path:
    """Trains on the train part of a folder (or on drawn users) and writes `NAME.safetensors` and `NAME.json`.

    Every tenth recording or session of the train part is kept out to show progress; it chooses nothing:
    the network kept is the averaged one after the last epoch. The accuracy in the card is measured on
    the test part, once, at the end. With `start` the weights of a trained network are trained further; the
    card then tells its history too.

    Raises:
        ConfigError: if the folder has other classes than the recipe, or `out` holds an earlier run and
            `resume` is not set.
    """
    import torch

    from spikecut.models import checkpoint
    from spikecut.models.distributed import leads, n_processes
    from spikecut.models.layerwise import accuracy_by_step
    from spikecut.models.training import TrainingRun
    from spikecut.pipeline.metrics import wilson

    commit, console = _commit(), Console(stderr=True, quiet=not leads())
    state_file = out / "training.pt"
    if state_file.exists() and not resume:
        raise ConfigError(f"{out} holds an earlier run", hint="--resume goes on with it; or choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    rate = learning_rate or recipe.training.learning_rate
    plan = replace(recipe.training, epochs=epochs or recipe.training.epochs, learning_rate=rate, seed=seed)
    if not recipe.classes and data is not None:
        recipe = _named_by(data, recipe)
    material = _drawn(recipe, out) if data is None else _from_folder(data, recipe)
    (frames, labels), (shown, shown_labels) = (map(torch.from_numpy, pair) for pair in (material.fit, material.watch))

    run = TrainingRun(recipe.network, plan, len(frames))
    history: dict[str, Any] = {}
    if start is not None:
        before = checkpoint.read_card(start.with_suffix(".json"))
        run.start_from(checkpoint.read_weights(start, before))
        history = {"started_from": {"weights_sha256": before.weights_sha256, **before.provenance}}
    if resume and state_file.exists():
        run.resume(state_file)
        console.print(f"going on after epoch {run.epoch} of {plan.epochs}")
    step_ms = recipe.network.step_us // 1000
    seconds = _seconds_so_far(out) if run.epoch else 0.0
    while run.epoch < plan.epochs:
        started = time.monotonic()
        loss = run.train_epoch(frames, labels)
        seconds += time.monotonic() - started
        if not leads():
            continue
        (out / _CLOCK).write_text(f"{seconds:.1f}\n")
        run.save(state_file)
        accuracy = accuracy_by_step(run.averaged(), shown[:, : recipe.horizon], shown_labels)
        left = seconds / run.epoch * (plan.epochs - run.epoch)
        parts = "  ".join(f"{t * step_ms} ms {accuracy[t - 1]:.2f}" for t in _marks(recipe.horizon))
        console.print(f"epoch {run.epoch}/{plan.epochs}  loss {loss:.3f}  right after {parts}  {left:.0f} s left")

    weights = out / f"{recipe.name}.safetensors"
    if not leads():
        return weights
    test, test_labels = map(torch.from_numpy, material.test())
    accuracy = accuracy_by_step(run.averaged(), test[:, : recipe.horizon], test_labels)
    full = wilson(round(accuracy[-1] * len(test_labels)), len(test_labels))
    source = f"{'' if data is None else '--data DIR '}--epochs {plan.epochs} --learning-rate {plan.learning_rate:g}"
    source += "" if start is None else f" --start {start.name}"
    checkpoint.save(
        out,
        checkpoint.ModelCard(
            name=recipe.name,
            spec=recipe.network,
            classes=recipe.classes,
            sensor=recipe.sensor,
            horizon=recipe.horizon,
            default_cutoff=recipe.deciding.default,
            onset=asdict(recipe.onset) if recipe.onset else {},
            metrics={
                "part": "test",
                "n": len(test_labels),
                "accuracy_full_window": round(full.value, 4),
                "interval_95_wilson": [round(full.low, 4), round(full.high, 4)],
                "accuracy_by_step": [round(a, 4) for a in accuracy],
            },
            provenance={
                "command": f"spikecut train {recipe.name} {source} --seed {seed}",
                **material.origin,
                "plan": asdict(plan),
                **history,
                "seconds": round(seconds),
                "machine": f"{_processor()}, {torch.get_num_threads()} threads, processes: {n_processes()}",
                "commit": commit,
                "torch": torch.__version__,
            },
            trained_on=material.digests + (() if start is None else before.trained_on),
        ),
        run.averaged(),
    )
    console.print(
        f"test part, full window: {full.value:.1%} (95 % {full.low:.1%} to {full.high:.1%}, n = {len(test_labels)})"
    )
    return weights


def _from_folder(data: Path, recipe: Recipe) -> Material:
    origin = {"data_licence": recipe.licence, "attribution": recipe.attribution}
    if recipe.drawn_users:
        gestures = open_gesture_set(data)
        fitting = gestures.of("train")
        if not fitting or not gestures.of("test"):
            raise ConfigError(f"{data}: no sessions to train or to test on", hint=f"spikecut data check {data}")
        used, watched = [s for i, s in enumerate(fitting) if i % 10], fitting[::10]
        fit, watch = pack_sessions(used, recipe, "train"), pack_sessions(watched, recipe, "watch")
        test = partial(pack_sessions, gestures.of("test"), recipe, "test")
        digests = tuple(session.digest() for session in fitting)
        origin |= {
            "data_licence": "that of the recordings; DVS128 Gesture: CC BY 4.0",
            "attribution": "DVS128 Gesture: Amir et al., CVPR 2017, or a folder in its layout",
        }
    else:
        recordings = list_recordings(data)
        if (found := tuple(sorted({recording.class_name for recording in recordings}))) != recipe.classes:
            raise ConfigError(f"{data}: classes {', '.join(found)}; the recipe has {', '.join(recipe.classes)}")
        kept = part_of(recordings, "train")
        fit = pack_recordings([r for i, r in enumerate(kept) if i % 10], recipe, "train")
        watch = pack_recordings(kept[::10], recipe, "watch")
        test = partial(pack_recordings, part_of(recordings, "test"), recipe, "test")
        digests = tuple(recording.digest() for recording in kept)
        if made := origin_of(data):
            origin |= {"data": f"{made}: simulated, made from pictures"}
    counts = {"train": len(fit[1]), "watched": len(watch[1])}
    return Material(fit, watch, test, origin | {"recordings": counts}, digests)


def _named_by(data: Path, recipe: Recipe) -> Recipe:
    """The recipe with the classes of a folder."""
    classes = tuple(sorted({recording.class_name for recording in list_recordings(data)}))
    return replace(recipe, classes=classes, network=replace(recipe.network, n_classes=len(classes)))


def _drawn(recipe: Recipe, out: Path) -> Material:
    """Drawn users of seed 0: the drawing is the data set and does not change with the training's seed."""
    from spikecut.models.distributed import leader_first

    if not recipe.drawn_users:
        raise ConfigError("this recipe needs recordings", hint="--data FOLDER")
    users = drawn_users(recipe.drawn_users, "train")
    parts = {
        "train": [user for i, user in enumerate(users) if i % 10],
        "watch": users[::10],
        "test": drawn_users(recipe.drawn_users, "test"),
    }

    def packed(part: str) -> tuple[Frames, Labels]:
        file = out / f"drawn{VERSION}_{recipe.drawn_users}_{part}.npz"
        if not file.exists():
            frames, labels = pack_drawn([drawn_session(user, quick=True) for user in parts[part]], recipe, part)
            np.savez_compressed(file, frames=frames, labels=labels)
        with np.load(file) as saved:
            return saved["frames"], saved["labels"]

    with leader_first():
        fit, watch = packed("train"), packed("watch")
    origin = {
        "data": f"drawn gestures, version {VERSION}, seed 0: simulated, no real person was recorded",
        "data_licence": recipe.licence,
        "attribution": recipe.attribution,
        "users": {part: len(members) for part, members in parts.items()},
        "recordings": {"train": len(fit[1]), "watch": len(watch[1])},
    }
    return Material(fit, watch, partial(packed, "test"), origin, ())


def _marks(horizon: int) -> list[int]:
    return sorted({max(1, horizon * share // 30) for share in (2, 4, 8, 15, 30)})


def use(threads: int) -> None:
    """Computes with so many threads, and keeps freed memory.

    Left alone, the C library of Linux gives every large array back to the system and gets it anew, page by page
    and zeroed, which takes half of all the time of a training.
    """
    import numba
    import torch

    if not 1 <= threads <= numba.config.NUMBA_NUM_THREADS:
        raise ConfigError(f"{threads} threads; this machine has 1 to {numba.config.NUMBA_NUM_THREADS}")
    torch.set_num_threads(threads)
    numba.set_num_threads(threads)
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another system, another C library
        tune = ctypes.CDLL(None).mallopt
        tune(_M_MMAP_MAX, 0)
        tune(_M_TRIM_THRESHOLD, 2**31 - 1)
        tune(_M_TOP_PAD, 2**28)


def _seconds_so_far(out: Path) -> float:
    """How long the epochs have taken up to now; nothing is told of a run that did not keep it."""
    try:
        return float((out / _CLOCK).read_text())
    except (OSError, ValueError):
        return 0.0


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


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
) -> int:
    """The command; prints the path of the weights."""
    if epochs is not None and epochs < 1:
        raise ConfigError(f"a training of {epochs} epochs; it needs at least one")
    if learning_rate is not None and not 0 < learning_rate < 1:
        raise ConfigError(f"a learning rate of {learning_rate}; expected above 0 and below 1")
    from spikecut.models import checkpoint
    from spikecut.models.distributed import leads, together

    wanted = read_recipe(recipe)
    first = None if start is None else checkpoint.locate(start)
    if first is not None and first.suffix != ".safetensors":
        raise ConfigError(f"--start {start}: a network of another make", hint="its own code trains it")
    use(threads)
    how = {"epochs": epochs, "learning_rate": learning_rate, "start": first, "seed": seed, "resume": resume}
    try:
        with together():
            weights = train(wanted, data, out, **how)  # type: ignore[arg-type]
            if leads():
                print(weights)
    except KeyboardInterrupt:
        print(f"interrupted; --resume goes on after the last whole epoch in {out}", file=sys.stderr)
        return 130
    return 0
