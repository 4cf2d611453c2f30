"""`spikecut calibrate`: one pass over held-out recordings, and a fitted cutoff of every rule."""

import hashlib
import sys
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
from spikecut.sources.datasets import LabelledRecording, Part, list_recordings, part_of
from spikecut.tools.cutoffs import beside
from spikecut.tools.feeding import LazyFrames, complain


def run_calibrate(
    data: Path, *, model: str, part: Part, tolerance: float, out: Path | None, overwrite: bool, force: bool
) -> int:
    """The command: fits every rule for the tolerated loss, prints the table, writes the files.

    Raises:
        ConfigError: if the tolerance is no share, if recordings that trained the network are among
            them (unless forced), or if a file would be overwritten.
    """
    if not 0 <= tolerance < 1:
        raise ConfigError(
            f"a tolerated loss of {tolerance}; expected a share of the recordings from 0 to below 1",
            hint="2 points of accuracy are 0.02",
        )
    weights = checkpoint.locate(model)
    stepper, card = checkpoint.load(weights)
    recordings = part_of(list_recordings(data, card.classes), part)
    if not recordings:
        raise ConfigError(f"{data}: no recordings in its {part} part")
    digests = [recording.digest() for recording in recordings]
    refuse_trained_on(recordings, digests, card, force)
    folder = out or (weights.parent if weights.parent != checkpoint.SHIPPED else Path())
    targets = {rule: folder / beside(weights, rule).name for rule in FITTERS}
    if taken := [str(path) for path in targets.values() if path.exists() and not overwrite]:
        raise ConfigError(f"{taken[0]} exists", hint="choose another folder with --out, or pass --overwrite")

    streams = [LazyFrames(recording.path, card) for recording in recordings]
    outputs = record_outputs(streams, stepper, horizon=card.horizon)
    labels = np.array([recording.label for recording in recordings], np.int64)
    readable = np.array([stream.error is None for stream in streams])
    n_damaged = complain(streams)
    recorded = RecordedOutputs(outputs[readable], labels[readable])

    step_ms = card.spec.step_us / 1000
    full = float(recorded.correct()[:, -1].mean())
    table = Table(title=f"{card.name}: fitted on {len(recorded.labels)} recordings for a loss of {tolerance:.1%}")
    for column in ("rule", "accuracy", "loss", "mean time", "of the full window"):
        table.add_column(column, justify="left" if column == "rule" else "right")
    table.add_row("full window", f"{full:.1%}", "", f"{card.horizon * step_ms:.0f} ms", "1.00")
    data_digest = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
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
        fitted.save(targets[rule], overwrite=overwrite)
        table.add_row(
            rule,
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


def refuse_trained_on(recordings: list[LabelledRecording], digests: list[str], card: ModelCard, force: bool) -> None:
    """Refuses recordings that shaped the network's weights, found by content, not by name."""
    known = set(card.trained_on)
    overlap = [r for r, digest in zip(recordings, digests, strict=True) if digest in known]
    if overlap and not force:
        raise ConfigError(
            f"{len(overlap)} of {len(recordings)} recordings trained this network, {overlap[0].path} among them",
            hint="use other recordings (--part calibration of the training folder), or insist with --force",
        )
