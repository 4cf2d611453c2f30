"""`spikecut calibrate --gesture-free`: how sure an answer must be, fitted on recordings without gestures."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from spikecut.models.card import ModelCard
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.alarm_rates import FACTORS, fit_sensitivity, rejected
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.rejection import DEFAULT, Rejecting, Sensitivity
from spikecut.sources.datasets.digests import digests_of_recording
from spikecut.tools.batch.continuous.alarm_counts import AlarmCounts, CountingWork
from spikecut.tools.batch.continuous.evaluate import check_onset
from spikecut.tools.batch.continuous.recordings import recordings_of
from spikecut.tools.batch.executors import executor_of
from spikecut.tools.batch.gathered import Gathered
from spikecut.tools.reading_options import read_options
from spikecut.tools.session.opening import labels_of

if TYPE_CHECKING:
    from spikecut.tools.commands.fit.calibrate import Calibrate


def check_wanted(options: "Calibrate", card: ModelCard) -> None:
    """Refuses what no recordings can satisfy, before a network runs.

    Raises:
        ConfigError: if a rate or share is none, or the network has no onset, or flags lack `--gesture-free`.
    """
    if options.gesture_free is None:
        if options.rejected is not None:
            raise ConfigError("--rejected is measured beside false alarms", hint="--gesture-free SESSIONS gives those")
        return
    check_onset(card)
    if not options.alarms_a_minute > 0 or not 0 < options.confidence < 1 or not 0 < (options.rejected or 0.5) < 1:
        raise ConfigError(
            f"{options.alarms_a_minute:g} alarms a minute, confidence {options.confidence:g}, rejected "
            f"{options.rejected}; expected a rate above 0, and shares between 0 and 1"
        )


def with_sensitivity(
    options: "Calibrate", gathered: Gathered, fitted: Mapping[str, FittedCutoff]
) -> dict[str, FittedCutoff]:
    """The cutoffs with their levels of sensitivity, if recordings without gestures were given; prints their table.

    Raises:
        ConfigError: if a recording has labelled gestures or trained the network, or a promise cannot be kept.
        EmptyRecording: if there are none.
    """
    if options.gesture_free is None:
        return dict(fitted)
    paths, data = _recordings(options, options.gesture_free, gathered)
    rules = {name: rule.cutoff for name, rule in fitted.items()}
    most = options.alarms_a_minute * max(FACTORS.values())
    work = CountingWork(gathered.weights, options.engine, read_options(options), rules, most)
    alarms, card = AlarmCounts(work, paths, executor_of(options)), gathered.card
    is_gesture = ~np.isin(gathered.recorded.labels, card.no_gestures)
    gestures = gathered.recorded.pick(np.flatnonzero(is_gesture))
    both: dict[str, FittedCutoff] = {}
    for name, rule in fitted.items():
        levels = _levels(options, name, rule, alarms, (gestures, card))
        _check_rejected(name, levels, options.rejected)
        both[name] = replace(rule, sensitivity=replace(levels, data=data))
    _print(both, len(paths), alarms.minutes)
    return both


def _levels(
    options: "Calibrate", name: str, rule: FittedCutoff, alarms: AlarmCounts, known: tuple[RecordedOutputs, ModelCard]
) -> Sensitivity:
    """The levels of one cutoff."""
    gestures, card = known
    return fit_sensitivity(
        lambda threshold: alarms.at(name, threshold),
        alarms.minutes,
        lambda threshold: rejected(gestures, rule.cutoff, Rejecting(card.no_gestures, threshold)),
        options.alarms_a_minute,
        options.confidence,
    )


def _recordings(options: "Calibrate", path: Path, gathered: Gathered) -> tuple[list[Path], str]:
    """The recordings, of which none has labelled gestures or trained the network, and the digest of them all."""
    paths = recordings_of(path, options.part, text=read_options(options).text is not None)
    digests = [digests_of_recording(one) for one in paths]
    known = set(gathered.card.trained_on)
    trained = next((one for one, both in zip(paths, digests, strict=True) if known & {*both}), None)
    if trained is not None and not options.force:
        raise ConfigError(f"{trained} trained this network", hint="use other recordings; or insist with --force")
    for one in paths:
        labels = labels_of(one, gathered.card)
        if labels is not None and labels.spans:
            raise ConfigError(
                f"{one}: {len(labels.spans)} labelled gestures; --gesture-free takes recordings without any",
                hint="labels of class 0 are none, unless named like a class; spikecut cut takes out a stretch",
            )
    return paths, hashlib.sha256("".join(sorted(digest for digest, _ in digests)).encode()).hexdigest()


def _check_rejected(name: str, levels: Sensitivity, most: float | None) -> None:
    level = levels.level(DEFAULT)
    if most is not None and level.rejected_bound > most:
        raise ConfigError(
            f"{name}: at most {level.alarms_a_minute:g} false alarms a minute leaves {level.rejected} of {level.n} "
            f"gestures rejected, with {100 * level.confidence:g} % confidence up to {100 * level.rejected_bound:.2g} % "
            f"of them; --rejected allows {100 * most:.4g} %",
            hint="a larger --alarms-a-minute, or a network that tells them apart better",
        )


def _print(fitted: Mapping[str, FittedCutoff], n: int, minutes: float) -> None:
    title = f"sensitivity: fitted on {n} recordings without gestures, {minutes:.1f} min"
    table = Table(title=title, box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    for column in ("cutoff", "level", "sure from", "alarms", "a minute, at most", "rejected", "at most"):
        table.add_column(column, justify="left" if column in ("cutoff", "level") else "right", no_wrap=True)
    for name, rule in fitted.items():
        assert rule.sensitivity is not None
        for level_name, level in rule.sensitivity.levels().items():
            table.add_row(
                name,
                level_name,
                _probability(level.threshold),
                str(level.alarms),
                f"{level.alarms_bound:.2f} of {level.alarms_a_minute:g}",
                f"{level.rejected} of {level.n}",
                f"{100 * level.rejected_bound:.2f} %",
            )
        print(f"{name}, normal: {rule.sensitivity.normal.sentence}", file=sys.stderr)
    Console(width=None if sys.stdout.isatty() else 110).print(table)


def _probability(odds: float) -> str:
    """A probability from its log-odds; above 99.99 % by how much it falls short of 1.

    >>> _probability(0.0), _probability(20.0)
    ('p 0.5000', 'p 1 - 2.1e-09')
    """
    short = 1 / (1 + exp(odds))
    return f"p 1 - {short:.1e}" if short < 1e-4 else f"p {1 - short:.4f}"
