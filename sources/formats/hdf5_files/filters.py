"""Unpacking stored chunks: gzip, LZF, shuffle, scale-offset and fletcher32 here, others by `hdf5plugin`."""

import io
import struct
import zlib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.pipeline.errors import UnsupportedVersion
from spikecut.sources.formats.hdf5_files.inflate_kernels import inflate
from spikecut.sources.formats.hdf5_files.kernels import decode_lzf, fletcher32, unshuffle_2, unshuffle_4, unshuffle_8
from spikecut.sources.formats.hdf5_files.scale_offset import MOST_ADDED, SCALE_OFFSET, of_whole_numbers, unpacked
from spikecut.sources.formats.hdf5_files.structure import Fields

GZIP, SHUFFLE, FLETCHER32, LZF = 1, 2, 3, 32_000
BLOSC, LZ4, BITSHUFFLE, ZSTD, BLOSC2, ECF = 32_001, 32_004, 32_008, 32_015, 32_026, 0x8ECF
_OWN = {GZIP: "gzip", SHUFFLE: "shuffle", FLETCHER32: "fletcher32", SCALE_OFFSET: "scale-offset", LZF: "lzf"}
PLUGINS = {BLOSC: "Blosc", LZ4: "LZ4", BITSHUFFLE: "Bitshuffle", ZSTD: "Zstandard", BLOSC2: "Blosc2"}
_FILTERS_LIMIT = 32
_SMALL = 2**17
_FASTEST = 1  # in the second byte of a zlib stream
_UNSHUFFLE = {2: unshuffle_2, 4: unshuffle_4, 8: unshuffle_8}


class ChunkDamage(Exception):
    """A stored chunk that cannot be unpacked; it never leaves the reader of HDF5."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One step of packing: its HDF5 number and parameters."""

    code: int
    values: tuple[int, ...] = ()


def filters_of(fields: Fields) -> tuple[Filter, ...]:
    """A filter message (0x0B), in the order in which chunks were packed."""
    version, n = fields.numbers(1, 1)
    if version not in (1, 2) or n > _FILTERS_LIMIT:
        raise fields.source.damaged(f"{n} filters of version {version}", fields.begin)
    fields.skip(6 if version == 1 else 0)
    steps = []
    for _ in range(n):
        code = fields.number(2)
        n_name = fields.number(2) if version == 1 or code >= 256 else 0
        _, n_values = fields.numbers(2, 2)
        fields.skip(n_name + (-n_name % 8 if version == 1 else 0))
        steps.append(Filter(code, struct.unpack(f"<{n_values}I", fields.bytes(4 * n_values))))
        fields.skip(4 if version == 1 and n_values % 2 else 0)
    return tuple(steps)


def check_filters(path: Path, name: str, filters: tuple[Filter, ...]) -> None:
    """Raises unless chunks with these filters can be unpacked here.

    Raises:
        UnsupportedVersion: for a filter that is not known, or that takes `hdf5plugin` where it is not installed.
    """
    for number, one in enumerate(filters):
        if one.code == SCALE_OFFSET and not of_whole_numbers(one.values):
            raise UnsupportedVersion(
                path,
                f"{name} is packed by scale-offset (HDF5 filter 6) for fractional numbers, which rounds them; "
                "spikecut reads that of whole numbers",
                hint="h5repack -f SHUF -f GZIP=4 in.h5 out.h5 stores them as they are",
            )
        if one.code in _OWN:
            continue
        if any(before.code == SCALE_OFFSET for before in filters[:number]):
            raise UnsupportedVersion(
                path,
                f"{name} is compressed with HDF5 filter {one.code} after scale-offset, which spikecut does not read",
                hint="h5repack -f SHUF -f GZIP=4 in.h5 out.h5",
            )
        if one.code == ECF:
            raise UnsupportedVersion(
                path,
                f"{name} is compressed with Prophesee's ECF codec (HDF5 filter {ECF}), which spikecut does not read",
                hint="Metavision's metavision_file_to_hdf5 and h5repack -f GZIP=4 with its plugin rewrite it; "
                "the .raw file of the same recording is read as it is",
            )
        if one.code not in PLUGINS:
            raise UnsupportedVersion(
                path,
                f"{name} is compressed with HDF5 filter {one.code}; spikecut reads "
                f"{', '.join([*_OWN.values(), *PLUGINS.values()])}",
                hint="h5repack -f SHUF -f GZIP=4 in.h5 out.h5, with the plugin that wrote it",
            )
        try:
            import_module("hdf5plugin")
        except ImportError as error:
            raise UnsupportedVersion(
                path,
                f"{name} is compressed with {PLUGINS[one.code]} (HDF5 filter {one.code}), which takes hdf5plugin",
                hint="pip install spikecut[hdf5]",
            ) from error


def unpack(data: bytes, filters: tuple[Filter, ...], skipped: int, n_bytes: int, item: int) -> Any:
    """The `n_bytes` of a chunk of values of `item` bytes, from what is stored of it, as an array of bytes.

    Bit i of `skipped` says that filter i was left out for this chunk.

    Raises:
        ChunkDamage: if the stored bytes are damaged.
    """
    content: Any = np.frombuffer(data, np.uint8)
    used = [one for number, one in enumerate(filters) if not skipped >> number & 1]
    for number in range(len(used) - 1, -1, -1):
        code = used[number].code
        n_expected = n_bytes + 4 * sum(one.code == FLETCHER32 for one in used[:number])
        exact = all(one.code != SCALE_OFFSET for one in used[:number])
        if not exact:
            n_expected += MOST_ADDED
        if code == FLETCHER32:
            content = _checked(content)
        elif code == GZIP:
            summed = any(one.code == FLETCHER32 for one in used[number + 1 :])
            content = _inflated(content, n_expected, summed=summed) if exact else _inflated_at_most(content, n_expected)
        elif code == LZF:
            out = np.empty(n_expected, np.uint8)
            n_unpacked = int(decode_lzf(content, out))
            if n_unpacked < 0 or (exact and n_unpacked != n_expected):
                raise ChunkDamage
            content = out[:n_unpacked]
        elif code == SCALE_OFFSET:
            content = unpacked(content, used[number].values, n_bytes)
            if content is None:
                raise ChunkDamage
        elif code == SHUFFLE:
            content = _unshuffled(content, used[number].values[0] if used[number].values else item)
        else:
            content = _by_plugin(content, used[number], n_expected, item)
    if len(content) != n_bytes:
        raise ChunkDamage
    return content


def _checked(content: Any) -> Any:
    """Without its checksum, which must match; old HDF5 wrote its halves the other way round."""
    if len(content) < 4:
        raise ChunkDamage
    total, stored = int(fletcher32(content[:-4])), int(content[-4:].view("<u4")[0])
    swapped = (total & 0x00FF00FF) << 8 | (total & 0xFF00FF00) >> 8
    if stored not in (total, swapped):
        raise ChunkDamage
    return content[:-4]


def _inflated_at_most(content: Any, n_bytes: int) -> Any:
    """What zlib unpacks, where its size is not known: scale-offset was before it."""
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(content, n_bytes)
    except zlib.error as error:
        raise ChunkDamage from error
    if not stream.eof:
        raise ChunkDamage
    return np.frombuffer(data, np.uint8)


def _inflated(content: Any, n_bytes: int, *, summed: bool) -> Any:
    """Unpacked by zlib, or faster where a checksum has vouched for the packed bytes (`inflate_kernels`).

    Streams whose header names the fastest level are mostly stored blocks, which zlib copies as fast.
    """
    if summed and len(content) > 1 and content[1] != _FASTEST:
        out = np.empty(n_bytes, np.uint8)
        if int(inflate(content, out)) != n_bytes:
            raise ChunkDamage
        return out
    stream = zlib.decompressobj()
    try:
        if len(content) <= _SMALL:  # at its best deflate makes 130 MiB of it
            whole = zlib.decompress(content, bufsize=n_bytes + 1)
            if len(whole) != n_bytes:
                raise ChunkDamage
            return np.frombuffer(whole, np.uint8)
        data = stream.decompress(content, n_bytes)
        while not stream.eof and len(data) == n_bytes and stream.unconsumed_tail:  # the checksum may be left
            if stream.decompress(stream.unconsumed_tail, 1):
                raise ChunkDamage
    except zlib.error as error:
        raise ChunkDamage from error
    if len(data) != n_bytes or not stream.eof:
        raise ChunkDamage
    return np.frombuffer(data, np.uint8)


def _unshuffled(content: Any, item: int) -> Any:
    if item <= 1:
        return content
    n = len(content) // item
    if item in _UNSHUFFLE and n * item == len(content):
        words = np.empty(n, f"<u{item}")
        _UNSHUFFLE[item](content, words)
        return words.view(np.uint8)
    out = np.empty(len(content), np.uint8)
    out[: n * item].reshape(n, item)[:] = content[: n * item].reshape(item, n).T
    out[n * item :] = content[n * item :]
    return out


def _by_plugin(content: Any, one: Filter, n_bytes: int, item: int) -> Any:
    """Unpacked by HDF5 itself with `hdf5plugin`, from a file of this one chunk that exists in memory alone."""
    import h5py

    import_module("hdf5plugin")
    if (declared := _declared(content, one.code)) is not None and declared > n_bytes:
        raise ChunkDamage
    try:
        with h5py.File(io.BytesIO(), "w") as file:
            creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            creation.set_chunk((n_bytes // item,))
            creation.set_filter(one.code, h5py.h5z.FLAG_MANDATORY, one.values)
            space, kind = h5py.h5s.create_simple((n_bytes // item,)), h5py.h5t.py_create(np.dtype(f"V{item}"))
            dataset = h5py.h5d.create(file.id, b"chunk", kind, space, creation)
            dataset.write_direct_chunk((0,), content.tobytes())
            out = np.empty(n_bytes // item, f"V{item}")
            dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, out)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise ChunkDamage from error
    return out.view(np.uint8)


def _declared(content: Any, code: int) -> int | None:
    """How many bytes a packed chunk says that it unpacks to, where its codec writes that at a known place."""
    head = bytes(content[:16])
    if code in (LZ4, BITSHUFFLE):
        return int.from_bytes(head[:8], "big")
    if code == BLOSC:
        return int.from_bytes(head[4:8], "little")
    return None
