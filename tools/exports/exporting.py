"""The command `export`."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from spikecut.models.card import ModelCard
from spikecut.models.dense_form import state_shapes
from spikecut.models.engines.lowering import lowered
from spikecut.models.export.nir import nir_bytes
from spikecut.models.export.nir_file import NirFile
from spikecut.models.export.onnx import facts_of, onnx_model
from spikecut.models.export.onnx_file import OnnxFile
from spikecut.models.files.opening import load_module
from spikecut.pipeline.errors import ConfigError, ModelError, printable
from spikecut.pipeline.files.atomic_files import write_bytes
from spikecut.tools.exports.comparing import Comparison, Stepped, compared

if TYPE_CHECKING:
    from spikecut.tools.commands.files.export import Export

_Format = Literal["onnx", "nir"]
SAME, DIFFERENT = 0, 3


def run_export(options: "Export") -> int:
    """Writes the file; prints what is in it.

    Raises:
        ModelError: if there is no such network, or the format cannot say it.
        EnvironmentProblem: if a package is missing, or the file cannot be written.
    """
    network, card = load_module(options.model)
    form = format_of(options.to, options.out)
    path = options.out or Path(f"{card.name}.{form}")
    graph = lowered(network, card.spec)
    if form == "onnx":
        content = onnx_model(graph, facts_of(card)).SerializeToString()
    else:
        content = nir_bytes(graph, card.spec.step_us, facts_of(card))
    write_bytes(path, content, overwrite=options.overwrite)
    state = {name: list(shape) for name, shape in state_shapes(graph).items()} if form == "onnx" else {}
    if options.json:
        about = {"file": str(path), "to": form, "bytes": len(content), "frame": list(graph.entry.shape)}
        print(json.dumps({**about, "outputs": graph.n_outputs, "rejects": list(card.rejects), "state": state}))
        return SAME
    print(printable(f"{path}: one step of {card.name} ({card.spec.step_us / 1000:g} ms), {len(content):,} bytes"))
    print(f"frame {'x'.join(map(str, graph.entry.shape))}, {graph.n_outputs} outputs")
    if card.rejects:
        print(printable(f"answers that are no gesture: {', '.join(card.rejects)}"))
    for name, shape in state.items():
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
