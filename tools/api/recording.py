"""`spikecut.record`: the outputs of a network at every step of labelled recordings."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from os import PathLike, fspath
from pathlib import Path
from typing import Any, get_args

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.errors import ConfigError, ModelError, SpikecutWarning
from spikecut.pipeline.files.arguments import one_of, whole
from spikecut.pipeline.filters.base import Filter
from spikecut.pipeline.filters.parsing import filters_of
from spikecut.pipeline.fit import check_fit
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.sources.datasets.parts import Part
from spikecut.sources.formats.base import DEFAULTS
from spikecut.tools.api.given import PLACE, examples_given
from spikecut.tools.batch.executors.inline import Inline
from spikecut.tools.batch.executors.local import Local
from spikecut.tools.batch.gathered import LabelledOutputs
from spikecut.tools.batch.outputs import Named, Passing, gather, outputs_on


def record(
    data: Any,
    network: Any = None,
    *,
    part: Part = "all",
    fit: str | None = None,
    filters: Iterable[Filter | str] = (),
    jobs: int = 1,
) -> LabelledOutputs:
    """Steps a network to the horizon over labelled recordings, once: from its outputs every rule is fitted and swept.

    `data` is a folder of `<class>/<recording>` or another data set on the disk, of which one `part` is read (train,
    calibration, test, all); or a sequence of pairs (recording, label), such as a list, or a data set of Tonic: whatever
    `run` takes, with the number of a class or its name. Where several recordings show one person, a third entry of each
    names the person: promises say so then. What was recorded before is taken as it is: a file of `save`, a
    run folder, `RecordedOutputs`, or the value of this function.

    `network` is a name, a path, or what `load_network` or `from_norse` gave; only with `LabelledOutputs` it may be
    left out. `fit` and `filters` are those of `run`; recordings in files are cropped where no fit is given. `jobs`
    processes share the work on files. Recordings that cannot be read are left out, with one `SpikecutWarning`.

    The value has `recorded.outputs` (N, T, K) float32 and `recorded.labels` (N,) int64, and knows the network's card.

    Raises:
        ConfigError: if the data is none of these or holds nothing, or a label is no class of the network.
        SourceError: if nothing in it can be read.
        ModelError: if the network cannot be opened or is another than the one that was recorded, or an output is not
            finite.

    >>> import spikecut
    >>> network, card = spikecut.load_network("nmnist")
    >>> outputs = record([(spikecut.DrawnDigit(digit, seed=1), digit) for digit in (2, 7)], network)
    >>> outputs.recorded.outputs.shape, outputs.recorded.labels.tolist(), outputs.card.name
    ((2, 30, 10), [2, 7], 'nmnist')
    """
    jobs = whole("jobs", jobs, least=1)
    one_of("part", part, get_args(Part))
    if isinstance(data, LabelledOutputs):
        return _of_this_network(data, network)
    named = opened(network)
    if isinstance(data, RecordedOutputs):
        return outputs_of(data, named.card, named.weights)
    check_fit(fit or "")
    reading = replace(DEFAULTS, fit=fit or "", filters=filters_of(filters))
    executor = Inline() if jobs == 1 else Local(jobs)
    with _quietly() as lines:
        how = Passing(executor=executor, say=lines.append, shows_progress=False)
        if isinstance(data, str | PathLike):
            by_file = named if jobs == 1 else Named(str(opening.named(network)))
            return gather(Path(fspath(data)), by_file, part, reading, how=how)
        if jobs > 1:
            raise ConfigError(f"jobs={jobs} with recordings in memory", hint="jobs share recordings in files")
        stepper = opening.load(named.weights)[0] if named.loaded is None else named.loaded[0]
        examples = examples_given(data, stepper, named.card, reading)
        return outputs_on(examples, replace(named, loaded=(stepper, named.card)), (PLACE, "all"), how=how)


def opened(network: Any) -> Named:
    """A network as the passes over recordings take it.

    Raises:
        ConfigError: if it is neither a name or path nor a network with a card.
        ModelError: if there is no such network.
    """
    if isinstance(network, str | PathLike):
        return Named(fspath(network))
    card = getattr(network, "card", None)
    if not isinstance(card, ModelCard) or not hasattr(network, "step"):
        hint = "the network is the first of the two: network, card = load_network(...)"
        raise ConfigError(
            f"network: found a {type(network).__name__}; expected a name, a path, or a network of load_network or "
            "from_norse",
            hint=hint if isinstance(network, tuple) else None,
        )
    weights = getattr(network, "weights", None)
    return Named(str(weights) if isinstance(weights, Path) else card.name, loaded=(network, card))


def outputs_of(recorded: RecordedOutputs, card: ModelCard, weights: Path) -> LabelledOutputs:
    """Outputs and labels in arrays as those of a network.

    Raises:
        ModelError: if they are of another number of steps or classes.
    """
    if (recorded.horizon, recorded.n_classes) != (card.horizon, len(card.classes)):
        raise ModelError(
            f"outputs of {recorded.horizon} steps and {recorded.n_classes} classes; network {card.name!r} has "
            f"{card.horizon} and {len(card.classes)}"
        )
    digest = sha256(recorded.outputs.tobytes() + recorded.labels.tobytes()).hexdigest()
    names = tuple(map(str, range(len(recorded))))
    return LabelledOutputs(recorded, card, weights, names, digest, "all")


def warn(line: str) -> None:
    """A note as a `SpikecutWarning`."""
    warnings.warn(line.removeprefix("note: "), SpikecutWarning, stacklevel=4)


def _of_this_network(outputs: LabelledOutputs, network: Any) -> LabelledOutputs:
    if network is not None:
        card, recorded_by = opened(network).card, outputs.card
        if card.weights_sha256 != recorded_by.weights_sha256:
            raise ModelError(f"outputs of network {recorded_by.name!r}; expected those of {card.name!r}")
    return outputs


@contextmanager
def _quietly() -> Iterator[list[str]]:
    """Lines become warnings at the end: every note, and one for all recordings that cannot be read whole.

    The number of torch's threads, which a pass sets to 1, is then what it was.
    """
    import torch

    n_threads, lines = torch.get_num_threads(), list[str]()
    try:
        yield lines
    finally:
        torch.set_num_threads(n_threads)
        for note in dict.fromkeys(line for line in lines if line.startswith("note: ")):
            warn(note)
        if damaged := [line for line in lines if not line.startswith("note: ")]:
            warn(f"{len(damaged)} recordings could not be read whole, such as: {damaged[0]}")
