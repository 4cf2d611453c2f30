"""Recorded outputs for calibrating and evaluating: from a folder, with one pass of the network, or from a file."""

import hashlib
import sys
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.models.policy.network import PolicyPlanner
from spikecut.pipeline.errors import ConfigError, DamagedOutputs, EmptyRecording, printable
from spikecut.pipeline.files.strict import typed
from spikecut.pipeline.outputs_file import load_outputs, save_outputs
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.replay import record_outputs
from spikecut.pipeline.rules.reference import FrameStatistics, Reference
from spikecut.pipeline.rules.step_budget import FirstFrames, Seen, plans_of
from spikecut.sources.datasets import is_dataset
from spikecut.sources.datasets.base import INPUTS
from spikecut.sources.datasets.parts import Part
from spikecut.sources.datasets.reading import Fate
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.formats.reading.files import check_name
from spikecut.tools.batch.examples import complain, examples_of
from spikecut.tools.frame_streams import say_fits
from spikecut.tools.time_unit import pace_of


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Outputs of one network on labelled recordings. `names` are theirs, `data` is the digest of them all.

    `n_trained_on` of the sources shaped the network's weights, `example` is one of those; `n_damaged` could not
    be read whole. `first` are the first frames of each recording, if requested, and `digests` those of the sources.
    `fit` says how other sensors were shown to the network, empty for its own;
    `statistics` are those of the frames.
    """

    recorded: RecordedOutputs
    card: ModelCard
    weights: Path
    names: tuple[str, ...]
    data: str
    part: str
    n_trained_on: int = 0
    example: str = ""
    n_damaged: int = 0
    first: Seen | None = None
    digests: tuple[str, ...] = ()
    fit: str = ""
    statistics: Reference | None = None

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Writes a `.npz` that `gather` reads in place of the folder.

        Raises:
            ConfigError: if the file exists and `overwrite` is not set.
        """
        about = {
            "network": self.card.weights_sha256,
            "classes": list(self.card.classes),
            "step_us": self.card.spec.step_us,
            "names": list(self.names),
            "data": self.data,
            "part": self.part,
            "n_trained_on": self.n_trained_on,
            "example": self.example,
            "n_damaged": self.n_damaged,
            **({"fit": self.fit} if self.fit else {}),
            **({"statistics": asdict(self.statistics)} if self.statistics else {}),
        }
        save_outputs(path, self.recorded, about, overwrite=overwrite)


@dataclass(frozen=True, slots=True)
class Look:
    """The data of a policy: the first `n_frames` of about `n` recordings, drawn with a seed if there are more."""

    n_frames: int
    n: int
    seed: int


@dataclass(frozen=True, slots=True)
class Named:
    """A network by its name, and the engine that steps it."""

    model: str
    engine: str = "auto"


def gather(
    data: Path,
    network: Named,
    part: Part,
    reading: ReadOptions = DEFAULTS,
    policy: PolicyPlanner | None = None,
    look: Look | None = None,
) -> Gathered:
    """Runs the network once, to the horizon, over one part of a folder; or reads the saved outputs of an earlier pass.

    A `policy` runs on the first frames of every recording; with `look` first frames are kept.

    Raises:
        EmptyRecording: if nothing in the folder can be read.
        DamagedOutputs: if the file cannot be read, or holds something else.
        ConfigError: if the file belongs to another network or another policy.
    """
    weights = opening.locate(network.model)
    check_name(data)
    if data.is_file() and not is_dataset(data):
        return _from_file(data, weights, policy)
    stepper, card = opening.load(weights, engine=network.engine)
    examples = examples_of(data, card, part, reading)
    for note in examples.notes:
        print(printable(f"note: {note}"), file=sys.stderr)
    if look is not None and look.n < len(examples):
        examples = examples.drawn(look.n, look.seed)
    known = card.trained_on + (policy.trained_on if policy else ())
    overlap = examples.that_trained(replace(card, trained_on=known))
    fates: list[Fate] = []
    first = FirstFrames(policy.look if policy else look.n_frames if look else 0)
    statistics = FrameStatistics()
    streams = statistics.over(first.over(examples.streams(card, fates)))
    outputs = record_outputs(streams, len(examples), stepper, horizon=card.horizon)
    readable = np.array([fate.error is None for fate in fates])
    n_damaged = complain(fates)
    say_fits(examples.fits, reading)
    if not readable.any():
        raise EmptyRecording(data, f"none of its {len(examples)} {pace_of(card.spec).things} could be read")
    kept = np.flatnonzero(readable)
    plans = plans_of(policy, first, kept.tolist()) if policy else None
    subjects = tuple(examples.members[i].subject for i in kept.tolist())
    recorded = RecordedOutputs(outputs[kept], examples.labels[kept], subjects, plans=plans)
    return Gathered(
        recorded=recorded,
        card=card,
        weights=weights,
        names=tuple(fates[i].name for i in kept),
        data=hashlib.sha256("".join(sorted(examples.digests)).encode()).hexdigest(),
        part=part,
        n_trained_on=len(overlap),
        example=str(overlap[0].path) if overlap else "",
        n_damaged=n_damaged,
        first=first.of(kept.tolist()) if look else None,
        digests=tuple(examples.digests),
        fit=str(examples.fits),
        statistics=_statistics(statistics, kept.tolist(), data, part, card),
    )


def _statistics(
    statistics: FrameStatistics, kept: list[int], data: Path, part: str, card: ModelCard
) -> Reference | None:
    """The statistics of the frames of events; pictures have none."""
    if INPUTS[card.spec.input_kind].still:
        return None
    return statistics.of(kept, f"{len(kept)} {pace_of(card.spec).things} of {data.name} ({part})")


def refuse_trained_on(gathered: Gathered, force: bool) -> None:
    """Refuses recordings that shaped the network's weights, gathered by content, not by name."""
    if gathered.n_trained_on and not force:
        raise ConfigError(
            f"{overlap_text(gathered.n_trained_on, gathered.card)} trained this network or its policy, "
            f"{gathered.example} among them",
            hint=f"use other {pace_of(gathered.card.spec).things}, or --part calibration; or insist with --force",
        )


def overlap_text(n: int, card: ModelCard) -> str:
    """The number of examples that trained a network, as text: of pictures a card knows only a sample."""
    least = "at least " if INPUTS[card.spec.input_kind].sampled else ""
    return f"{least}{n} of these {pace_of(card.spec).things}"


def _from_file(path: Path, weights: Path, policy: PolicyPlanner | None) -> Gathered:
    card = opening.card_of(weights)
    recorded, about = load_outputs(path)
    mine = (card.weights_sha256, list(card.classes), card.spec.step_us)
    if (about.get("network"), about.get("classes"), about.get("step_us")) != mine:
        raise ConfigError(
            f"{path}: outputs of another network than {card.name!r}", hint="--model says which; or record them anew"
        )
    if recorded.horizon != card.horizon or recorded.n_classes != card.spec.n_classes:
        raise ConfigError(
            f"{path}: outputs of {recorded.horizon} steps and {recorded.n_classes} classes; network {card.name!r} has "
            f"{card.horizon} and {card.spec.n_classes}"
        )
    if policy and (recorded.plans is None or recorded.plans.policy != policy.policy):
        without = "without a policy" if recorded.plans is None else f"with policy {recorded.plans.policy[:12]}"
        raise ConfigError(
            f"{path}: outputs that were recorded {without}; {policy.policy[:12]} is asked for",
            hint="record them anew: give the folder in the place of the file",
        )
    wanted = {name: about[name] for name in about if name not in ("network", "classes", "step_us")}
    try:
        known = typed(_About, wanted)
    except ConfigError as error:
        raise DamagedOutputs(path, f"recorded outputs: {error}", hint="record them anew") from error
    if len(known.names) != len(recorded):
        raise DamagedOutputs(path, f"{len(known.names)} names for {len(recorded)} recordings", hint="record them anew")
    values = {field.name: getattr(known, field.name) for field in fields(known)}
    return Gathered(recorded=recorded, card=card, weights=weights, **values)


@dataclass(frozen=True, slots=True)
class _About:
    """The description in a file of recorded outputs: the fields of `Gathered` about its recordings."""

    data: str
    part: str
    n_trained_on: int
    example: str
    n_damaged: int
    names: tuple[str, ...]
    fit: str = ""
    statistics: Reference | None = None
