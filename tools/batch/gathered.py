"""The outputs of a network on labelled recordings with all that is known about them; and their file."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.models.policy.network import PolicyPlanner
from spikecut.pipeline.errors import ConfigError, DamagedOutputs
from spikecut.pipeline.files.strict import typed
from spikecut.pipeline.outputs_file import load_outputs, save_outputs
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.rules.reference import Reference, StreamStatistics
from spikecut.pipeline.rules.step_budget import Seen
from spikecut.sources.datasets.base import INPUTS
from spikecut.tools.time_unit import pace_of


@dataclass(frozen=True, slots=True, eq=False)
class LabelledOutputs:
    """Outputs of one network on labelled recordings, with all that is known about them.

    `names` are those of the recordings, `data` is the digest of them all.
    `n_trained_on` of the sources shaped the network's weights, `example` is one of those; `n_damaged` could not
    be read whole. `first` are the first frames of each recording, if requested, and `digests` those of the sources.
    `fit` says how other sensors were shown to the network, empty for its own; `statistics` are those of the frames,
    `streams` of those of each recording, which outputs in a file do not have.
    `simulated` says whether all recordings are, by their own word; None where nobody knows.
    Of an unfinished run `unfinished` says how many recordings are done, of how many.
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
    streams: tuple[StreamStatistics, ...] = ()
    unfinished: tuple[int, int] | None = None
    simulated: bool | None = None

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
            **({} if self.simulated is None else {"simulated": self.simulated}),
        }
        save_outputs(path, self.recorded, about, overwrite=overwrite)


Gathered = LabelledOutputs


def refuse_trained_on(gathered: Gathered, force: bool) -> None:
    """Refuses recordings that shaped the network's weights, gathered by content, not by name."""
    if gathered.n_trained_on and not force:
        raise ConfigError(
            f"{overlap_text(gathered.n_trained_on, gathered.card)} trained this network or its policy, "
            f"{gathered.example} among them",
            hint=f"use other {pace_of(gathered.card.spec).things}, or --part calibration; or insist with --force",
        )


def refuse_unfinished(gathered: Gathered, force: bool) -> None:
    """Refuses the outputs of a run that has not seen all of its recordings."""
    if gathered.unfinished and not force:
        n_done, n_items = gathered.unfinished
        raise ConfigError(
            f"an unfinished run: {n_done} of its {n_items} {pace_of(gathered.card.spec).things} are done",
            hint="the command that began it goes on with it; or insist with --force",
        )


def overlap_text(n: int, card: ModelCard) -> str:
    """The number of examples that trained a network, as text: of pictures a card knows only a sample."""
    least = "at least " if INPUTS[card.spec.input_kind].sampled else ""
    return f"{least}{n} of these {pace_of(card.spec).things}"


def from_file(
    path: Path, weights: Path, policy: PolicyPlanner | None, card: ModelCard | None = None
) -> LabelledOutputs:
    """The outputs that `LabelledOutputs.save` wrote; `card` is that of a network that is open.

    Raises:
        DamagedOutputs: if the file cannot be read, or holds something else.
        ConfigError: if it belongs to another network or another policy.
    """
    card = card or opening.card_of(weights)
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
    return LabelledOutputs(recorded=recorded, card=card, weights=weights, **values)


@dataclass(frozen=True, slots=True)
class _About:
    """The description in a file of recorded outputs: the fields of `LabelledOutputs` about its recordings."""

    data: str
    part: str
    n_trained_on: int
    example: str
    n_damaged: int
    names: tuple[str, ...]
    fit: str = ""
    statistics: Reference | None = None
    simulated: bool | None = None
