"""The command `export`."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from spikecut.models.card import ModelCard
from spikecut.models.dense_form import state_shapes
from spikecut.models.engines.lowering import lowered
from spikecut.models.export.nir import nir_bytes
from spikecut.models.export.nir_file import NirFile
from spikecut.models.export.onnx import facts_of, onnx_model
from spikecut.models.export.onnx_file import OnnxFile
from spikecut.models.files.opening import load_module, named
from spikecut.pipeline.errors import ConfigError, ModelError, printable
from spikecut.pipeline.files.arguments import check_path, one_of
from spikecut.pipeline.files.atomic_files import write_bytes
from spikecut.tools.exports.comparing import Comparison, Stepped, compared

if TYPE_CHECKING:
    from spikecut.tools.commands.files.export import Export

_Format = Literal["onnx", "nir"]
SAME, DIFFERENT = 0, 3


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file with one step of a network: shapes are those of one lane, `state` names the state tensors of ONNX."""

    path: Path
    to: _Format
    n_bytes: int
    card: ModelCard
    frame: tuple[int, ...]
    n_outputs: int
    state: Mapping[str, tuple[int, ...]]


def export(
    network: Any, path: str | PathLike[str] | None = None, *, to: _Format | None = None, overwrite: bool = False
) -> ExportedFile:
    """Writes one step of a network for other programs, as ONNX or NIR.

    `network` is a name, the path of its weights, or what `load_network` gave. `to` is onnx or nir, by default that of
    the suffix of `path`; without a `path` the file is named after the network, in the current folder. In ONNX the
    state tensors are named inputs and outputs, and all zeros are rest. NIR cannot say every network.

    Raises:
        ModelError: if there is no such network, it has no file of weights, or the format cannot say it.
        ConfigError: if the file exists and `overwrite` is not set, or its suffix is another.
        EnvironmentProblem: if the package onnx or nir is missing, or the file cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     exported = export("nmnist", Path(folder, "nmnist.onnx"))
    ...     exported.to, exported.frame, exported.n_outputs, exported.path.stat().st_size == exported.n_bytes
    ('onnx', (2, 34, 34), 10, True)
    """
    if path is not None:
        check_path(path, "a file to write")
    if to is not None:
        one_of("to", to, get_args(_Format))
    module, card = load_module(named(network))
    form = format_of(to, None if path is None else Path(path))
    target = Path(f"{card.name}.{form}" if path is None else path)
    graph = lowered(module, card.spec)
    if form == "onnx":
        content = onnx_model(graph, facts_of(card)).SerializeToString()
    else:
        content = nir_bytes(graph, card.spec.step_us, facts_of(card))
    write_bytes(target, content, overwrite=overwrite)
    state = {name: tuple(shape) for name, shape in state_shapes(graph).items()} if form == "onnx" else {}
    return ExportedFile(target, form, len(content), card, tuple(graph.entry.shape), graph.n_outputs, state)


def run_export(options: "Export") -> int:
    """Writes the file; prints what is in it.

    Raises:
        ModelError, EnvironmentProblem: as `export`.
    """
    done = export(options.model, options.out, to=options.to, overwrite=options.overwrite)
    path, card = done.path, done.card
    if options.json:
        about = {"file": str(path), "to": done.to, "bytes": done.n_bytes, "frame": list(done.frame)}
        state = {name: list(shape) for name, shape in done.state.items()}
        print(json.dumps({**about, "outputs": done.n_outputs, "rejects": list(card.rejects), "state": state}))
        return SAME
    print(printable(f"{path}: one step of {card.name} ({card.spec.step_us / 1000:g} ms), {done.n_bytes:,} bytes"))
    print(f"frame {'x'.join(map(str, done.frame))}, {done.n_outputs} outputs")
    if card.rejects:
        print(printable(f"answers that are no gesture: {', '.join(card.rejects)}"))
    for name, shape in done.state.items():
        print(f"state {name} {'x'.join(map(str, shape)) or 'a number'}")
    return SAME


def run_check(options: "Export", path: Path) -> int:
    """Compares a file with its network: 0 if they are the same but for rounding, 3 if not.

    Raises:
        ModelError: if the file cannot be read, or was exported from other weights.
    """
    network, card = load_module(options.model)
    file = opened(path, format_of(options.to, path), card)
    result = compared(file, network, card.spec, options.steps, card.horizon, options.seed)
    if options.json:
        print(json.dumps({"file": str(path), "same": result.same, **dataclasses.asdict(result)}))
    else:
        print(printable(f"{path} against {card.name}: {text_of(result)}"))
    return SAME if result.same else DIFFERENT


def format_of(named: _Format | None, path: Path | None) -> _Format:
    """The format that is named, else that of the suffix; ONNX without either.

    Raises:
        ConfigError: for another suffix.
    """
    if named is not None:
        return named
    if path is None or path.suffix == ".onnx":
        return "onnx"
    if path.suffix == ".nir":
        return "nir"
    raise ConfigError(f"{path}: suffix {path.suffix!r}; expected .onnx or .nir", hint="or name the format: --to onnx")


def opened(path: Path, form: _Format, card: ModelCard) -> Stepped:
    """An exported file.

    Raises:
        ModelError: if it cannot be read, was exported from other weights than those of `card`, or rejects other classes
            (a file of an earlier version names none).
    """
    file: Stepped = OnnxFile(path) if form == "onnx" else NirFile(path)
    stored = str(file.facts.get("weights_sha256"))
    if stored != card.weights_sha256:
        raise ModelError(
            f"{path}: exported from weights {stored[:12]}; those of {card.name} are {card.weights_sha256[:12]}",
            hint="export it again, or name its own network with --model",
        )
    rejects = file.facts.get("rejects", [])
    if rejects != list(card.rejects):
        raise ModelError(f"{path}: rejects {rejects}; {card.name} rejects {list(card.rejects)}", hint="export it again")
    return file


def text_of(result: Comparison) -> str:
    """Two sentences about a comparison."""
    verdict = "the same" if result.same else "different"
    return (
        f"{verdict}. Over {result.n_steps} steps in {result.n_clips} clips outputs differ by {result.outputs:.1g} of "
        f"the largest, spikes at {result.n_differ} of the steps, {result.decisions} decisions."
    )
