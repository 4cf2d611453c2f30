"""JSON and TOML from files, as values whose every field has the type that it is declared with.

Nothing is converted: `"3"` is no 3 and `"false"` no False (msgspec, strict). Size, depth and the length of dotted keys
are limited before a parser sees the text, and whatever a parser throws becomes an error that names the place.
"""

import difflib
import json
import math
import re
import tomllib
import types
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from spikecut.pipeline.errors import ConfigError, SpikecutError

T = TypeVar("T")
Special = Callable[[Any, Any, str], Any]  # (type, value, place) to the value, or NotImplemented

DEEPEST = 32
_MOST_BYTES = 2**20
_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_NAME}(?:[ \t]*\.[ \t]*{_NAME}){{{DEEPEST},}}")


def read_json(path: str | PathLike[str], most_bytes: int) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        OSError: if it cannot be read.
        ConfigError: if it is larger than `most_bytes`, nested deeper than `DEEPEST`, no JSON, or no object, or if an
            object in it has a key twice.
    """
    return parse_json(_text(Path(path), most_bytes))


def parse_json(text: str) -> dict[str, Any]:
    """The object in a JSON text; errors as `read_json`."""
    return _parsed(lambda: json.loads(text, object_pairs_hook=_each_key_once), "JSON")


def read_toml(path: str | PathLike[str]) -> dict[str, Any]:
    """The table in a TOML file; errors as `read_json`."""
    text = _text(Path(path), _MOST_BYTES)
    if long := _LONG_KEY.search(text):
        line = text.count("\n", 0, long.start()) + 1
        raise ConfigError(f"line {line}: a key of more than {DEEPEST} names; expected a few, joined by dots")
    return _parsed(lambda: tomllib.loads(text), "TOML")


def typed(kind: type[T], raw: Any, place: str = "", special: Special | None = None) -> T:
    """A dataclass from a table, its fields from the table's values, and so on to the innermost.

    `place` is the dotted key of the table, for errors (`training.loss`). `special` builds values of other types.

    Raises:
        ConfigError: for a key that is unknown or missing, or a value of another type, not finite or beyond 64 bits.
        SpikecutError: whatever the dataclass itself refuses.
    """
    if not isinstance(raw, dict):
        raise unexpected(place, raw, "a table")
    known: dict[str, Field[Any]] = {one.name: one for one in fields(kind) if one.init}  # type: ignore[arg-type]
    for key in raw:
        if key not in known:
            raise ConfigError(f"{_below(place, key)}: no such key{nearest(key, known)}")
    hints = get_type_hints(kind)
    values = {key: value_of(hints[key], value, _below(place, key), special) for key, value in raw.items()}
    for name, one in known.items():
        if name not in values and one.default is MISSING and one.default_factory is MISSING:
            raise ConfigError(f"{_below(place, name)} is missing")
    try:
        return kind(**values)
    except SpikecutError:
        raise
    except (TypeError, ValueError, OverflowError, MemoryError) as error:
        raise ConfigError(f"{place or 'the file'}: {error}") from error


def shaped(kind: Any, raw: dict[str, Any]) -> None:
    """Checks a table whose fields a `TypedDict` declares: they are there and have their types; others are free.

    Raises:
        ConfigError: naming the field, or a number that is not finite or beyond 64 bits.
    """
    try:
        msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        place = place.rstrip("`")
        if missing := re.fullmatch(r"Object missing required field `(.*)`", text.partition(" - at ")[0]):
            raise ConfigError(f"{_below(place, missing[1])} is missing") from error
        raise ConfigError(f"{place or 'the file'}: {_expected(error)}") from error
    check_numbers(raw, "the file")


def value_of(kind: Any, raw: Any, place: str, special: Special | None = None) -> Any:
    """One value of a declared type; errors as `typed`."""
    if special is not None and (made := special(kind, raw, place)) is not NotImplemented:
        return made
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType) and type(None) in inner and len(inner) == 2:
        wanted = inner[0] if inner[1] is type(None) else inner[1]
        return None if raw is None else value_of(wanted, raw, place, special)
    if is_dataclass(kind) and isinstance(kind, type):
        return typed(kind, raw, place, special)
    if origin is tuple and isinstance(raw, list | tuple):
        return _tuple(inner, raw, place, special)
    if kind is float and type(raw) is int and abs(raw) < 2**53:
        return float(raw)
    try:
        value = msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{place}: found {_shown(raw)}; {_expected(error)}") from error
    if Any not in inner:  # what is free to be anything may be no number, too
        check_numbers(value, place)
    return value


def _tuple(kinds: tuple[Any, ...], raw: Sequence[Any], place: str, special: Special | None) -> tuple[Any, ...]:
    if kinds[1:] == (...,):
        kinds = kinds[:1] * len(raw)
    if len(kinds) != len(raw):
        raise unexpected(place, raw, f"a list of {len(kinds)}")
    pairs = enumerate(zip(kinds, raw, strict=True))
    return tuple(value_of(kind, value, f"{place}[{i}]", special) for i, (kind, value) in pairs)


def check_numbers(value: Any, place: str) -> None:
    """Refuses numbers that are not finite, and whole ones beyond 64 bits, anywhere inside a value."""
    if isinstance(value, float) and not math.isfinite(value):
        raise unexpected(place, value, "a finite number")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ConfigError(f"{place}: a whole number of {value.bit_length()} bits; expected one of 64")
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        inside = ((f".{key}", one) for key, one in value.items())
    elif isinstance(value, list | tuple):
        inside = ((f"[{i}]", one) for i, one in enumerate(value))
    for where, one in inside:
        check_numbers(one, place + where)


def unexpected(place: str, raw: Any, expected: str) -> ConfigError:
    """An error that names the value and what was expected in its place."""
    return ConfigError(f"{place or 'the file'}: found {_shown(raw)}; expected {expected}")


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the closest known name, or all known names."""
    known = list(known)
    return "; " + str(did_you_mean(name, known, otherwise=f"there are {', '.join(known)}"))


def did_you_mean(name: str, known: Iterable[str], otherwise: str | None = None) -> str | None:
    """A question with the known name that is nearest to an unknown one, or `otherwise` if none is near.

    >>> did_you_mean("relpay", ["run", "replay"])
    "did you mean 'replay'?"
    """
    close = closest(name, known)
    return f"did you mean {close!r}?" if close else otherwise


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is nearest to an unknown one; None if none is near."""
    return next(iter(difflib.get_close_matches(name, list(known), 1)), None)


def _text(path: Path, most_bytes: int) -> str:
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ConfigError(f"larger than {most_bytes:,} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"byte {error.start}: no UTF-8 text") from error


def _parsed(parse: Callable[[], Any], language: str) -> dict[str, Any]:
    try:
        document = parse()
    except (RecursionError, MemoryError) as error:
        raise ConfigError(f"nested deeper than {DEEPEST} levels") from error
    except SpikecutError:
        raise
    except ValueError as error:
        if "set_int_max_str_digits" in str(error):  # Python's own sentence names one of its functions
            raise ConfigError(f"not {language}: a whole number of thousands of digits; expected 64 bits") from error
        raise ConfigError(f"not {language}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"found {_shown(document)}; expected an object of {language}")
    _check_depth(document)
    return document


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ConfigError(f"the key {_shown(twice)} twice in one object; expected it once")
    return table


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise ConfigError(f"nested deeper than {DEEPEST} levels")


def _below(place: str, key: str) -> str:
    return f"{place}.{key}" if place else str(key)


def _shown(raw: Any) -> str:
    if isinstance(raw, dict | list | tuple):
        return f"a {'table' if isinstance(raw, dict) else 'list'} of {len(raw)}"
    if isinstance(raw, int) and raw.bit_length() > 64:
        return f"a whole number of {raw.bit_length()} bits"
    text = repr(raw)
    return text if len(text) <= 60 else text[:57] + "..."


def _expected(error: msgspec.ValidationError) -> str:
    """msgspec's sentence from its `Expected` on, with the names that JSON and TOML have for types."""
    text = str(error).replace("`", "")
    text = text.split(" - at ")[0].split(", got")[0].replace("Expected ", "expected ")
    text = text.replace("int | float", "float").replace(" | ", " or ")
    return re.sub(r"\b(array|object|bool|str|float|int)\b", lambda match: _NAMES[match[0]], text)


_NAMES = {
    "array": "a list",
    "object": "a table",
    "bool": "true or false",
    "str": "a text",
    "float": "a number",
    "int": "a whole number",
}
