"""A replay as a run: its card, and its answers from what is kept or not."""

import hashlib
import json
from dataclasses import dataclass

import spikecut
from spikecut.models.card import ModelCard
from spikecut.pipeline.fit import Fits
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.stored import plain
from spikecut.tools.batch.executors.base import Executor
from spikecut.tools.batch.passes.course import Course
from spikecut.tools.batch.passes.outcomes import Outcomes, outcomes_of
from spikecut.tools.batch.passes.replay_work import ReplayWork
from spikecut.tools.batch.run_folder.card import RunCard
from spikecut.tools.batch.run_folder.folder import Fault, RunFolder
from spikecut.tools.batch.run_folder.parts import SHORT


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """The answers of a pass to `n_items` recordings, and what was left out; `fits` are those of other sensors."""

    outcomes: Outcomes
    faults: tuple[Fault, ...]
    fits: Fits
    n_items: int


def run_card(work: ReplayWork, card: ModelCard, command: str) -> RunCard:
    """The card of a replay that is kept."""
    answers = {
        "command": "replay",
        "spikecut": spikecut.__version__,
        "network": card.weights_sha256,
        "engine": work.engine,
        "part": work.part,
        "reading": work.reading.given or "as the files say",
        "rules": {name: digest_of(rule) for name, rule in work.rules.items()},
        "stops": work.stops,
    }
    about = {
        "first_command": command,
        "model": card.name,
        "data": str(work.folder),
        "classes": list(card.classes),
        "step_us": card.spec.step_us,
        "horizon": card.horizon,
    }
    return RunCard(answers, about)


def digest_of(rule: FittedCutoff) -> str:
    """The SHA-256 of all that a rule decides by."""
    return hashlib.sha256(json.dumps(plain(rule.cutoff), sort_keys=True).encode()).hexdigest()


def replay_all(work: ReplayWork, run: RunFolder | None, executor: Executor, batch_size: int | None = None) -> Replayed:
    """Replays all recordings that a run has not done yet; without a run all of them, and nothing is kept.

    `batch_size` is that of the whole run where the work is a share of it.
    """
    examples = work.examples
    assert examples is not None
    ids = examples.ids(work.folder)
    course = Course("replay", ids, examples.members, executor, run, batch_size)
    outcomes = outcomes_of(course.tables(work, SHORT, work.watched), ids, list(work.rules))
    return Replayed(outcomes, course.left_out(outcomes.items), course.fits, len(ids))
