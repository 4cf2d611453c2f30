"""`spikecut run`: one recording, an answer for every window, as early as the evidence allows."""

import contextlib
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikecut.models import checkpoint
from spikecut.models.checkpoint import ModelCard
from spikecut.pipeline.cutoff import ThresholdCutoff
from spikecut.pipeline.errors import EmptyRecording
from spikecut.pipeline.events import NOTHING_LOST, DropCounts, Frame
from spikecut.pipeline.results import Decision, Rest, Step, StopReason
from spikecut.pipeline.runner import watch
from spikecut.tools.cutoffs import find_cutoff
from spikecut.tools.feeding import on_sensor, open_for
from spikecut.tools.video import VideoSink


@dataclass(slots=True)
class Tally:
    """Counts what passes by: frames, events used, events lost, sensor time."""

    n_events: int = 0
    sensor_us: int = 0
    lost: DropCounts = NOTHING_LOST

    def over(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.n_events += frame.n_events
            self.sensor_us += frame.end_us - frame.start_us
            self.lost += frame.lost
            yield frame


def run_run(
    path: Path, *, model: str, cutoff: str | None, once: bool, save: Path | None, overwrite: bool, as_json: bool
) -> int:
    """The command: decisions to stdout, a summary to stderr; 3 if the recording was damaged.

    Raises:
        EmptyRecording: if there is not a single event.
    """
    weights = checkpoint.locate(model)
    stepper, card = checkpoint.load(weights)
    decider = find_cutoff(cutoff, weights, card)
    recording, binner = open_for(path, card)
    truth = card.classes.index(path.parent.name) if path.parent.name in card.classes else None
    tally = Tally()
    frames = on_sensor(binner.bins(recording), str(path), recording.sensor)
    n_decisions, n_steps = 0, 0
    started = time.perf_counter()
    with contextlib.ExitStack() as stack:
        video = None
        if save is not None:
            video = stack.enter_context(video_of(save, card, decider, overwrite=overwrite))
            video.begin(path.name, truth)
        for item in watch(tally.over(frames), stepper, decider, horizon=card.horizon):
            if isinstance(item, Step) and once and n_decisions:
                break
            if isinstance(item, Decision) and n_decisions and too_short(item, card):
                print(f"the last {item.steps} steps are too few for another answer", file=sys.stderr)
                break
            if video is not None:
                video.write(item)
            if isinstance(item, Decision):
                n_decisions += 1
                n_steps += item.steps
                print(
                    as_line(item, card, truth, decider.rule) if as_json else as_text(item, card, truth, decider.rule),
                    flush=True,
                )
            if isinstance(item, Decision | Rest) and once and video is None:
                break
    wall_s = time.perf_counter() - started
    if not n_decisions and not tally.lost:
        raise EmptyRecording(path, f"no events in this {recording.format} recording")
    print(
        f"{recording.format} {recording.sensor}  {tally.n_events} events  {tally.sensor_us / 1e6:.2f} s  "
        f"{n_decisions} decisions in {n_steps} steps  processed in {wall_s:.2f} s" + (f"  -> {save}" if save else ""),
        file=sys.stderr,
    )
    if tally.lost:
        causes = ", ".join(f"{n} {cause}" for cause, n in tally.lost.events_by_cause().items())
        print(f"damaged: {tally.lost.total} events lost ({causes}); spikecut info says where", file=sys.stderr)
    return 3 if tally.lost else 0


def too_short(decision: Decision, card: ModelCard) -> bool:
    """Whether the end of the recording cut a window off before half of it had come."""
    return decision.reason is StopReason.end_of_stream and 2 * decision.steps < card.horizon


def video_of(path: Path, card: ModelCard, decider: ThresholdCutoff, *, overwrite: bool) -> VideoSink:
    """An overlay video for one network and one cutoff."""
    return VideoSink(
        path,
        names=card.classes,
        horizon=card.horizon,
        step_us=card.spec.step_us,
        thresholds=None if decider.rule == "none" else decider.thresholds.tolist(),
        overwrite=overwrite,
    )


def probability(decision: Decision) -> float:
    """What the summed evidence gives the answer: its entry of softmax(total)."""
    lead = decision.total.astype(np.float64) - float(decision.total.max())
    return float(np.exp(lead[decision.label]) / np.exp(lead).sum())


def as_text(decision: Decision, card: ModelCard, truth: int | None, rule: str = "") -> str:
    """One line for people."""
    mark = "" if truth is None else ("  right" if truth == decision.label else f"  wrong: {card.classes[truth]}")
    why = decision.reason.value
    if rule == "fixed" and decision.reason is StopReason.cutoff:
        why = "the fixed time was reached"
    if decision.reason is StopReason.end_of_stream:
        why = f"best guess: {why}"
    return (
        f"{card.classes[decision.label]:<12} after {decision.steps:>2} of {card.horizon} steps "
        f"({decision.latency_us / 1000:g} ms)  p {probability(decision):.2f}  {why}{mark}"
    )


def as_line(decision: Decision, card: ModelCard, truth: int | None, rule: str) -> str:
    """One JSON object for programs."""
    return json.dumps(
        {
            "label": card.classes[decision.label],
            "class": decision.label,
            "steps": decision.steps,
            "horizon": card.horizon,
            "rule": rule,
            "reason": decision.reason.name,
            "latency_us": decision.latency_us,
            "start_us": decision.start_us,
            "time_us": decision.time_us,
            "score": decision.score,
            "probability": round(probability(decision), 6),
            "n_events": decision.n_events,
            "truth": None if truth is None else card.classes[truth],
        }
    )
