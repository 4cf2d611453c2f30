"""Types, shapes and attributes of HDF5, as far as recordings have them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from spikecut.sources.formats.hdf5_files.structure import (
    MSG_ATTRIBUTE,
    MSG_SPACE,
    MSG_TYPE,
    Fields,
    Hdf5Bytes,
    Message,
    messages_of,
)

Attribute = int | float | str | tuple[int, ...]
_DEPTH = 8
_FIELDS_LIMIT = 64
_WORD_BYTES = 256
_NUMBERS = 16
_FIXED, _FLOAT, _TEXT, _COMPOUND, _ENUM, _VARIABLE, _ARRAY = 0, 1, 3, 6, 8, 9, 10


@dataclass(frozen=True, slots=True)
class StoredType:
    """A type: its NumPy twin, or None with the `name` of what it is; `is_text` for variable-length text."""

    dtype: np.dtype[Any] | None
    name: str
    size: int
    is_text: bool = False


def type_of(fields: Fields, depth: int = 0) -> StoredType:
    """A datatype message (0x03); the fields stand behind it afterwards.

    Raises:
        CorruptRecording: if it is damaged.
    """
    head, bits, size = fields.number(1), fields.number(3), fields.number(4)
    kind, version = head & 15, head >> 4
    if depth > _DEPTH or not 1 <= version <= 5:
        raise fields.source.damaged(f"a type of version {version}, {depth} levels deep", fields.begin)
    order = ">" if bits & 1 else "<"
    if kind == _FIXED:
        offset, precision = fields.numbers(2, 2)
        plain = offset == 0 and precision == 8 * size and size in (1, 2, 4, 8)
        return _simple(f"{order}{'i' if bits & 8 else 'u'}{size}" if plain else None, f"{precision}-bit number", size)
    if kind == _FLOAT:
        fields.skip(12)
        plain = size in (2, 4, 8) and not bits & 0x40
        return _simple(f"{order}f{size}" if plain else None, "float", size)
    if kind == _TEXT:
        return _simple(f"S{size}" if 0 < size <= _WORD_BYTES else None, "text", size)
    if kind == _COMPOUND:
        return _compound(fields, version, bits & 0xFFFF, size, depth)
    if kind == _ENUM:
        base = type_of(fields, depth + 1)
        for _ in range(bits & 0xFFFF):
            _name(fields, version)
        fields.skip(base.size * (bits & 0xFFFF))
        return base
    if kind == _VARIABLE:
        type_of(fields, depth + 1)
        return StoredType(None, "variable-length", size, is_text=bits & 15 == 1)
    return StoredType(None, f"of HDF5 class {kind}", size)


def _simple(code: str | None, name: str, size: int) -> StoredType:
    dtype = None if code is None else np.dtype(code)
    return StoredType(dtype, str(dtype) if dtype is not None else name, size)


def _name(fields: Fields, version: int) -> str:
    begin = fields.at
    name = fields.zero_ended()
    if version < 3:
        fields.skip(-(fields.at - begin) % 8)
    return name


def _compound(fields: Fields, version: int, n: int, size: int, depth: int) -> StoredType:
    names: list[str] = []
    formats: list[np.dtype[Any]] = []
    offsets: list[int] = []
    if n > _FIELDS_LIMIT:
        return StoredType(None, f"of {n} fields", size)
    width = 4 if version < 3 else next(width for width in (1, 2, 3, 4) if size < 256**width)
    for _ in range(n):
        name = _name(fields, version)
        offset = fields.number(width)
        if version == 1:
            rank = fields.number(1)
            fields.skip(3 + 4 + 4 + 16)
            if rank:
                return StoredType(None, "of arrays", size)
        member = type_of(fields, depth + 1)
        if member.dtype is None:
            return StoredType(None, f"of fields of which {name} is {member.name}", size)
        if offset + member.size > size or name in names:
            raise fields.source.damaged(f"the field {name} of a type", fields.begin)
        names.append(name)
        formats.append(member.dtype)
        offsets.append(offset)
    try:
        dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})
    except (ValueError, TypeError) as error:
        raise fields.source.damaged("the fields of a type", fields.begin) from error
    return StoredType(dtype, f"fields {', '.join(names)}", size)


def shape_of(fields: Fields) -> tuple[int, ...] | None:
    """A dataspace message (0x01): the size of each dimension, none for a single value; None without any value."""
    version, rank, flags = fields.numbers(1, 1, 1)
    if version not in (1, 2):
        raise fields.source.damaged(f"a shape of version {version}", fields.begin)
    kind = fields.number(1)
    if version == 1:
        fields.skip(4)
    elif kind == 2:
        return None
    if rank > 32:
        raise fields.source.damaged(f"{rank} dimensions", fields.begin)
    shape = tuple(fields.number(8) for _ in range(rank))
    if flags & 1:
        fields.skip(8 * rank)
    return shape


def stored_type(source: Hdf5Bytes, message: Message) -> StoredType:
    """The type in a message of a header, or where it refers to: a type with a name of its own."""
    fields = message.fields(source)
    if not message.shared:
        return type_of(fields)
    version, kind = fields.numbers(1, 1)
    fields.skip(6 if version == 1 else 0)
    if kind not in (0, 2) or version not in (1, 2, 3):
        return StoredType(None, "stored elsewhere", 0)
    types = [other for other in messages_of(source, fields.number(8)) if other.kind == MSG_TYPE and not other.shared]
    if not types:
        raise source.damaged("no type where one should be", message.at)
    return type_of(types[0].fields(source))


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes that are a number, a few whole numbers, or a short word; others count as absent.

    `damaged_at` is the byte of the first text that should stand in a heap and does not.
    """

    values: dict[str, Attribute]
    damaged_at: int | None = None

    def number(self, name: str) -> int | None:
        value = self.values.get(name)
        return value if isinstance(value, int) else None

    def word(self, name: str) -> str | None:
        value = self.values.get(name)
        return value if isinstance(value, str) else None


def attributes_of(source: Hdf5Bytes, messages: list[Message]) -> Attributes:
    """The attributes in the header of a group or a dataset.

    Raises:
        CorruptRecording: if one is damaged within the header.
    """
    values: dict[str, Attribute] = {}
    damaged_at = None
    for message in messages:
        if message.kind != MSG_ATTRIBUTE:
            continue
        try:
            pair = _attribute(source, message)
        except _HeapDamage:
            damaged_at = message.at if damaged_at is None else damaged_at
            continue
        if pair is not None:
            values[pair[0]] = pair[1]
    return Attributes(values, damaged_at)


class _HeapDamage(Exception):
    """A text of variable length whose heap does not hold it."""


def _attribute(source: Hdf5Bytes, message: Message) -> tuple[str, Attribute] | None:
    fields = message.fields(source)
    version, flags, n_name, n_type, n_space = fields.numbers(1, 1, 2, 2, 2)
    if version not in (1, 2, 3):
        raise source.damaged(f"an attribute of version {version}", message.at)
    if version > 1 and flags & 3:
        return None
    fields.skip(1 if version == 3 else 0)
    parts = []
    for n in (n_name, n_type, n_space):
        part = Fields(source, fields.bytes(n), fields.begin + fields.at - n)
        fields.skip(-n % 8 if version == 1 else 0)
        parts.append(part)
    name = parts[0].words(n_name)
    stored, shape = type_of(parts[1]), shape_of(parts[2])
    if shape is None or len(shape) > 1 or (n_values := int(np.prod(shape, dtype=object))) > _NUMBERS or not n_values:
        return None
    data = fields.bytes(stored.size * n_values)
    value: Attribute | None = None
    if stored.is_text and n_values == 1:
        value = _long_text(source, Fields(source, data, message.at))
    elif stored.dtype is not None and stored.dtype.names is None:
        value = _value(np.frombuffer(data, stored.dtype).reshape(shape))
    return None if value is None else (name, value)


def _value(values: np.ndarray[Any, Any]) -> Attribute | None:
    if values.dtype.kind == "S":
        return bytes(values.flat[0]).decode("utf-8", "replace") if values.size == 1 else None
    if values.dtype.kind == "f":
        return float(values.flat[0]) if values.size == 1 else None
    return int(values) if values.ndim == 0 else tuple(values.tolist())


def _long_text(source: Hdf5Bytes, fields: Fields) -> str | None:
    """A text of variable length, which lies in a heap of the file; None if it is long.

    Raises:
        _HeapDamage: if it is not there.
    """
    length, heap, wanted = fields.numbers(4, 8, 4)
    if length > _WORD_BYTES:
        return None
    if heap + 16 > source.size:
        raise _HeapDamage
    head = Fields(source, source.read(heap, 16), heap)
    if head.bytes(4) != b"GCOL":
        raise _HeapDamage
    head.skip(4)
    size = min(head.number(8), source.size - heap, 2**16)
    body = Fields(source, source.read(heap, size), heap, 16)
    while body.n_left >= 16:
        index, _, _, n = body.numbers(2, 2, 4, 8)
        if index == 0 or n > body.n_left or (index == wanted and n < length):
            raise _HeapDamage
        if index == wanted:
            return body.words(length)
        body.skip(min(n + -n % 8, body.n_left))
    raise _HeapDamage


def space_and_type(source: Hdf5Bytes, messages: list[Message]) -> tuple[tuple[int, ...] | None, StoredType] | None:
    """Shape and type in the header of a dataset; None if it is none."""
    spaces = [message for message in messages if message.kind == MSG_SPACE]
    types = [message for message in messages if message.kind == MSG_TYPE]
    if not spaces or not types or spaces[0].shared:
        return None
    return shape_of(spaces[0].fields(source)), stored_type(source, types[0])
