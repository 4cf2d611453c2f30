"""Plays recordings as they come, under several rules at a time, and scores each rule against the labels."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import tee
from pathlib import Path
from typing import Any

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.errors import EmptyRecording
from spikecut.pipeline.events import Frame
from spikecut.pipeline.metrics.session_score import Matcher, Outcome, Score
from spikecut.pipeline.protocols import SteppedModel
from spikecut.pipeline.results import Decision, Rejection, Step
from spikecut.sources.datasets.gesture_labels import Movement
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.tools.batch.executors.base import Batch
from spikecut.tools.cutoff_lookup import find_cutoff, rejecting_for, shown, unfitted
from spikecut.tools.session.observing import Tally, observed
from spikecut.tools.session.opening import OpenNetwork, OpenStream, open_stream

WINDOW = "none"  # the rule that never stops early


@dataclass(frozen=True, slots=True)
class Alarm:
    """An answer where no gesture is labelled: the class, the kind of the labelled movement (empty: none), and when."""

    answer: str
    movement: str
    time_us: int


@dataclass(frozen=True, slots=True)
class Played:
    """What one rule did on one recording."""

    score: Score
    alarms: tuple[Alarm, ...]
    n_steps: int
    n_bins: int
    n_rejected: int


@dataclass(frozen=True, slots=True)
class PlayedRecording:
    """What every rule did on one recording; `movement_us` is how long each kind of movement that is none was played."""

    path: Path
    rules: Mapping[str, Played]
    movement_us: Mapping[str, int]
    n_damaged: int
    fit: str


@dataclass(frozen=True, slots=True)
class SessionWork:
    """Plays recordings with a network under several of its cutoffs; an item is the path of a recording."""

    weights: Path
    engine: str
    cutoffs: tuple[str, ...]
    reading: ReadOptions = DEFAULTS
    sensitivity: str | None = None
    revise_us: int = 0

    def begin(self) -> Callable[[Batch], list[PlayedRecording]]:
        """Loads the network and its cutoffs."""
        import torch

        torch.set_num_threads(1)
        stepper, card = opening.load(self.weights, engine=self.engine)
        networks = networks_for(self.weights, card, stepper, self.cutoffs, self.sensitivity)
        rules = {name: replace(network, revise_us=self.revise_us) for name, network in networks.items()}
        return lambda batch: [play(Path(item), rules, self.reading) for item in batch.items]


def networks_for(
    weights: Path, card: ModelCard, stepper: SteppedModel[Any], cutoffs: Sequence[str], sensitivity: str | None
) -> dict[str, OpenNetwork]:
    """A network under each of its cutoffs, by their names in tables, and last without any.

    The full window rejects what the first of the others does.

    Raises:
        ModelError, ConfigError: as `find_cutoff` and `rejecting_for` say.
    """
    networks: dict[str, OpenNetwork] = {}
    for name in [name for name in cutoffs if name != WINDOW]:
        fitted = find_cutoff(name, weights, card)
        rejecting = rejecting_for(sensitivity, fitted, card)
        networks[shown(name, weights)] = OpenNetwork(card, stepper, fitted.cutoff, fitted, rejecting)
    window = unfitted(card)
    first = next(iter(networks.values()), None)
    rejecting = rejecting_for(sensitivity, window, card) if first is None else first.rejecting
    return networks | {WINDOW: OpenNetwork(card, stepper, window.cutoff, window, rejecting)}


def play(path: Path, rules: Mapping[str, OpenNetwork], reading: ReadOptions = DEFAULTS) -> PlayedRecording:
    """One recording before a network under every rule; it is read once.

    Raises:
        SourceError: if it cannot be read.
        EmptyRecording: if there is not a single event.
    """
    stream = open_stream(path, next(iter(rules.values())), reading)
    copies = tee(stream.frames, len(rules))
    players = {
        name: _Player(frames, replace(stream, network=network))
        for (name, network), frames in zip(rules.items(), copies, strict=True)
    }
    going = list(players.values())
    while going:  # in step, so that no more than a few frames wait
        going = [player for player in going if player.advance()]
    tally = next(iter(players.values())).tally
    if not tally.n_events and not tally.lost:
        raise EmptyRecording(path, f"no events in this {stream.format} recording")
    played = {name: player.finish() for name, player in players.items()}
    return PlayedRecording(path, played, _lengths(stream.movements, tally), tally.lost.damage.total, stream.fit)


class _Player:
    """One rule on its way through one recording."""

    def __init__(self, frames: Iterable[Frame], stream: OpenStream) -> None:
        self.stream, self.tally = stream, Tally()
        self.alarms: list[Alarm] = []
        self.n_steps = self.n_rejected = 0
        self._items = observed(self.tally.over(frames), stream.network)
        spans = stream.spans or ()
        self._matcher = Matcher([(span.label, span.start_us, span.end_us) for span in spans])

    def advance(self) -> bool:
        """Takes the next item; whether there was one."""
        item = next(self._items, None)
        if item is None:
            return False
        self._matcher.begins(self.tally.start_us or 0)
        self.n_steps += isinstance(item, Step)
        self.n_rejected += isinstance(item, Rejection)
        if isinstance(item, Decision) and item.revises is not None:
            self._matcher.revised(item.label)
        elif isinstance(item, Decision):
            self._matcher.passed(item.time_us)
            if self._matcher.decided(item.label, item.time_us).outcome is Outcome.false_alarm:
                answer = self.stream.network.card.classes[item.label]
                self.alarms.append(Alarm(answer, _kind_at(self.stream.movements, item), item.time_us))
        return True

    def finish(self) -> Played:
        """The score of the recording, which is over."""
        card, tally = self.stream.network.card, self.tally
        self._matcher.ended(tally.end_us, card.horizon * card.spec.step_us)
        score = self._matcher.score(tally.sensor_us / 6e7)
        return Played(score, tuple(self.alarms), self.n_steps, tally.sensor_us // card.spec.step_us, self.n_rejected)


def _kind_at(movements: Sequence[Movement], decision: Decision) -> str:
    """The movement during which an answer fell; else that during which the network began to look."""
    moments = (decision.time_us, decision.start_us)
    kinds = (one.kind for moment in moments for one in movements if one.start_us <= moment <= one.end_us)
    return next(kinds, "")


def _lengths(movements: Sequence[Movement], tally: Tally) -> dict[str, int]:
    """How long each kind was played."""
    lengths: Counter[str] = Counter()
    for one in movements:
        played_us = min(one.end_us, tally.end_us) - max(one.start_us, tally.start_us or 0)
        lengths[one.kind] += max(0, played_us)
    return dict(lengths)
