"""Opens the inputs and outputs of `spikecut run`: the network with its cutoff, the recording with labels, the views."""

import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikecut.models.card import ModelCard
from spikecut.models.files.opening import load, locate
from spikecut.pipeline.errors import ConfigError, SourceError, printable
from spikecut.pipeline.events import Frame, SensorSize
from spikecut.pipeline.files.strict import did_you_mean
from spikecut.pipeline.fit import Fits
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.rejection import NOTHING, Rejecting
from spikecut.pipeline.runner import count_spikes
from spikecut.sources.datasets.class_folders import is_simulated
from spikecut.sources.datasets.frames import on_sensor
from spikecut.sources.datasets.gesture_labels import (
    GESTURES,
    GestureSpan,
    Movement,
    SessionLabels,
    labels_beside,
    read_labels,
)
from spikecut.sources.formats.base import DEFAULTS, ReadOptions, Recording
from spikecut.sources.formats.open import open_expecting
from spikecut.sources.live.controls import Controls
from spikecut.sources.live.inputs import live_input, word_of
from spikecut.sources.live.inputs.base import LiveInput, LiveSource
from spikecut.sources.live.inputs.waiting import Waiting
from spikecut.sources.live.pacing import parse_speed
from spikecut.tools.cutoff_lookup import find_cutoff, rejecting_for, warn_of_fits
from spikecut.tools.frame_streams import named_binner, say_fits, usual_network
from spikecut.tools.reading_options import read_options, starting_at
from spikecut.tools.views import VIEWS
from spikecut.tools.views.base import View, ViewKind, ViewOptions, Wish

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.run import Run


STREAMS = "gestures"  # the network for sources whose sensor is not known before they begin


@dataclass(frozen=True, slots=True)
class OpenNetwork:
    """A network that can be stepped, and the rule that stops it; `fitted` is its file, where it has one.

    `rejecting` says which of its answers are none, `revise_us` for how long they may be revised.
    """

    card: ModelCard
    stepper: SteppedModel[Any]
    decider: CutoffDecider[Any]
    fitted: FittedCutoff | None = None
    rejecting: Rejecting = NOTHING
    revise_us: int = 0


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A recording as the frames of a network; `read` gives them from a time on, in µs from the first event.

    `truth` is the label that its folder names, `spans` are the labelled gestures of a session, each None if unknown.
    `movements` are labelled, too, but no gestures. `fit` says how another sensor is shown to the network, empty for its
    own. A `live` source is read once, from its beginning; `waiting` knows when it had nothing to give.
    `simulated` is a recording that says so itself.
    """

    path: Path
    network: OpenNetwork
    format: str
    sensor: SensorSize
    read: Callable[[int], Iterable[Frame]]
    truth: int | None
    spans: tuple[GestureSpan, ...] | None
    fit: str = ""
    movements: tuple[Movement, ...] = ()
    live: LiveSource | None = None
    simulated: bool = False
    waiting: Waiting | None = None

    @property
    def name(self) -> str:
        """What it is called on screens: the name of its file, or the whole word of a live source."""
        return self.path.name if self.live is None else word_of(self.path)

    @property
    def frames(self) -> Iterable[Frame]:
        """All frames; nothing is read before they are iterated."""
        return self.read(0)

    @property
    def class_name(self) -> str | None:
        """The name of `truth`."""
        return None if self.truth is None else self.network.card.classes[self.truth]

    def class_at(self, time_us: int) -> str | None:
        """The name of the class that is labelled at a moment."""
        inside = (span.label for span in self.spans or () if span.start_us <= time_us < span.end_us)
        return next((self.network.card.classes[label] for label in inside), None)


def open_network(options: "Run") -> OpenNetwork:
    """The network that the options name, or the shipped one for this recording, and its cutoff.

    Raises:
        ModelError: if there is no such network or cutoff, or they do not belong together.
    """
    live = live_input(options.file, follow=options.follow)
    usual = usual_network(options.file, read_options(options)) if live is None and not options.model else STREAMS
    weights = locate(options.model or usual)
    stepper, card = load(weights, engine=options.engine)
    fitted = find_cutoff(options.cutoff, weights, card)
    rejecting = rejecting_for(options.sensitivity, fitted, card)
    return OpenNetwork(card, stepper, fitted.cutoff, fitted, rejecting, revise_us_for(options.revise, card))


def revise_us_for(revise_ms: float, card: ModelCard) -> int:
    """For how long answers may be revised, from milliseconds.

    Raises:
        ConfigError: if the network decides window after window.
    """
    if revise_ms and not card.onset:
        raise ConfigError(
            f"--revise {revise_ms:g}: network {card.name!r} has no onset in its card, so each window has one answer",
            hint="leave --revise out",
        )
    return round(1000 * revise_ms)


def open_stream(
    path: Path, network: OpenNetwork, reading: ReadOptions = DEFAULTS, *, max_gap_us: int | None = None
) -> OpenStream:
    """A recording for a network, with its labels. Where no event comes for longer than `max_gap_us`, a gap begins.

    Raises:
        ConfigError: if its sensor does not fit the network.
        SourceError: if it cannot be read.
    """
    sensor = network.card.sensor
    recording = open_expecting(path, sensor, reading)

    def part(start_us: int) -> Recording:
        return open_expecting(path, sensor, starting_at(reading, start_us)) if start_us else recording

    return stream_of(recording, part, network, reading, max_gap_us)


def stream_of(
    recording: Recording,
    part: Callable[[int], Recording],
    network: OpenNetwork,
    reading: ReadOptions,
    max_gap_us: int | None,
    *,
    is_checked: bool = True,
) -> OpenStream:
    """The frames of an open recording; `part` is what plays from a time on, in µs from the first event.

    Without `is_checked`, events outside the sensor are counted and no more: whoever sends datagrams must not end a run.
    """
    card, path, fits = network.card, recording.path, Fits()
    binner = named_binner(recording, card, reading, fits)
    say_fits(fits, reading)
    if network.fitted is not None:
        warn_of_fits({network.decider.rule: network.fitted}, str(fits))
    if max_gap_us is not None:
        binner = replace(binner, max_silence_bins=max(1, max_gap_us // card.spec.step_us))

    def read(start_us: int) -> Iterable[Frame]:
        if reading.duration_us is not None and start_us >= reading.duration_us:
            return ()
        frames = binner.bins(part(start_us))
        return on_sensor(frames, str(path), recording.sensor) if is_checked else frames

    truth = card.classes.index(path.parent.name) if path.parent.name in card.classes else None
    labels = labels_of(path, card)
    return OpenStream(
        path=path,
        network=network,
        format=recording.format,
        sensor=recording.sensor,
        read=read,
        truth=truth,
        spans=None if labels is None else labels.spans,
        fit=str(fits),
        movements=() if labels is None else labels.movements,
        simulated=is_simulated(path),
    )


def labels_of(path: Path, card: ModelCard) -> SessionLabels | None:
    """The labels beside a session, `NAME_labels.csv`, numbered as the network's classes.

    None where there is no such file, or the network knows nothing that it names.
    """
    file = labels_beside(path)
    if not file.is_file():
        return None
    try:
        labels = labels_for(read_labels(file), card)
    except SourceError as error:
        if card.classes[: len(GESTURES)] == GESTURES:
            raise
        print(printable(f"note: {error}; nothing is scored by it"), file=sys.stderr)
        return None
    for note in () if labels is None else labels.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
    return labels


def labels_for(labels: SessionLabels, card: ModelCard) -> SessionLabels | None:
    """Labels numbered as a network's classes; None if it knows nothing that they name, and not the gestures either."""
    numbered = labels.numbered(card.classes, card.rejects)
    return numbered if numbered.spans or card.classes[: len(GESTURES)] == GESTURES else None


def view_options(options: "Run") -> ViewOptions:
    """The options of views from the command line.

    Raises:
        ConfigError: if the speed is invalid, there is no such view, or it lacks its file.
    """
    named: dict[str, Path | None] = {}
    for word in options.view:
        name, _, target = word.partition("=")
        if name not in VIEWS:
            hint = did_you_mean(name, VIEWS, otherwise=f"known are {', '.join(VIEWS)}")
            raise ConfigError(f"there is no view {name!r}", hint=hint)
        named[name] = _file_of(name, target)
    window = {"auto": None, "on": True, "off": False}[options.window]
    live = live_input(options.file, follow=options.follow)
    controls = Controls(pace_of(options.speed, live), live=live is not None)
    panes = None if options.panes is None else tuple(name for name in options.panes.split(",") if name)
    return ViewOptions(
        named,
        options.save,
        options.overwrite,
        window,
        options.web,
        options.listen,
        controls,
        panes=panes,
        palette=options.palette,
    )


def open_views(network: OpenNetwork, options: ViewOptions, stack: ExitStack) -> list[View]:
    """Opens all requested views; `stack` closes them. Spikes are counted where a view shows them.

    Raises:
        ConfigError: if a view lacks a required value.
        EnvironmentProblem: if a required view cannot be shown on this machine.
    """
    wanted = [kind for name, kind in VIEWS.items() if _is_shown(name, kind, options)]
    if wanted and (options.panes is None or "spikes" in options.panes):
        count_spikes(network.stepper)
    return [stack.enter_context(kind.make(network.card, network.decider, options)) for kind in wanted]


def _file_of(name: str, target: str) -> Path | None:
    """The file of a view that writes one."""
    suffixes = VIEWS[name].suffixes
    if not suffixes and target:
        raise ConfigError(f"the view {name} writes no file, so {target!r} is not used", hint=f"--view {name}")
    if suffixes and not target:
        raise ConfigError(f"the view {name} writes a file", hint=f"--view {name}=out{suffixes[0]}")
    return Path(target) if target else None


def _is_shown(name: str, kind: ViewKind, options: ViewOptions) -> bool:
    wish = Wish.yes if name in options.named else kind.wish(options)
    problem = None if wish is Wish.no else kind.problem()
    if problem is None:
        return wish is not Wish.no
    if wish is Wish.yes:
        raise problem
    print(f"{problem}: playing without a {name}" + (f"; {problem.hint}" if problem.hint else ""), file=sys.stderr)
    return False


def pace_of(text: str, live: LiveInput | None) -> float | None:
    """The speed of `parse_speed`; a source that keeps its own pace is taken as it comes, None.

    Raises:
        ConfigError: if another pace is given for it.
    """
    speed = parse_speed(text)
    if live is None or not live.own_pace:
        return speed
    if speed not in (None, 1.0):
        raise ConfigError(f"--speed {text}: {live.name} come at their own pace", hint="leave --speed out")
    return None
