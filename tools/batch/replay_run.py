"""The pass of a replay: what is not done yet is divided into batches and driven, what is done is read back."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import spikecut
from spikecut.models.card import ModelCard
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.fit import Fit, Fits
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.stored import plain
from spikecut.tools.batch.batches import batch_of, batches_of
from spikecut.tools.batch.driving import Done, Quarantined, drive
from spikecut.tools.batch.executors.base import Executor
from spikecut.tools.batch.outcomes import Outcomes, outcomes_of
from spikecut.tools.batch.progress import Progress, shown
from spikecut.tools.batch.replay_work import ReplayWork
from spikecut.tools.batch.run_folder.card import RunCard
from spikecut.tools.batch.run_folder.folder import Fault, RunFolder
from spikecut.tools.batch.run_folder.parquet import Columns
from spikecut.tools.batch.run_folder.parts import parts_in, read_part


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


def replay_all(work: ReplayWork, run: RunFolder | None, executor: Executor) -> Replayed:
    """Replays all recordings that a run has not done yet; without a run all of them, and nothing is kept."""
    examples = work.examples
    assert examples is not None
    ids = examples.ids(work.folder)
    run_key = "" if run is None else run.key
    finished = frozenset() if run is None else run.done() | run.quarantined().keys()
    progress = Progress("replay", len(ids), len(finished), work.watched)
    rows: list[Columns] = []
    faults: dict[str, Fault] = {} if run is None else run.quarantined()
    fits = Fits()
    batches = batches_of(run_key, ids, examples.members, finished)
    with shown(progress) as display:
        driven = drive(work, batches, executor, rebatch=lambda items: batch_of(run_key, items))
        for item in driven:
            new = _faults(item)
            for fault in new:
                faults[fault.item_id] = fault
                if run is not None:
                    run.quarantine(fault)
            if isinstance(item, Done):
                result = item.value
                rows += [] if result.rows is None else [result.rows]
                for fit in result.fits:
                    fits.add(fit)
                progress.add(result.n, result.n_right, result.us, len(new))
                if run is not None:
                    run.note("part", part=item.batch.key, n=result.n, n_quarantined=len(new))
            else:
                progress.add(0, 0, 0, 1)
            display.update()
    if run is not None:
        run.complete()
    tables = rows if run is None else _tables(run, fits)
    outcomes = outcomes_of(tables, ids, list(work.rules))
    answered = set(outcomes.items)
    left_out = tuple(faults[item] for item in ids if item in faults and item not in answered)
    return Replayed(outcomes, left_out, fits, len(ids))


def _faults(item: Done | Quarantined) -> tuple[Fault, ...]:
    if isinstance(item, Done):
        faults: tuple[Fault, ...] = item.value.faults
        return faults
    return (Fault(item.item, item.error_class, f"{item.item}: {item.message}", item.attempts, item.worker),)


def _tables(run: RunFolder, fits: Fits) -> Iterator[Columns]:
    """The rows of all parts; the fits that they name are added."""
    for path in parts_in(run.parts):
        table = read_part(path)
        for raw in table.about.get("fits", []):
            fits.add(_fit_of(raw))
        yield table.columns


def _fit_of(raw: dict[str, Any]) -> Fit:
    """A fit, from what a part says of it."""
    sizes = {name: SensorSize(**raw[name]) for name in ("sensor", "frame")}
    return Fit(**{**raw, **sizes, "window": tuple(raw["window"]), "part": tuple(raw["part"])})
