"""`spikecut why`: the evidence over time in one recording, and the answer and time of every fitted rule."""

import io
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Num
from numpy import ndarray
from rich.console import Console
from rich.table import Table

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.models.spec import InputKind
from spikecut.pipeline.errors import ConfigError, EmptyRecording
from spikecut.pipeline.events import Frame
from spikecut.pipeline.evidence.probability import softmax
from spikecut.pipeline.evidence.scores import certainty, top2_gap
from spikecut.pipeline.files.atomic_files import refuse_existing, write_bytes
from spikecut.pipeline.fit import Fits
from spikecut.pipeline.protocols import SteppedModel
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.replay import record_outputs
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.step_budget import FirstFrames, plans_of
from spikecut.sources.datasets.frames import on_sensor
from spikecut.sources.formats.base import ReadOptions
from spikecut.sources.formats.reading.files import check_name
from spikecut.tools.cutoff_lookup import cutoffs_for, shared_policy
from spikecut.tools.frame_streams import look_at, network_for, open_for, say_fits
from spikecut.tools.reading_options import read_options
from spikecut.tools.reports.run_results import is_run
from spikecut.tools.reports.why_run import print_wrong
from spikecut.tools.time_unit import pace_of

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.why import Why


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one rule: the class, the number of steps, and whether the full window agrees."""

    rule: str
    label: int
    steps: int
    as_full: bool


def run_why(options: "Why") -> int:
    """The command: the network runs through one whole window, and every rule is applied to it; or a run is looked at.

    Raises:
        ConfigError: if the plot exists, a start is given for a still picture, or a figure of a run is wanted.
        EmptyRecording: if no bin is left from the start on.
    """
    path, start_s = options.file, options.start
    check_name(path)
    if is_run(path) or (path / "evaluation.json").is_file():
        if options.save or start_s:
            raise ConfigError(f"{path} is a run", hint="--save and --start are for one recording: spikecut why FILE")
        return print_wrong(path, options.cutoff, as_json=options.json)
    save = options.save or Path(f"why_{path.stem}_{start_s:g}s.png")
    overwrite = options.overwrite or options.save is None
    refuse_existing(save, overwrite=overwrite)
    reading = read_options(options)
    weights = opening.locate(options.model or network_for(path, reading))
    stepper, card = opening.load(weights, engine=options.engine)
    frames, title, image, fit = _WINDOWS[card.spec.input_kind](path, card, start_s, reading)
    if not frames:
        raise EmptyRecording(path, f"no events from {start_s:g} s on")
    totals, answers = _answers(frames, stepper, card, cutoffs_for(options.cutoff, weights, card))
    write_bytes(save, picture(totals, answers, card, title, image), overwrite=overwrite)
    if options.json:
        print(json.dumps(_as_json(path, card, totals, answers) | ({"fit": fit} if fit else {})))
    else:
        _print(path, card, totals, answers, len(frames))
        print(save)
    return 0


def _answers(
    frames: Sequence[Frame], stepper: SteppedModel[Any], card: ModelCard, rules: dict[str, FittedCutoff]
) -> tuple[Float32[ndarray, "T K"], list[Answer]]:
    """The evidence after every step of one window, and each rule's answer, that of the full window first."""
    policy = shared_policy(rules.values())
    first = FirstFrames(policy.look if policy else 0)
    outputs = record_outputs(first.over([frames]), 1, stepper, horizon=card.horizon)
    plans = plans_of(policy, first, [0]) if policy else None
    recorded = RecordedOutputs(outputs[:, : len(frames)], np.zeros(1, np.int64), plans=plans)
    totals = recorded.logits()[0]
    full = int(totals[-1].argmax())
    answers = [Answer("full window", full, len(frames), as_full=True)]
    for name, rule in rules.items():
        swept = sweep(recorded, rule.cutoff)
        label, steps = int(swept.labels[0]), int(swept.stops[0])
        answers.append(Answer(name, label, steps, as_full=label == full))
    return totals, answers


Window = tuple[list[Frame], str, Num[ndarray, "3 H W"] | None, str]  # frames, their title, the image if any, the fit


def _stream_window(path: Path, card: ModelCard, start_s: float, reading: ReadOptions) -> Window:
    fits = Fits()
    recording, binner = open_for(path, card, reading, fits)
    say_fits(fits, reading)
    skipped = round(start_s * 1e6 / card.spec.step_us)
    bins = on_sensor(binner.bins(recording), str(path), recording.sensor)
    return list(islice(bins, skipped, skipped + card.horizon)), f"{path.name} from {start_s:g} s", None, str(fits)


def _image_window(path: Path, card: ModelCard, start_s: float, reading: ReadOptions) -> Window:
    if start_s:
        raise ConfigError(f"a start at {start_s:g} s in a picture, which stands still")
    frames = list(look_at(path, card)[0])
    return frames, path.name, frames[0].pixels, ""


_WINDOWS: dict[InputKind, Callable[[Path, ModelCard, float, ReadOptions], Window]] = {
    "events": _stream_window,
    "images": _image_window,
}


def picture(
    totals: Float32[ndarray, "T K"],
    answers: Sequence[Answer],
    card: ModelCard,
    title: str,
    pixels: Num[ndarray, "3 H W"] | None = None,
) -> bytes:
    """A PNG with probabilities and lead over time, the stop of each rule, and the picture."""
    from matplotlib.figure import Figure

    pace = pace_of(card.spec)
    ms = pace.factor
    times = ms * np.arange(1, len(totals) + 1)
    chances = softmax(totals)
    figure = Figure(figsize=(8, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    shown = np.argsort(-chances.max(axis=0), kind="stable")[:6]
    for k in shown:
        above.plot(times, chances[:, k], label=card.classes[k], linewidth=2 if k == answers[0].label else 1)
    above.set_ylabel("probability (softmax of the sum)")
    above.set_ylim(-0.02, 1.02)
    above.set_title(title, fontsize=10)
    above.legend(fontsize=8, loc="center right")
    if pixels is not None:
        corner = above.inset_axes((0.01, 0.6, 0.2, 0.38))
        corner.imshow(pixels.transpose(1, 2, 0))
        corner.axis("off")
    below.plot(times, top2_gap(totals, np.ones(len(totals), np.int64)), color="black", linewidth=1.2)
    below.set_ylabel("lead of the first over the second")
    below.set_xlabel(f"time since the beginning, {pace.unit}")
    top = float(below.get_ylim()[1])
    for i, answer in enumerate(answers[1:]):
        colour = "#3c7d2f" if answer.as_full else "#c65d00"
        for axes in (above, below):
            axes.axvline(ms * answer.steps, color=colour, linewidth=0.8, linestyle="--")
        place = top * (0.97 - 0.09 * (i % 10))
        below.text(ms * answer.steps, place, f" {answer.rule}", fontsize=7, color=colour, va="top")
    for axes in (above, below):
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    return file.getvalue()


def _print(path: Path, card: ModelCard, totals: Float32[ndarray, "T K"], answers: Sequence[Answer], n: int) -> None:
    pace, console = pace_of(card.spec), Console(width=None if sys.stdout.isatty() else 100)
    table = Table(title=f"{path.name}: the evidence", box=None, padding=(0, 2), header_style="bold")
    for column in ("step", "time", "leader", "p", "second", "p", "lead", "1 - entropy"):
        table.add_column(column, justify="left" if column in ("leader", "second") else "right")
    chances, steps = softmax(totals), np.arange(1, n + 1)
    gaps, certain = top2_gap(totals, steps), certainty(totals, steps)
    stops = {answer.steps for answer in answers}
    for t in sorted({*np.unique(np.geomspace(1, n, 10).round().astype(int)).tolist(), *stops}):
        first, second = np.argsort(-totals[t - 1], kind="stable")[:2]
        table.add_row(
            str(t),
            pace.whole(int(t)),
            card.classes[first],
            f"{chances[t - 1, first]:.2f}",
            card.classes[second],
            f"{chances[t - 1, second]:.2f}",
            f"{gaps[t - 1]:.1f}",
            f"{certain[t - 1]:.2f}",
        )
    console.print(table)
    rules = Table(title="what every rule would have answered", box=None, padding=(0, 2), header_style="bold")
    for column in ("rule", "answer", "after", "time", ""):
        rules.add_column(column, justify="right" if column in ("after", "time") else "left")
    for answer in answers:
        rules.add_row(
            answer.rule,
            card.classes[answer.label],
            f"{answer.steps} of {n} steps",
            pace.whole(answer.steps),
            "; ".join(
                ["the end, not the rule"] * (answer.steps == n and answer.rule != "full window")
                + ["not what the full window says"] * (not answer.as_full)
            ),
        )
    console.print(rules)


def _as_json(path: Path, card: ModelCard, totals: Float32[ndarray, "T K"], answers: Sequence[Answer]) -> dict[str, Any]:
    return {
        "file": str(path),
        "model": card.name,
        "step_us": card.spec.step_us,
        "classes": list(card.classes),
        "totals": [[round(float(value), 4) for value in row] for row in totals],
        "answers": [
            {
                "rule": answer.rule,
                "label": answer.label,
                "name": card.classes[answer.label],
                "steps": answer.steps,
                "latency_us": answer.steps * card.spec.step_us,
                "as_full_window": answer.as_full,
            }
            for answer in answers
        ],
    }
