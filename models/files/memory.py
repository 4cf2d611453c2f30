"""The memory of a network, `NAME.memory.npz` beside its weights: what its readout was shown of labelled recordings.

Classes are taught without the recordings of the old ones: these few counts stand for them. Nothing in the file is ever
executed.
"""

import io
import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped
from numpy import ndarray

from spikecut.pipeline.errors import ModelError, SpikecutError, in_a_line
from spikecut.pipeline.files.atomic_files import write_bytes
from spikecut.pipeline.files.limits import limit, limited_bytes
from spikecut.pipeline.files.strict import parse_json, typed

_KIND, _VERSION = "spikecut memory", 1
_ARRAYS = {"features": 3, "labels": 1, "taught": 1, "weight": 2, "bias": 1}  # and their dimensions


@dataclass(frozen=True, slots=True)
class Origin:
    """The network that a memory belongs to, and the recordings in it.

    `network` is the SHA-256 of the weights that were taught first, `classes` those of now, of which the first `n_old`
    are that network's. `marks` are the steps at which features are kept. Each row of the features has the key and the
    name of its recording; rows with one key are variations of one recording, the first of them as it is.
    """

    network: str
    classes: tuple[str, ...]
    n_old: int
    marks: tuple[int, ...]
    keys: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What the readout was shown: `features` are what its inputs summed to since the mark before.

    `labels` are class numbers; `taught` says which rows are a user's. `weight` and `bias` are the readout that the
    network was trained with.
    """

    origin: Origin
    features: Shaped[ndarray, "N M F"]  # uint8 where all are whole numbers that fit, else float16
    labels: Int64[ndarray, " N"]
    taught: Bool[ndarray, " N"]
    weight: Float32[ndarray, "C F"]
    bias: Float32[ndarray, " C"]

    def __post_init__(self) -> None:
        origin, n = self.origin, len(self.features)
        fits = (
            self.features.shape[1:] == (len(origin.marks), self.weight.shape[1])
            and {n} == {len(self.labels), len(self.taught), len(origin.keys), len(origin.names)}
            and self.weight.shape[0] == len(self.bias) == origin.n_old <= len(origin.classes)
            and (n == 0 or 0 <= self.labels.min() <= self.labels.max() < len(origin.classes))
            and len(set(origin.classes)) == len(origin.classes)
            and list(origin.marks) == sorted({*origin.marks} - {0})
            and bool(np.isfinite(self.features).all() and np.isfinite(self.weight).all())
        )
        if not fits:
            raise ModelError("its arrays do not fit one another")

    def plus(self, more: "Memory") -> "Memory":
        """This memory with the rows of another one of the same network; the classes are those of the other.

        A user's rows come last, in the order of their keys: so it does not matter when which of them was added.
        """
        both = [np.concatenate([getattr(self, name), getattr(more, name)]) for name in ("features", "labels", "taught")]
        keys, names = (np.array(getattr(self.origin, of) + getattr(more.origin, of)) for of in ("keys", "names"))
        order = np.lexsort([np.where(both[2], keys, "")])
        features, labels, taught = (array[order] for array in both)
        origin = replace(more.origin, keys=tuple(keys[order].tolist()), names=tuple(names[order].tolist()))
        return replace(more, origin=origin, features=features, labels=labels, taught=taught)


def compact(sums: Float32[ndarray, "N M F"]) -> Shaped[ndarray, "N M F"]:
    """Features as they are kept: small whole numbers to the bit, others to three digits."""
    whole = bool((sums == np.rint(sums)).all()) and (sums.size == 0 or (sums.min() >= 0 and sums.max() <= 255))
    return sums.astype(np.uint8 if whole else np.float16)


def memory_beside(weights: Path) -> Path:
    """The file of the memory of a network."""
    return weights.with_name(f"{weights.stem}.memory.npz")


def save_memory(path: Path, memory: Memory) -> None:
    """Writes a memory, whole or not at all.

    Raises:
        EnvironmentProblem: if it cannot be written.
    """
    origin = memory.origin
    about = {name: getattr(origin, name) for name in Origin.__dataclass_fields__}
    text, file = json.dumps({"kind": _KIND, "version": _VERSION, **about}), io.BytesIO()
    np.savez_compressed(file, about=text, **{name: getattr(memory, name) for name in _ARRAYS})
    write_bytes(path, file.getvalue(), overwrite=True)


def load_memory(path: Path) -> Memory:
    """Reads a memory back.

    Raises:
        ModelError: if it cannot be read, holds something else, or would fill more memory than the limit.
    """
    try:
        raw = limited_bytes(path, "weights-bytes")
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            size, most = sum(info.file_size for info in archive.infolist()), limit("outputs-bytes")
        if size > most:
            raise ModelError(f"its arrays would fill {size:,} bytes; expected at most {most:,}")
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            arrays: dict[str, Any] = {name: stored[name] for name in _ARRAYS}
            about = parse_json(str(stored["about"]))
        if (about.pop("kind", None), about.pop("version", None)) != (_KIND, _VERSION):
            raise ModelError(f"not a {_KIND} of version {_VERSION}")
        for name, n in _ARRAYS.items():
            if arrays[name].ndim != n:
                raise ModelError(f"{name}: {arrays[name].ndim} dimensions; expected {n}")
        kinds = {"labels": np.int64, "taught": np.bool_, "weight": np.float32, "bias": np.float32}
        if any(arrays[name].dtype != kind for name, kind in kinds.items()) or arrays["features"].dtype not in (
            np.uint8,
            np.float16,
        ):
            raise ModelError("its arrays are of other types")
        return Memory(origin=typed(Origin, about), **arrays)
    except OSError as error:
        raise ModelError(f"{path}: cannot read the memory of a network: {error.strerror or error}") from error
    except SpikecutError as error:
        raise ModelError(f"{path}: no memory of a network: {error}", hint=error.hint) from error
    except Exception as error:  # zipfile, zlib and numpy throw many kinds at damaged bytes
        raise ModelError(f"{path}: no memory of a network ({in_a_line(error)})") from error
