"""The wrong answers of a rule as pictures: what the sensor saw until the stop, and the picture of `spikecut why`."""

import csv
import io
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.errors import ModelError, SpikecutError, in_a_line
from spikecut.pipeline.events import Frame
from spikecut.pipeline.files.limits import small_text
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.sources.datasets import is_dataset
from spikecut.sources.datasets.base import Example
from spikecut.sources.datasets.reading import readings
from spikecut.tools.batch.examples import examples_of
from spikecut.tools.batch.gathered import Gathered, from_file
from spikecut.tools.cutoff_lookup import find_cutoff
from spikecut.tools.frame_streams import view_of
from spikecut.tools.reports.why import explained
from spikecut.tools.reports.why_picture import picture
from spikecut.tools.reports.why_thumbnails import thumbnail
from spikecut.tools.reports.why_window import Answer, Explanation, Window

MOST = 12


@dataclass(frozen=True, slots=True)
class Wrong:
    """A wrong answer: the recording, the true class, the answer after so many steps, and whether it was lost.

    It is lost if the full window names the true class. `index` is the recording's place in the evaluation.
    """

    index: int
    recording: str
    truth: str
    answer: str
    steps: int
    lost: bool


@dataclass(frozen=True, slots=True)
class WrongPicture:
    """A wrong answer as two PNGs: a small one of its events, and that of `spikecut why`."""

    wrong: Wrong
    small: bytes
    why: bytes


@dataclass(frozen=True, slots=True)
class WrongAnswers:
    """The wrong answers of a rule, the lost ones first; pictures of the first few, or a note why there are none."""

    answers: tuple[Wrong, ...]
    pictures: tuple[WrongPicture, ...] = ()
    note: str = ""


def wrong_answers(run: Path, evaluation: dict[str, Any], rule: str) -> WrongAnswers:
    """The wrong answers of a rule in the evaluation of a folder. What keeps pictures from being drawn is a note."""
    if not (run / "decisions.csv").is_file() or not (run / "outputs.npz").is_file():
        return WrongAnswers((), note="The evaluation's decisions.csv or outputs.npz is missing, so none can be shown.")
    rows = _rows(run / "decisions.csv")
    try:
        weights = opening.locate(_model_of(evaluation))
        gathered = from_file(run / "outputs.npz", weights, None)
    except SpikecutError as error:
        return WrongAnswers(_wrong(rows, rule, None), note=f"No pictures: {in_a_line(error)}")
    wrong, data = _wrong(rows, rule, gathered), Path(evaluation["data"])
    if data.is_file() and not is_dataset(data):
        return WrongAnswers(wrong, note=f"No pictures: the evaluation is of recorded outputs, {data}.")
    try:
        pictures = tuple(_pictures(gathered, evaluation, rows, wrong[:MOST], rule))
    except SpikecutError as error:
        return WrongAnswers(wrong, note=f"No pictures: {in_a_line(error)}")
    return WrongAnswers(wrong, pictures)


def _rows(path: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of `decisions.csv` by rule; those of each rule are in the order of the recordings."""
    by_rule: dict[str, list[dict[str, str]]] = defaultdict(list)
    try:
        for row in csv.DictReader(io.StringIO(small_text(path, "table-bytes"), newline="")):
            by_rule[row["rule"]].append(row)
    except (OSError, KeyError, csv.Error) as error:
        raise ModelError(f"{path}: no table of decisions", hint="spikecut evaluate --overwrite") from error
    return by_rule


def _wrong(rows: dict[str, list[dict[str, str]]], rule: str, gathered: Gathered | None) -> tuple[Wrong, ...]:
    """The wrong answers of a rule, first those that the full window has right."""
    full = None
    if gathered is not None:
        full = gathered.recorded.logits()[:, -1].argmax(axis=1) == gathered.recorded.labels
    wrong = [
        Wrong(i, row["recording"], row["truth"], row["answer"], int(row["step"]), full is not None and bool(full[i]))
        for i, row in enumerate(rows[rule])
        if row["answer"] != row["truth"]
    ]
    return tuple(sorted(wrong, key=lambda one: (not one.lost, one.steps)))


def _model_of(evaluation: dict[str, Any]) -> str:
    """What `--model` was in the command of an evaluation, otherwise the network's name."""
    words = shlex.split(evaluation["command"])
    at = words.index("--model") + 1 if "--model" in words else len(words)
    return words[at] if at < len(words) else str(evaluation["model"])


def _pictures(
    gathered: Gathered,
    evaluation: dict[str, Any],
    rows: dict[str, list[dict[str, str]]],
    wrong: Sequence[Wrong],
    rule: str,
) -> Iterator[WrongPicture]:
    """The pictures of wrong answers whose recordings are where they were."""
    examples = _examples(gathered, evaluation, wrong)
    card, rules = gathered.card, _cutoffs(rows, gathered)
    for one in sorted(examples, key=lambda one: wrong.index(one)):
        frames = _frames(examples[one], card)
        if frames:
            explanation = _explanation(gathered, one, frames, rules, rule)
            answers = _answers(explanation, rows, one, card)
            yield WrongPicture(one, thumbnail(frames, one.steps), picture(replace(explanation, answers=answers)))


def _examples(gathered: Gathered, evaluation: dict[str, Any], wrong: Sequence[Wrong]) -> dict[Wrong, Example]:
    """The example of each wrong answer in the data of the evaluation, by name, and by place among equal names."""
    members = examples_of(Path(evaluation["data"]), gathered.card, evaluation["part"]).members
    by_place: dict[str, list[Example]] = defaultdict(list)
    for member in members:
        by_place[member.place].append(member)
    at_name: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(gathered.names):
        at_name[name].append(i)
    return {
        one: by_place[one.recording][at_name[one.recording].index(one.index)]
        for one in wrong
        if len(by_place[one.recording]) == len(at_name[one.recording])
    }


def _frames(example: Example, card: ModelCard) -> tuple[Frame, ...]:
    """The frames of one example, none where it can no longer be read."""
    for fate, frames in readings([example], view_of(card)):
        window = tuple(islice(frames, card.horizon))
        return () if fate.error else window
    return ()


def _cutoffs(rows: dict[str, list[dict[str, str]]], gathered: Gathered) -> dict[str, FittedCutoff]:
    """The fitted rules of an evaluation that are still beside its network."""
    cutoffs = {}
    for name in rows:
        try:
            cutoffs[name] = find_cutoff(name, gathered.weights, gathered.card)
        except SpikecutError:
            continue
    return cutoffs


def _explanation(
    gathered: Gathered, wrong: Wrong, frames: tuple[Frame, ...], rules: dict[str, FittedCutoff], rule: str
) -> Explanation:
    """The evidence of one recording, with the score of the rule if it would stop there today, too."""
    recorded = gathered.recorded.pick(np.array([wrong.index]))
    n_steps = len(frames)
    outputs = RecordedOutputs(recorded.outputs[:, :n_steps], recorded.labels, plans=recorded.plans)
    window = Window(frames, wrong.recording, int(recorded.labels[0]))
    explanation = explained(window, outputs, gathered.card, {rule: rules[rule]} if rule in rules else {})
    if explanation.stops and explanation.main.steps == min(wrong.steps, n_steps):
        return explanation
    return replace(explanation, rule=rule, trace=None)  # the cutoff is gone, or was fitted again


def _answers(
    explanation: Explanation, rows: dict[str, list[dict[str, str]]], wrong: Wrong, card: ModelCard
) -> tuple[Answer, ...]:
    """The answers of all rules as the evaluation has them, after that of the full window."""
    full, number = explanation.answers[0], {name: label for label, name in enumerate(card.classes)}
    n_steps = len(explanation.totals)
    answers = [full]
    for name, table in rows.items():
        label, steps = number[table[wrong.index]["answer"]], int(table[wrong.index]["step"])
        answers.append(Answer(name, label, min(steps, n_steps), as_full=label == full.label))
    return tuple(answers)
