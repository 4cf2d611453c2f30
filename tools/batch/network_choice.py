"""The network that fits a data set, where none is named: the one whose classes are those of the data.

Candidates are the shipped networks and those that lie in the current folder or in that of the data.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.models.files.checkpoint import read_card as read_network_card
from spikecut.pipeline.errors import ConfigError, ModelError, SpikecutError, in_a_line, printable
from spikecut.pipeline.outputs_file import load_outputs
from spikecut.sources.datasets import is_dataset, open_dataset
from spikecut.sources.datasets.base import Dataset, InputKind
from spikecut.sources.formats.reading.files import check_name
from spikecut.tools.batch.run_folder.card import read_card
from spikecut.tools.batch.run_folder.folder import CARD

_MOST_NAMES = 6


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that may fit: its file of weights and its card."""

    weights: Path
    card: ModelCard

    @property
    def name(self) -> str:
        """What `--model` takes for it."""
        return self.card.name if self.weights.parent == opening.SHIPPED else str(self.weights)


def network_for_data(model: str | None, data: Path, *, text: bool = False) -> Path:
    """The weights of the network of that name; without one those of the network that fits a data set, with a note.

    `data` may be a file of recorded outputs, or a run that keeps them: its network is the one that recorded them. With
    `text` files of text are recordings.

    Raises:
        ConfigError: if none fits, or several do, naming them.
        SourceError: if there is no such data set.
    """
    if model is not None:
        return opening.locate(model)
    check_name(data)
    candidates, unfit = _candidates(data)
    recorded = (data / CARD).is_file() or (data.is_file() and not is_dataset(data))
    fit = _recorded_by(candidates, data) if recorded else _knowing_classes(candidates, unfit, data, text)
    if len(fit) > 1:
        raise ConfigError(
            f"{data}: {', '.join(one.name for one in fit)} all know its classes", hint="--model says which is meant"
        )
    (one,) = fit
    print(printable(f"note: network {one.name!r} fits this data; --model gives another"), file=sys.stderr)
    return one.weights


def shown_name(weights: Path) -> str:
    """What `--model` takes for a network: the name of a shipped one, any other's path."""
    return weights.stem if weights.parent == opening.SHIPPED else str(weights)


def _candidates(data: Path) -> tuple[list[Candidate], list[str]]:
    """The shipped networks, then those in the current folder and in that of the data; each once, with a sound card.

    And why other files of weights there cannot be opened, one text each; a note names those that have a card.
    """
    networks: dict[tuple[str, tuple[str, ...]], Candidate] = {}
    unfit: list[str] = []
    for folder in (opening.SHIPPED, Path(), data if data.is_dir() else data.parent):
        for weights in sorted(folder.glob("*.safetensors")):
            try:
                card = read_network_card(weights.with_suffix(".json"))
            except (SpikecutError, OSError) as error:
                unfit.append(f"{weights} cannot be opened: {in_a_line(error)}")
                if weights.with_suffix(".json").exists():
                    print(printable(f"note: passed over: {unfit[-1]}"), file=sys.stderr)
                continue
            networks.setdefault((card.weights_sha256, card.classes), Candidate(weights, card))
    return list(networks.values()), list(dict.fromkeys(unfit))


def _recorded_by(candidates: list[Candidate], data: Path) -> list[Candidate]:
    """The network that recorded outputs: where the card of their run says, or one of the candidates."""
    if (data / CARD).is_file():
        stored = read_card(data / CARD)
        network, weights = stored["answers"].get("network"), Path(str(stored.get("weights")))
        if weights.is_file():
            candidates = [Candidate(weights, opening.card_of(weights)), *candidates]
    else:
        network = load_outputs(data)[1].get("network")
    if fit := [one for one in candidates if one.card.weights_sha256 == network]:
        return fit[:1]
    raise ConfigError(f"{data}: none of the networks here recorded these outputs", hint="--model names its network")


def _knowing_classes(candidates: list[Candidate], unfit: list[str], data: Path, text: bool) -> list[Candidate]:
    """The networks that know all classes of a data set; of several those that know no others, the shipped first."""
    opened: dict[InputKind, Dataset | SpikecutError] = {}
    fit = []
    for one in candidates:
        kind = one.card.spec.input_kind
        if kind not in opened:
            opened[kind] = _opened(data, kind, text)
        if isinstance(dataset := opened[kind], SpikecutError):
            continue
        try:
            dataset.numbered(one.card.classes, one.name)
        except (ConfigError, ModelError):
            continue
        fit.append((one, set(dataset.classes) == set(one.card.classes)))
    exact = [one for one, is_exact in fit if is_exact] or [one for one, _ in fit]
    if exact:
        return exact
    errors = [one for one in opened.values() if isinstance(one, SpikecutError)]
    if len(errors) == len(opened):
        raise errors[0]
    dataset = next(one for one in opened.values() if not isinstance(one, SpikecutError))
    known = "; ".join([*(f"{one.name}: {_few(one.card.classes)}" for one in candidates), *unfit])
    raise ConfigError(
        f"{data}: no network here knows its classes, {_few(dataset.classes)}",
        hint=f"--model names one that does; there are {known}",
    )


def _opened(data: Path, kind: InputKind, text: bool) -> Dataset | SpikecutError:
    try:
        return open_dataset(data, kind, text=text)
    except SpikecutError as error:
        return error


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
