"""`spikecut run`: one recording, named as it plays, as early as the evidence allows."""

import contextlib
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.errors import ConfigError, EmptyRecording
from spikecut.pipeline.events import NOTHING_LOST, DropCounts, Frame
from spikecut.pipeline.metrics.session_score import Match, Matcher, Outcome, Score
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recognition import Onset, recognise
from spikecut.pipeline.results import Decision, Rest, Step, StopReason
from spikecut.pipeline.rules.thresholds import ThresholdCutoff
from spikecut.pipeline.runner import watch
from spikecut.sources.datasets.frames import on_sensor
from spikecut.sources.datasets.gesture_labels import GESTURES, GestureSpan, labels_beside, read_labels
from spikecut.sources.live.pacing import Clock, Lag, WallClock, paced
from spikecut.tools.cutoff_lookup import find_cutoff
from spikecut.tools.frame_streams import network_for, open_for
from spikecut.tools.session import decision_text as lines
from spikecut.tools.session.run_image import run_picture
from spikecut.tools.views.video import VideoSink
from spikecut.tools.views.window import Closed, WindowSink, has_display

if TYPE_CHECKING:
    from spikecut.tools.commands.run import Run

Item = Step | Decision | Rest


@dataclass(slots=True)
class Tally:
    """Counts what passes by: frames, events used, events lost, sensor time."""

    n_events: int = 0
    sensor_us: int = 0
    start_us: int | None = None
    end_us: int = 0
    lost: DropCounts = NOTHING_LOST

    def over(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.start_us = frame.start_us if self.start_us is None else self.start_us
            self.end_us = frame.end_us
            self.n_events += frame.n_events
            self.sensor_us += frame.end_us - frame.start_us
            self.lost += frame.lost
            yield frame

    def since_start(self, time_us: int) -> int:
        return time_us - (self.start_us or 0)


@dataclass(slots=True)
class Stopwatch:
    """How long somebody else took for the items that pass: what we do with them is not counted."""

    seconds: float = 0.0

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        iterator = iter(items)
        while True:
            asked = time.perf_counter()
            item = next(iterator, None)
            self.seconds += time.perf_counter() - asked
            if item is None:
                return
            yield item


def run_run(options: "Run", *, clock: Clock | None = None) -> int:
    """The command: decisions to stdout, a summary to stderr; 3 if the recording was damaged.

    Networks whose card has an onset recognise continuously; the others decide window after window. One that looks at
    pictures decides once.

    Raises:
        ConfigError: if the speed cannot be, or a picture is to be played.
        EmptyRecording: if there is not a single event.
    """
    path, save, once, as_json = options.file, options.save, options.once, options.json
    speed = parse_speed(options.speed)
    window = {"auto": None, "on": True, "off": False}[options.window]
    weights = opening.locate(options.model or network_for(path))
    stepper, card = opening.load(weights)
    decider = find_cutoff(options.cutoff, weights, card).cutoff
    if card.spec.inputs == 3:
        if save is not None or speed is not None or window:
            raise ConfigError("a picture stands still: there is nothing to film or to play", hint="spikecut why draws")
        return run_picture(path, stepper, card, decider, as_json=as_json)
    recording, binner = open_for(path, card)
    truth = card.classes.index(path.parent.name) if path.parent.name in card.classes else None
    spans = labels_of(path, card)
    tally, lag = Tally(), Lag()
    frames: Iterable[Frame] = on_sensor(binner.bins(recording), str(path), recording.sensor)
    if speed is not None:
        frames = paced(frames, speed, clock or WallClock(), lag)
    frames = tally.over(frames)
    if card.onset:
        items = recognise(frames, stepper, decider, horizon=card.horizon, onset=Onset(**card.onset))
    else:
        items = watch(frames, stepper, decider, horizon=card.horizon)
    report = _Report(card, decider.rule, truth, spans, tally, as_json)
    watched = Stopwatch()
    started = time.perf_counter()
    with contextlib.ExitStack() as stack:
        sinks: list[VideoSink | WindowSink] = []
        if save is not None:
            sinks.append(stack.enter_context(video_of(save, card, decider, overwrite=options.overwrite)))
        if _wants_window(window, speed):
            sinks.append(stack.enter_context(window_of(card, decider)))
        for sink in sinks:
            sink.begin(path.name, truth)
        try:
            for item in watched.over(items):
                if isinstance(item, Step) and once and report.n_decisions:
                    break
                if isinstance(item, Decision) and report.n_decisions and not card.onset and too_short(item, card):
                    print(f"the last {item.steps} steps are too few for another answer", file=sys.stderr)
                    break
                report.see(item)
                for sink in sinks:
                    if spans is not None and isinstance(item, Step) and item.index == 0:
                        sink.expect(report.truth_at(item.frame.end_us))
                    sink.write(item)
                if isinstance(item, Decision | Rest) and once and report.n_decisions and not sinks:
                    break
        except Closed:
            print("the window was closed", file=sys.stderr)
        if not tally.n_events and not tally.lost:
            raise EmptyRecording(path, f"no events in this {recording.format} recording")
        score = report.end(complete=not once)
        if score is not None:
            for sink in sinks:
                if isinstance(sink, VideoSink):
                    sink.card(lines.summary_card(score, report.n_steps, tally.sensor_us // card.spec.step_us))
    wall_s, sensor_s = time.perf_counter() - started, tally.sensor_us / 1e6
    print(
        f"{recording.format} {recording.sensor}  {tally.n_events} events  {sensor_s:.2f} s  "
        f"{report.n_decisions} decisions in {report.n_steps} steps",
        file=sys.stderr,
    )
    if tally.n_events and not report.n_steps:
        print(
            "nothing began to move: it stood still, or moved from the first bin on; "
            "`spikecut why FILE --start SECONDS` looks at any window",
            file=sys.stderr,
        )
    drawn = f", with the overlay in {wall_s:.2f} s ({sensor_s / wall_s:.1f}x)" if sinks else ""
    if speed is None:
        print(
            f"read, binned, stepped and decided in {watched.seconds:.2f} s "
            f"({sensor_s / max(watched.seconds, 1e-9):.0f}x real time){drawn}" + (f"  -> {save}" if save else ""),
            file=sys.stderr,
        )
    if speed is not None:
        print(f"played at {speed:g} times the sensor's pace: {lag}", file=sys.stderr)
    if tally.lost:
        causes = ", ".join(f"{n} {cause}" for cause, n in tally.lost.events_by_cause().items())
        print(f"damaged: {tally.lost.total} events lost ({causes}); spikecut info says where", file=sys.stderr)
    return 3 if tally.lost else 0


class _Report:
    """Prints decisions as they fall, beside the labels where there are any."""

    def __init__(
        self,
        card: ModelCard,
        rule: str,
        truth: int | None,
        spans: tuple[GestureSpan, ...] | None,
        tally: Tally,
        as_json: bool,
    ) -> None:
        self.card, self.rule, self.truth, self.tally, self.as_json = card, rule, truth, tally, as_json
        self.spans = spans
        self.matcher = None if spans is None else Matcher([(span.label, span.start_us, span.end_us) for span in spans])
        self.n_decisions = self.n_steps = 0

    def see(self, item: Step | Decision | Rest) -> None:
        if isinstance(item, Step):
            self.n_steps += 1
        self._missed(self.tally.end_us)
        if not isinstance(item, Decision):
            return
        self.n_decisions += 1
        match: Match | None = None
        truth = self.truth
        if self.matcher is not None and self.spans is not None:
            match = self.matcher.decided(item.label, item.time_us)
            truth = self.spans[match.span].label if match.outcome is not Outcome.false_alarm else None
        if self.as_json:
            print(lines.as_object(item, self.card, truth, self.rule, match), flush=True)
        elif self.card.onset:
            at_us = self.tally.since_start(item.time_us)
            print(lines.in_stream(item, self.card, at_us, match, truth), flush=True)
        else:
            print(lines.as_text(item, self.card, truth, self.rule), flush=True)

    def truth_at(self, time_us: int) -> int | None:
        """What is labelled at that moment."""
        inside = (span.label for span in self.spans or () if span.start_us <= time_us < span.end_us)
        return next(inside, None)

    def end(self, *, complete: bool) -> Score | None:
        """The summary of a labelled session that was watched to its end."""
        if self.matcher is None or not complete:
            return None
        self._missed(1 << 62)
        score = self.matcher.score(self.tally.sensor_us / 6e7)
        print(json.dumps({"summary": lines.summary_object(score)}) if self.as_json else lines.summary_text(score))
        return score

    def _missed(self, time_us: int) -> None:
        if self.matcher is None or self.spans is None:
            return
        for place in self.matcher.passed(time_us):
            span = self.spans[place]
            if not self.as_json:
                print(lines.missed_text(span.label, self.card, self.tally.since_start(span.end_us)), flush=True)


def labels_of(path: Path, card: ModelCard) -> tuple[GestureSpan, ...] | None:
    """The labels beside a session of DVS128 Gesture, `NAME_labels.csv`, for a network that knows its classes."""
    file = labels_beside(path)
    if card.classes != GESTURES or not file.is_file():
        return None
    labels = read_labels(file)
    for note in labels.notes:
        print(f"note: {note}", file=sys.stderr)
    return labels.spans


def too_short(decision: Decision, card: ModelCard) -> bool:
    """Whether the end of the recording cut a window off before half of it had come."""
    return decision.reason is StopReason.end_of_stream and 2 * decision.steps < card.horizon


def parse_speed(text: str) -> float | None:
    """`max` is None, as fast as possible; a number is a factor of the sensor's pace.

    Raises:
        ConfigError: if it is neither.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ConfigError(f"a speed of {text!r}", hint="1 is the pace of the sensor, 0.25 a quarter of it, or max")
    return speed


def _wants_window(window: bool | None, speed: float | None) -> bool:
    if window is None and speed is not None and not has_display():
        print("no display here: playing without a window", file=sys.stderr)
    return (speed is not None and has_display()) if window is None else window


def window_of(card: ModelCard, decider: CutoffDecider[Any]) -> WindowSink:
    """The overlay in a window, for one network and one cutoff."""
    return WindowSink(names=card.classes, horizon=card.horizon, step_us=card.spec.step_us, thresholds=_limits(decider))


def video_of(path: Path, card: ModelCard, decider: CutoffDecider[Any], *, overwrite: bool) -> VideoSink:
    """An overlay video for one network and one cutoff."""
    return VideoSink(
        path,
        names=card.classes,
        horizon=card.horizon,
        step_us=card.spec.step_us,
        thresholds=_limits(decider),
        speed=1.0 if card.onset else None,
        overwrite=overwrite,
    )


def _limits(decider: CutoffDecider[Any]) -> list[float] | None:
    """The thresholds to draw; rules that are no threshold have none."""
    return decider.thresholds.tolist() if isinstance(decider, ThresholdCutoff) and decider.rule != "none" else None
