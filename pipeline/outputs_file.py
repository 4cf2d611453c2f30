"""Recorded outputs on disk: an `.npz` of arrays, and a description (`about`) as JSON text; nothing is executed."""

import json
import math
import zipfile
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from spikecut.pipeline.errors import ConfigError, DamagedOutputs, ModelError, SpikecutError, in_a_line, printable
from spikecut.pipeline.files.atomic_files import new_file
from spikecut.pipeline.files.limits import limit
from spikecut.pipeline.files.strict import parse_json
from spikecut.pipeline.recorded import Plans, RecordedOutputs

_KIND, _VERSION = "spikecut recorded outputs", 1
_ARRAYS = {  # kinds and bytes of numbers, and dimensions
    "outputs": ("f", (4,), 3),
    "labels": ("i", (8,), 1),
    "groups": ("U", (), 1),
    "members": ("i", (8,), 0),
    "about": ("U", (), 0),
    "plans": ("f", (4,), 2),
    "policy": ("U", (), 0),
    "policy_cost": ("fi", (8,), 0),
}
_DIMENSIONS = ("a single value", "one dimension", "2 dimensions", "3 dimensions")
_WORDS = {
    "outputs": "32-bit numbers",
    "labels": "64-bit whole numbers",
    "groups": "texts",
    "members": "a 64-bit whole number",
    "about": "a text",
    "plans": "32-bit numbers",
    "policy": "a text",
    "policy_cost": "a 64-bit number",
}
_PLANNED = ("plans", "policy", "policy_cost")  # a network may have no policy


def save_outputs(
    path: str | PathLike[str], recorded: RecordedOutputs, about: dict[str, Any], *, overwrite: bool = False
) -> None:
    """Writes recorded outputs as `.npz`: arrays, and `about` as JSON text; nothing that is executed on reading.

    Raises:
        ConfigError: if the file exists and `overwrite` is not set.
        EnvironmentProblem: if it cannot be written.
    """
    text = json.dumps({"kind": _KIND, "version": _VERSION, **about})
    plans = recorded.plans
    planned: dict[str, Any] = {}  # a network may have no policy
    if plans is not None:
        planned = {"plans": plans.logits, "policy": plans.policy, "policy_cost": plans.cost}
    target = Path(path)
    target = target if target.suffix == ".npz" else target.with_name(target.name + ".npz")  # as numpy names it
    with new_file(target, overwrite=overwrite) as partial:
        np.savez_compressed(
            partial,
            outputs=recorded.outputs,
            labels=recorded.labels,
            groups=np.array(recorded.groups, np.str_),
            members=recorded.members,
            about=text,
            **planned,
        )


def load_outputs(path: str | PathLike[str]) -> tuple[RecordedOutputs, dict[str, Any]]:
    """Reads recorded outputs and their description `about`.

    Raises:
        DamagedOutputs: if the file is missing, holds something else, or declares more than fits into memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            saved = _arrays(archive)
        about = parse_json(str(saved["about"]))
        if (about.pop("kind", None), about.pop("version", None)) != (_KIND, _VERSION):
            raise ModelError(f"not {_KIND} of version {_VERSION}")
        plans = None
        if "plans" in saved:
            plans = Plans(saved["plans"], str(saved["policy"]), float(saved["policy_cost"]))
        groups, members = tuple(saved["groups"].tolist()), int(saved["members"])
        return RecordedOutputs(saved["outputs"], saved["labels"], groups, members, plans=plans), about
    except OSError as error:
        raise DamagedOutputs(path, f"cannot read recorded outputs: {error.strerror or error}") from error
    except SpikecutError as error:
        raise DamagedOutputs(path, f"no recorded outputs: {error}", hint=error.hint) from error
    except Exception as error:  # zipfile, zlib and numpy throw many kinds at damaged bytes
        raise DamagedOutputs(
            path,
            f"no recorded outputs ({in_a_line(error)}); expected what evaluate has written",
            hint="outputs.npz of an evaluation, or a folder of <class>/<recording>",
        ) from error


def _arrays(archive: zipfile.ZipFile) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """All members, none of which is read before its header agrees with its size."""
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    wanted = _ARRAYS if "plans" in members else [name for name in _ARRAYS if name not in _PLANNED]
    if len(members) != len(archive.infolist()) or set(members) != set(wanted):
        raise ConfigError(f"found {printable(', '.join(members))[:200] or 'nothing'}; expected {', '.join(wanted)}")
    if (size := sum(info.file_size for info in members.values())) > (most := limit("outputs-bytes")):
        hint = "if they are as they should be, raise the limit: --limit outputs-bytes=NUMBER"
        raise ConfigError(f"its arrays would fill {size:,} bytes; expected at most {most:,}", hint=hint)
    return {name: _array(archive, info, name) for name, info in members.items()}


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> np.ndarray[Any, np.dtype[Any]]:
    kinds, sizes, dimensions = _ARRAYS[name]
    with archive.open(info) as file:
        if npy.read_magic(file) != (1, 0):
            raise ConfigError(f"{name}: no array of npy version 1.0")
        shape, _, dtype = npy.read_array_header_1_0(file, max_header_size=10_000)
        if dtype.kind not in kinds or (sizes and dtype.itemsize not in sizes) or len(shape) != dimensions:
            shown = f"{dtype.name} in {_DIMENSIONS[len(shape)] if len(shape) < 4 else f'{len(shape)} dimensions'}"
            expected = f"{_WORDS[name]} in {_DIMENSIONS[dimensions]}" if dimensions else _WORDS[name]
            raise ConfigError(f"{name}: found {shown}; expected {expected}")
        if file.tell() + math.prod(shape) * dtype.itemsize != info.file_size:
            raise ConfigError(f"{name}: found {info.file_size:,} bytes, which are no {shape} of {dtype}")
    with archive.open(info) as file:
        values = npy.read_array(file, allow_pickle=False)
    if dtype.kind == "f" and not np.isfinite(values).all():
        where = ", ".join(map(str, np.argwhere(~np.isfinite(values))[0]))
        raise ConfigError(f"{name}: found a number that is not finite, at ({where}); expected finite numbers")
    return values
