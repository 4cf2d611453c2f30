"""Rules as JSON holds them: values with the name of their type, arrays with dtype and shape, infinity as "inf"."""

import math
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from jaxtyping import AbstractArray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.readout import Readout
from spikecut.pipeline.files.strict import nearest, typed, unexpected
from spikecut.pipeline.rules import RULES
from spikecut.pipeline.rules.combined import Both, Either, Hold

_PARTS = {"both": Both, "either": Either, "hold": Hold, "readout": Readout}
_MOST_VALUES = 2**23
_NUMBERS = {"float64": (float, int), "int64": (int,), "bool": (bool,)}


def stored_types() -> dict[str, type]:
    """All types that a file may hold, by the name under which they are stored."""
    return {name: kind for rule in RULES.values() for name, kind in rule.deciders.items()} | _PARTS


def plain(value: Any) -> Any:
    """A frozen value as JSON types (objects, lists, numbers, texts)."""
    if is_dataclass(value):
        saved = [f.name for f in fields(value) if f.metadata.get("saved", True)]
        names = {kind: name for name, kind in stored_types().items()}
        return {"type": names[type(value)]} | {name: plain(getattr(value, name)) for name in saved}
    if isinstance(value, np.ndarray):
        value = value.astype({"f": np.float64, "i": np.int64, "b": np.bool_}[value.dtype.kind])
        return {"dtype": value.dtype.name, "shape": list(value.shape), "values": plain(value.ravel().tolist())}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.integer | np.floating):
        return plain(value.item())
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def made(raw: Any, place: str = "decider") -> Any:
    """The value that `plain` wrote, every field checked against its type.

    Raises:
        ConfigError: naming the field, what is there and what was expected.
    """
    if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
        raise unexpected(place, raw, "a table with its type")
    kinds = stored_types()
    if raw["type"] not in kinds:
        raise ConfigError(f"{place}.type: no rule is stored as {raw['type']!r}{nearest(raw['type'], kinds)}")
    kind = kinds[raw["type"]]
    unsaved = {one.name for one in fields(kind) if not one.metadata.get("saved", True)}
    rest = {name: value for name, value in raw.items() if name != "type"}
    if wrong := next((name for name in rest if name in unsaved), None):
        raise ConfigError(f"{place}.{wrong} is not stored with a rule")
    return typed(kind, rest, place, _special)


def _special(kind: Any, raw: Any, place: str) -> Any:
    """Arrays, rules and readouts; where the declared type is `Any`, the stored one. Otherwise NotImplemented."""
    if isinstance(kind, type) and issubclass(kind, np.ndarray | AbstractArray):
        return _array(kind, raw, place)
    if isinstance(raw, dict) and "type" in raw:
        value = made(raw, place)
        if kind is Readout or not isinstance(value, Readout):
            return value
        raise unexpected(f"{place}.type", raw["type"], "a rule")
    if isinstance(raw, dict) and "dtype" in raw and kind is Any:
        return _array(np.ndarray, raw, place)
    return NotImplemented


def _array(kind: Any, raw: Any, place: str) -> np.ndarray[Any, np.dtype[Any]]:
    if not isinstance(raw, dict) or set(raw) != {"dtype", "shape", "values"}:
        raise unexpected(place, raw, "an array: a table of dtype, shape and values")
    dtype, shape, values = raw["dtype"], raw["shape"], raw["values"]
    wanted = tuple(getattr(kind, "dtypes", _NUMBERS))
    if not isinstance(dtype, str) or dtype not in _NUMBERS or dtype not in wanted:
        raise unexpected(f"{place}.dtype", dtype, " or ".join(wanted))
    if not isinstance(shape, list) or not all(type(side) is int and 0 <= side <= _MOST_VALUES for side in shape):
        raise unexpected(f"{place}.shape", shape, "a list of whole numbers")
    if kind is not np.ndarray and len(shape) != len(kind.dims):
        raise ConfigError(f"{place}.shape: {len(shape)} dimensions; expected {len(kind.dims)} ({kind.dim_str})")
    if not isinstance(values, list) or len(values) > _MOST_VALUES or math.prod(shape) != len(values):
        raise unexpected(f"{place}.values", values, f"a list of {math.prod(shape)} numbers, as the shape says")
    return np.array([_number(dtype, one, f"{place}.values[{i}]") for i, one in enumerate(values)], dtype).reshape(shape)


def _number(dtype: str, one: Any, place: str) -> float | int | bool:
    if dtype == "float64" and isinstance(one, str) and one in ("inf", "-inf"):
        return float(one)
    if dtype == "float64" and type(one) is int and one.bit_length() > 1000:
        raise unexpected(place, one, "a number of float64")
    if type(one) not in _NUMBERS[dtype]:
        raise unexpected(place, one, f"a number of {dtype}")
    if not math.isfinite(one) or (dtype == "int64" and not -(2**63) <= one < 2**63):
        raise unexpected(place, one, 'a finite number of 64 bits, or "inf"')
    return one  # type: ignore[no-any-return]
