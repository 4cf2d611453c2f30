"""`spikecut evaluate --continuous`: sessions as they come, under cutoffs of a network and beside its full window."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.errors import ConfigError, EmptyRecording, printable
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.rejection import DEFAULT
from spikecut.tools.batch.continuous.figures import print_table, recording_of, row_of
from spikecut.tools.batch.continuous.playing import PlayedRecording, SessionWork
from spikecut.tools.batch.continuous.recordings import recordings_of
from spikecut.tools.batch.driving import Done, drive
from spikecut.tools.batch.executors import executor_of
from spikecut.tools.batch.executors.base import Batch, Executor
from spikecut.tools.batch.passes.progress import Progress, shown
from spikecut.tools.cutoff_lookup import cutoffs_for, rejecting_for, warn_of_fits
from spikecut.tools.flags import command_line
from spikecut.tools.frame_streams import network_for
from spikecut.tools.reading_options import read_options
from spikecut.tools.rejection_rates import level_object
from spikecut.tools.session.opening import revise_us_for

if TYPE_CHECKING:
    from spikecut.tools.commands.measure.evaluate import Evaluate


def run_continuous(options: "Evaluate") -> int:
    """The command: figures of every rule to stdout; 3 if a recording could not be read, or not whole.

    Raises:
        ConfigError: if the network has no onset, or trained on one of the recordings.
        EmptyRecording: if none could be played.
    """
    reading = read_options(options)
    paths = recordings_of(options.folder, options.part, text=reading.text is not None)
    weights = opening.locate(options.model or network_for(paths[0], reading))
    card = opening.card_of(weights)
    check_onset(card)
    names = options.cutoff or (card.default_cutoff,)
    rules = cutoffs_for(names, weights, card)
    for fitted in rules.values():
        rejecting_for(options.sensitivity, fitted, card)  # refused before anything is played
    revise_us = revise_us_for(options.revise, card)
    work = SessionWork(weights, options.engine, tuple(names), reading, options.sensitivity, revise_us)
    recordings, n_faults = played(work, paths, executor_of(options))
    warn_of_fits(rules, next((one.fit for one in recordings if one.fit), ""))
    report = {
        "kind": "spikecut sessions",
        "version": 1,
        "command": command_line("evaluate", options),
        "model": card.name,
        "network": card.weights_sha256,
        "data": str(options.folder),
        "part": options.part,
        "step_us": card.spec.step_us,
        "horizon": card.horizon,
        "onset": dict(card.onset),
        "revise_us": revise_us,
        "sensitivity": sensitivities(rules, options.sensitivity),
        **figures(recordings, options.folder),
    }
    if options.json:
        print(json.dumps(report, allow_nan=False))
    else:
        print_table(report)
    return 3 if n_faults else 0


def sensitivities(rules: Mapping[str, FittedCutoff], wanted: str | None) -> dict[str, Any]:
    """The level of every rule that has one, as it was fitted, and its two measured rates."""
    levels = {name: rule.sensitivity for name, rule in rules.items() if rule.sensitivity and wanted != "off"}
    level = wanted or DEFAULT
    return {name: level_object(level, one.level(level)) for name, one in levels.items()}


def check_onset(card: ModelCard) -> None:
    """Refuses a network that decides window after window.

    Raises:
        ConfigError: if its card has no onset.
    """
    if not card.onset:
        raise ConfigError(
            f"network {card.name!r} has no onset in its card, so it finds no movement in a stream",
            hint="`spikecut evaluate FOLDER --out OUT` measures it on recordings of one thing",
        )


def played(work: SessionWork, paths: Sequence[Path], executor: Executor) -> tuple[list[PlayedRecording], int]:
    """Every recording that could be read, in their order; and how many could not be, or lost events.

    Raises:
        EmptyRecording: if none could be played.
    """
    progress = Progress("playing", len(paths))
    done: dict[Path, PlayedRecording] = {}
    n_faults = 0
    batches = [Batch(str(path), (str(path),)) for path in paths]
    with shown(progress) as display:
        for item in drive(work, batches, executor, rebatch=lambda items: Batch(items[0], items)):
            progress.n_new += 1
            if isinstance(item, Done):
                done |= {one.path: one for one in item.value}
            else:
                n_faults += 1
                print(printable(f"quarantined: {item.item}: {item.message}"), file=sys.stderr)
            display.update()
    for one in done.values():
        if one.n_damaged:
            n_faults += 1
            print(printable(f"damaged: {one.path}: {one.n_damaged} events lost"), file=sys.stderr)
    if not done:
        raise EmptyRecording(paths[0], f"none of {len(paths)} recordings could be played")
    return [done[path] for path in paths if path in done], n_faults


def figures(recordings: Sequence[PlayedRecording], folder: Path) -> Mapping[str, Any]:
    """All counts with their intervals, and those of each recording."""
    rules = [row_of(rule, recordings) for rule in recordings[0].rules]
    names = [one.path.relative_to(folder).as_posix() if folder.is_dir() else one.path.name for one in recordings]
    return {
        "n": len(recordings),
        "gestures": rules[0]["right"]["of"],
        "minutes": rules[0]["false_alarms"]["minutes"],
        "rules": rules,
        "recordings": [recording_of(one, name) for one, name in zip(recordings, names, strict=True)],
    }
