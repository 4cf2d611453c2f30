"""Recorded outputs for calibrating and evaluating: of a folder, by one pass, or those that an earlier pass has kept."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.models.policy.network import PolicyPlanner
from spikecut.pipeline.errors import EmptyRecording
from spikecut.pipeline.protocols import SteppedModel
from spikecut.sources.datasets import is_dataset
from spikecut.sources.datasets.digests import digests_of
from spikecut.sources.datasets.parts import Part
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.reading.files import check_name
from spikecut.tools.batch.examples import Examples, examples_of
from spikecut.tools.batch.executors.base import Executor
from spikecut.tools.batch.executors.inline import Inline
from spikecut.tools.batch.gathered import Gathered, from_file
from spikecut.tools.batch.passes.course import Course, complain_of, going_on
from spikecut.tools.batch.passes.outputs_run import from_run, gathered_from, outputs_card, rows_of
from spikecut.tools.batch.passes.outputs_work import OutputsWork
from spikecut.tools.batch.run_folder.folder import CARD, Opening, open_run
from spikecut.tools.batch.run_folder.manifest import items_of
from spikecut.tools.batch.run_folder.parts import OUTPUTS
from spikecut.tools.frame_streams import on_stderr, say_fits
from spikecut.tools.time_unit import pace_of

_HERE, _AS_IT_IS = Inline(), Opening()


@dataclass(frozen=True, slots=True)
class Look:
    """The data of a policy: the first `n_frames` of about `n` recordings, drawn with a seed if there are more."""

    n_frames: int
    n: int
    seed: int


@dataclass(frozen=True, slots=True)
class Named:
    """A network by its name, and the engine that steps it; or one that is `loaded` already."""

    model: str
    engine: str = "auto"
    loaded: tuple[SteppedModel[Any], ModelCard] | None = None

    @property
    def weights(self) -> Path:
        """The file of weights; of a loaded network without one its name."""
        return opening.locate(self.model) if self.loaded is None else Path(self.model)

    @property
    def card(self) -> ModelCard:
        """The card of the network."""
        return opening.card_of(self.weights) if self.loaded is None else self.loaded[1]


@dataclass(frozen=True, slots=True)
class Passing:
    """How a pass is made: where, in which run folder it is kept (None: nowhere), and by which command line.

    `otherwise` says how a run would be kept. With `look` first frames are kept. `say` gets a line for each note, and
    for each recording that cannot be read whole.
    """

    executor: Executor = _HERE
    out: Path | None = None
    opening: Opening = _AS_IT_IS
    command: str = ""
    otherwise: str = ""
    look: Look | None = None
    say: Callable[[str], None] = on_stderr
    shows_progress: bool = True


_IN_MEMORY = Passing()


def gather(
    data: Path,
    network: Named,
    part: Part,
    reading: ReadOptions = DEFAULTS,
    policy: PolicyPlanner | None = None,
    how: Passing = _IN_MEMORY,
) -> Gathered:
    """Runs the network once, to the horizon, over one part of a folder; or reads what an earlier pass has kept.

    That is a file of outputs or a run folder, which may be unfinished. A `policy` runs on the first frames of every
    recording.

    Raises:
        EmptyRecording: if nothing in the folder can be read.
        DamagedOutputs: if the file cannot be read, or holds something else.
        ModelError: if an output of the network is not finite: nothing can be fitted to it.
        ConfigError: if the file belongs to another network or another policy.
    """
    weights, card = network.weights, network.card
    check_name(data)
    if data.is_file() and not is_dataset(data):
        return _of_its_part(from_file(data, weights, policy, card), data, part, how)
    if (data / CARD).is_file():
        return _of_its_part(from_run(data, weights, policy, card), data, part, how)
    examples = examples_of(data, card, part, reading)
    for note in examples.notes:
        how.say(f"note: {note}")
    if how.look is not None and how.look.n < len(examples):
        examples = examples.drawn(how.look.n, how.look.seed)
    return outputs_on(examples, network, (data, part), policy, how)


def outputs_on(
    examples: Examples,
    network: Named,
    place: tuple[Path, Part],
    policy: PolicyPlanner | None = None,
    how: Passing = _IN_MEMORY,
) -> Gathered:
    """As `gather`, on examples that are listed; `place` is their folder, which is cut off their names, and the part.

    Raises:
        EmptyRecording, ModelError: as `gather`.
    """
    card = network.card
    work = OutputsWork(
        weights=network.weights,
        engine=network.engine,
        loaded=network.loaded,
        folder=place[0],
        part=place[1],
        reading=examples.reading,
        policy=policy,
        parts=None if how.out is None else how.out / "parts",
        n_first=how.look.n_frames if how.look else 0,
        examples=examples,
    )
    return _passed(work, card, examples, how)


def _of_its_part(kept: Gathered, data: Path, part: Part, how: Passing) -> Gathered:
    """What an earlier pass has kept, which is of the part that it went over; a note if another is asked for."""
    if kept.part != part:
        how.say(f"note: {data} holds the part {kept.part} of its data, not {part}")
    return kept


def _passed(work: OutputsWork, card: ModelCard, examples: Examples, how: Passing) -> Gathered:
    """The outputs of a pass over examples."""
    ids, things = examples.ids(work.folder), pace_of(card.spec).things
    with ExitStack() as stack:
        run = None
        if how.out is not None:
            items = items_of(examples.members, ids, [card.classes[label] for label in examples.labels])
            run = stack.enter_context(open_run(how.out, outputs_card(work, card, how.command), items, how.opening))
        course = Course(
            "recording outputs",
            ids,
            examples.members,
            how.executor,
            run,
            finite=True,
            shows_progress=how.shows_progress,
        )
        if how.shows_progress:
            stack.enter_context(going_on(run, how.command, how.otherwise))
        kinds = OUTPUTS if run is not None else {**OUTPUTS, "first": ""}
        rows = rows_of(course.tables(work, kinds), ids)
        digests = _digests(examples, ids, rows)
        data = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
        if run is not None:
            run.describe(data_sha256=data, simulated=examples.simulated)
    faults = course.left_out([row["item_id"] for row in rows])
    damaged = {row["place"]: int(row["dropped"]) for row in rows if row["dropped"]}
    n_damaged = complain_of(faults, damaged, None if run is None else run.path, how.say)
    say_fits(course.fits, work.reading, how.say)
    if not rows:
        raise EmptyRecording(work.folder, f"none of its {len(examples)} {things} could be read")
    known = set(card.trained_on + (work.policy.trained_on if work.policy else ()))
    overlap = [one for one, digest in zip(examples.sources, digests, strict=True) if digest in known]
    return replace(
        gathered_from(rows, card, work.weights, work.policy, f"of {work.folder.name} ({work.part})"),
        data=data,
        part=work.part,
        n_trained_on=len(overlap),
        example=str(overlap[0].path) if overlap else "",
        n_damaged=n_damaged,
        first=np.stack([row["first"] for row in rows]) if how.look else None,
        digests=tuple(digests),
        fit=str(course.fits),
        simulated=examples.simulated,
    )


def _digests(examples: Examples, ids: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The digest of every source, also of those that could not be read as recordings."""
    by_item = {row["item_id"]: str(row["sha256"]) for row in rows}
    by_source: dict[int, str] = {}
    for item, member in zip(ids, examples.members, strict=True):
        if item in by_item:
            by_source[id(member.source)] = by_item[item]
    return [by_source.get(id(one)) or digests_of([one])[0] for one in examples.sources]
