"""`spikecut calibrate`: one pass over held-out recordings, and a fitted cutoff of every rule."""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from spikecut.models import checkpoint
from spikecut.models.checkpoint import ModelCard
from spikecut.pipeline.calibration import FITTERS, RecordedOutputs, outcome, sweep
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.fitted import FittedCutoff
from spikecut.pipeline.replay import record_outputs
from spikecut.sources.datasets import Part
from spikecut.tools.cutoffs import beside, called
from spikecut.tools.examples import Examples, Fate, complain, examples_of


def run_calibrate(
    data: Path,
    *,
    model: str,
    part: Part,
    tolerances: Sequence[float],
    out: Path | None,
    overwrite: bool,
    force: bool,
) -> int:
    """The command: fits every rule for every tolerated loss, prints the table, writes the files.

    Raises:
        ConfigError: if a tolerance is no share, if recordings that trained the network are among them
            (unless forced), or if a file would be overwritten.
    """
    if bad := [tolerance for tolerance in tolerances if not 0 <= tolerance < 1]:
        raise ConfigError(
            f"a tolerated loss of {bad[0]}; expected a share of the recordings from 0 to below 1",
            hint="2 points of accuracy are 0.02",
        )
    weights = checkpoint.locate(model)
    stepper, card = checkpoint.load(weights)
    examples = examples_of(data, card, part)
    digests = examples.digests()
    refuse_trained_on(examples, digests, card, force)
    folder = out or (weights.parent if weights.parent != checkpoint.SHIPPED else Path())
    names = [called(rule, tolerance) for tolerance in tolerances for rule in FITTERS]
    targets = {name: folder / beside(weights, name).name for name in names}
    if taken := [str(path) for path in targets.values() if path.exists() and not overwrite]:
        raise ConfigError(f"{taken[0]} exists", hint="choose another folder with --out, or pass --overwrite")

    fates: list[Fate] = []
    outputs = record_outputs(examples.streams(card, fates), len(examples), stepper, horizon=card.horizon)
    readable = np.array([fate.error is None for fate in fates])
    n_damaged = complain(fates)
    recorded = RecordedOutputs(outputs[readable], examples.labels[readable])

    step_ms = card.spec.step_us / 1000
    full = float(recorded.correct()[:, -1].mean())
    table = Table(title=f"{card.name}: fitted on {len(recorded.labels)} recordings")
    for column in ("cutoff", "accuracy", "loss", "mean time", "of the full window"):
        table.add_column(column, justify="left" if column == "cutoff" else "right")
    table.add_row("full window", f"{full:.1%}", "", f"{card.horizon * step_ms:.0f} ms", "1.00")
    data_digest = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
    for tolerance in tolerances:
        for rule, fit in FITTERS.items():
            cutoff = fit(recorded, tolerance)
            seen = outcome(recorded, sweep(recorded, cutoff))
            fitted = FittedCutoff(
                cutoff=cutoff,
                network=card.weights_sha256,
                classes=card.classes,
                step_us=card.spec.step_us,
                tolerance=tolerance,
                n=len(recorded.labels),
                data=data_digest,
                observed={"accuracy": seen.accuracy, "mean_steps": seen.mean_steps, "full_window_accuracy": full},
            )
            name = called(rule, tolerance)
            fitted.save(targets[name], overwrite=overwrite)
            table.add_row(
                name,
                f"{seen.accuracy:.1%}",
                f"{100 * (full - seen.accuracy):+.1f} points",
                f"{seen.mean_steps * step_ms:.0f} ms",
                f"{seen.mean_steps / card.horizon:.2f}",
            )
    Console().print(table)
    for path in targets.values():
        print(path)
    print(
        "These are observations on the recordings it was fitted on, and no guarantee for others; "
        "`spikecut replay` measures on the test part.",
        file=sys.stderr,
    )
    return 3 if n_damaged else 0


def refuse_trained_on(examples: Examples, digests: list[str], card: ModelCard, force: bool) -> None:
    """Refuses recordings that shaped the network's weights, found by content, not by name."""
    known = set(card.trained_on)
    overlap = [source for source, digest in zip(examples.sources, digests, strict=True) if digest in known]
    if overlap and not force:
        raise ConfigError(
            f"{len(overlap)} of {len(digests)} recordings trained this network, {overlap[0].path} among them",
            hint="use other recordings (--part calibration of the training folder), or insist with --force",
        )
