"""`spikecut teach`: a few recordings of a user's own, and a network that knows them beside what it knew."""

import copy
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from spikecut.models.card import ModelCard
from spikecut.models.files import checkpoint, opening
from spikecut.models.files.memory import Memory, load_memory, memory_beside, save_memory
from spikecut.models.layers import take_place
from spikecut.models.training.teaching import (
    COPIES,
    Readout,
    body_and_readout,
    cross_taught,
    first_rows,
    taught_readout,
)
from spikecut.pipeline.errors import ConfigError, ModelError, SpikecutError
from spikecut.pipeline.files.atomic_files import claimed
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.tools.cutoff_lookup import beside, find_cutoff
from spikecut.tools.flags import command_line
from spikecut.tools.machine import commit, processor, use
from spikecut.tools.reading_options import read_options
from spikecut.tools.training.lessons import Lessons, empty_memory, lessons_in, memory_of
from spikecut.tools.training.taught_card import CUTOFF, cutoff_for, described, metrics_of

if TYPE_CHECKING:
    from spikecut.tools.commands.fit.teach import Teach

_DEFAULT = "gestures"


@dataclass(frozen=True, slots=True)
class _Pupil:
    """The network that is taught: a trained one, or one that was taught before."""

    weights: Path
    network: nn.Module
    card: ModelCard

    @property
    def taught(self) -> dict[str, Any]:
        """What its card says that it was taught."""
        value = self.card.provenance.get("taught", {})
        return dict(value) if isinstance(value, dict) else {}


def run_teach(options: "Teach") -> int:
    """The command; prints the path of the weights.

    Raises:
        ConfigError: if the network has no memory and no recordings of the old classes are given, looks at pictures, or
            OUT was taught from another network; or if a recording was taught as another class.
        ModelError: if its memory is another network's.
    """
    use(options.threads)
    out = _out(options)
    if options.remember:
        return _remember(options, out)
    if out is None:
        raise ConfigError("--out is missing", hint="--out mine writes mine.safetensors and what belongs to it")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}", hint=f"mkdir {out.parent}")
    with claimed(memory_beside(out)):
        return _teach(options, out)


def _teach(options: "Teach", out: Path) -> int:
    started, reading = time.monotonic(), read_options(options)
    pupil = _pupil(options, out)
    memory = _memory(options, pupil)
    lessons = lessons_in(options.folder, pupil.card, options.part, reading)
    known = dict(zip(memory.origin.keys, memory.labels.tolist(), strict=True))
    for key, label, example in zip(lessons.keys, lessons.labels, lessons.examples, strict=True):
        if known.get(key, label) != label:
            raise ConfigError(
                f"{example.place}: taught before as {memory.origin.classes[known[key]]!r}",
                hint="a recording has one class; start anew with another --out",
            )
    new = lessons.among(set(lessons.keys) - set(known))
    if new.keys:
        rows = memory_of(new, pupil.network, pupil.card, _without_rows(memory, new), reading, options.seed)
        memory = memory.plus(rows)
    elif _is_whole(pupil, memory, out):
        n = len(set(pupil.taught.get("recordings", {})))
        print(f"nothing new: the {n} recordings that taught {out.stem} are all there is", file=sys.stderr)
        print(out)
        return 0
    readout = taught_readout(memory, options.seed)
    outputs = cross_taught(memory, options.seed)
    which = first_rows(memory)
    recorded = RecordedOutputs(outputs, memory.labels[which])
    card = replace(_card(options, pupil, memory, recorded, lessons), name=out.stem)
    card = replace(card, provenance={**card.provenance, "seconds": round(time.monotonic() - started)})
    save_memory(memory_beside(out), memory)
    card = checkpoint.save(out.parent, card, with_readout(pupil.network, readout))
    cutoff = cutoff_for(card, memory, recorded, options.seed)
    cutoff.save(beside(out, CUTOFF), overwrite=True)
    for line in described(card, cutoff):
        print(line, file=sys.stderr)
    print(out)
    return 0


def _out(options: "Teach") -> Path | None:
    if options.out is None:
        return None
    name = options.out.name.removesuffix(".safetensors")
    if not name or name.startswith("."):
        raise ConfigError(f"--out {options.out}: expected a name, such as mine")
    return options.out.with_name(f"{name}.safetensors")


def _pupil(options: "Teach", out: Path) -> _Pupil:
    """OUT, if it is there, else the network that is named.

    Raises:
        ConfigError: if OUT was taught from another network than the one named, or is none that was taught.
    """
    weights = out if out.is_file() else opening.locate(options.model or _DEFAULT)
    network, card = opening.load_module(weights)
    pupil = _Pupil(weights, network, card)
    if weights != out:
        return pupil
    start = card.provenance.get("started_from", {})
    sha256 = start.get("weights_sha256") if isinstance(start, dict) else None
    if not pupil.taught:
        raise ConfigError(f"{out} is a network that was not taught", hint="choose another --out")
    if options.model is not None and opening.card_of(opening.locate(options.model)).weights_sha256 not in (
        sha256,
        card.weights_sha256,
    ):
        raise ConfigError(f"{out} was taught from another network than {options.model}", hint="choose another --out")
    return pupil


def _memory(options: "Teach", pupil: _Pupil) -> Memory:
    """The memory beside the network, or one of recordings of its classes.

    Raises:
        ConfigError: if there is neither.
        ModelError: if it is damaged, or another network's.
    """
    path = memory_beside(pupil.weights)
    if options.old is not None:
        if pupil.taught:
            raise ConfigError("--old: this network has a memory already", hint="leave it out, or choose another --out")
        return _of_old(options.old, options, pupil)
    if not path.is_file():
        raise ConfigError(
            f"network {pupil.card.name!r} has no memory of its classes ({path.name}), and would forget them",
            hint="--old FOLDER names labelled recordings of them",
        )
    memory = load_memory(path)
    _, readout = body_and_readout(pupil.network)
    start = pupil.card.provenance.get("started_from", {}) if pupil.taught else {}
    network = start.get("weights_sha256", "") if pupil.taught else pupil.card.weights_sha256
    classes = pupil.card.classes[: memory.origin.n_old] if pupil.taught else pupil.card.classes
    same = memory.origin.classes[: memory.origin.n_old] == classes
    if memory.origin.network != network or not same or memory.weight.shape[1] != readout.in_features:
        raise ModelError(f"{path}: the memory of another network", hint="--old FOLDER makes a new one")
    return memory


def _of_old(folder: Path, options: "Teach", pupil: _Pupil) -> Memory:
    """The memory of a network, of labelled recordings of its classes."""
    reading = read_options(options)
    lessons = lessons_in(folder, pupil.card, "all" if options.old else options.part, reading)
    if strangers := lessons.classes[len(pupil.card.classes) :]:
        raise ConfigError(
            f"{folder}: {strangers[0]!r} is none of the classes of network {pupil.card.name!r}",
            hint="a memory is of the classes that a network was trained on",
        )
    empty = empty_memory(pupil.network, pupil.card)
    return memory_of(lessons, pupil.network, pupil.card, empty, reading, None)


def _remember(options: "Teach", out: Path | None) -> int:
    """Writes the memory of a network: beside it, or for a shipped one, or with OUT, elsewhere."""
    weights = opening.locate(options.model or _DEFAULT)
    network, card = opening.load_module(weights)
    memory = _of_old(options.folder, options, _Pupil(weights, network, card))
    here = weights if weights.parent != opening.SHIPPED else Path(weights.name)
    target = memory_beside(out or here)
    save_memory(target, memory)
    missing = [name for label, name in enumerate(card.classes) if label not in memory.labels]
    print(f"{len(memory.labels)} recordings" + (f"; none of {', '.join(missing)}" if missing else ""), file=sys.stderr)
    print(target)
    return 0


def _is_whole(pupil: _Pupil, memory: Memory, out: Path) -> bool:
    """Whether network and cutoff are of all recordings in the memory: a killed command may have left older ones."""
    keys = {key for key, own in zip(memory.origin.keys, memory.taught.tolist(), strict=True) if own}
    if pupil.weights != out or keys != set(pupil.taught.get("recordings", {})):
        return False
    try:
        find_cutoff(None, out, pupil.card)
    except SpikecutError:
        return False
    return True


def _without_rows(memory: Memory, lessons: Lessons) -> Memory:
    """The memory without rows, for rows of more classes."""
    origin = replace(memory.origin, classes=lessons.classes, keys=(), names=())
    none = slice(0, 0)
    return replace(
        memory, origin=origin, features=memory.features[none], labels=memory.labels[none], taught=memory.taught[none]
    )


def with_readout(network: nn.Module, readout: Readout) -> nn.Module:
    """A copy of the network with another readout."""
    taught, last = copy.deepcopy(network), len(list(network.children())) - 1
    layer = nn.Linear(readout.weight.shape[1], len(readout.bias))
    layer.weight, layer.bias = (nn.Parameter(torch.from_numpy(np.array(one))) for one in (readout.weight, readout.bias))
    take_place(taught, last, layer)
    return taught


def _card(options: "Teach", pupil: _Pupil, memory: Memory, recorded: RecordedOutputs, lessons: Lessons) -> ModelCard:
    card, origin = pupil.card, memory.origin
    own = [at for at in first_rows(memory).tolist() if memory.taught[at]]
    before = card.provenance
    start = before["started_from"] if pupil.taught else {"weights_sha256": card.weights_sha256, **before}
    names = {origin.keys[at]: origin.names[at] for at in own}
    own_terms = lessons.dataset.provenance("that of the recordings", "whoever recorded them")
    data = f"{start.get('data', 'unknown')}; taught by {len(own)} recordings"
    digests = (key.partition(":")[0] for key in origin.keys)
    return replace(
        card,
        spec=replace(card.spec, n_classes=len(origin.classes)),
        classes=origin.classes,
        default_cutoff=CUTOFF,
        trained_on=tuple(dict.fromkeys((*card.trained_on, *digests))),
        metrics=metrics_of(memory, recorded),
        provenance={
            "command": command_line("teach", options),
            "data": data + (f" ({lessons.dataset.origin})" if lessons.dataset.origin else ""),
            "data_licence": f"{start.get('data_licence', 'unknown')}; taught: {own_terms['data_licence']}",
            "attribution": start.get("attribution", "unknown"),
            "taught": {
                "recordings": names,
                "n": {name: int((memory.labels[own] == k).sum()) for k, name in enumerate(origin.classes)},
                "copies": COPIES,
                "seed": options.seed,
            },
            "started_from": start,
            "machine": processor(),
            "commit": commit(),
        },
    )
