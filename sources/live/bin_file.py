"""Bins as a file: what a loop was given, in its order, so that it can be given the same once more.

A file is `SCBINS1` and a newline, then blocks: their length and their CRC-32 (both 4 bytes, little-endian), then
MessagePack. The first block is the `Origin`, each further one a bin with its pixels by zlib. A file that was cut off
can be read up to its last whole block.
"""

import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import IO, Self

import msgspec
import numpy as np

from spikecut.pipeline.errors import ConfigError, CorruptRecording, SourceError
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, SensorSize
from spikecut.pipeline.files.atomic_files import new_file
from spikecut.sources.formats.base import OnDamage
from spikecut.sources.live.playing import Bin, KeptFrame, gap_between_us

SUFFIX = ".bins"
MAGIC = b"SCBINS1\n"
_HEAD = struct.Struct("<II")
_MOST_BYTES = 2**26  # of a block
_MOST_VALUES = 2**24  # of a frame


class Label(msgspec.Struct, frozen=True, array_like=True):
    """A labelled stretch: the name of a class, or of a movement that is none, and `start_us <= t < end_us`."""

    name: str
    start_us: int
    end_us: int


class Origin(msgspec.Struct, frozen=True):
    """Where bins come from: the network that they were made for, and what they were made of.

    `frame` is [channels, height, width]; `sensor` and `format` are those of the source; `truth` is the class of all of
    it, where it has one; `spans` are labelled gestures, None where nothing is labelled; `fit` says how the sensor was
    shown to the network, `simulated` whether the source said that it is.
    """

    model: str
    step_us: int
    frame: tuple[int, int, int]
    sensor: tuple[int, int]
    format: str
    source: str
    truth: str | None = None
    spans: tuple[Label, ...] | None = None
    movements: tuple[Label, ...] = ()
    fit: str = ""
    simulated: bool = False

    def sensor_size(self) -> SensorSize:
        return SensorSize(*self.sensor)


class _Block(msgspec.Struct, frozen=True, array_like=True):
    """One bin."""

    index: int
    segment: int
    start_us: int
    end_us: int
    n_events: int
    kind: str
    pixels: bytes
    lost: tuple[tuple[str, int, int, int | None], ...] = ()
    n_dropped: int = 0
    playing: int = 0


class BinWriter:
    """Writes bins as they pass to the loop; `with` opens the file, `finish` gives it its name.

    Until then, and after a kill, it is `NAME.partial.bins`, and what is in it can be read.

    Raises:
        ConfigError: if the name does not end in `.bins`, or the file exists and `overwrite` is not set.
        EnvironmentProblem: from `with`, if it cannot be written.
    """

    def __init__(self, path: str | PathLike[str], origin: Origin, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        check_name(self.path)
        self._origin, self._overwrite = origin, overwrite
        self._stack = ExitStack()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        partial = self._stack.enter_context(new_file(self.path, overwrite=self._overwrite, keep_partial=True))
        self._file = self._stack.enter_context(open(partial, "wb", buffering=0))
        self._file.write(MAGIC + _block(msgspec.msgpack.encode(self._origin)))
        return self

    def over(self, bins: Iterable[Bin]) -> Iterator[Bin]:
        """The same bins, each written before it is handed on."""
        for one in bins:
            assert self._file is not None, "used outside of `with`"
            self._file.write(_block(_encoded(one)))
            yield one

    def finish(self) -> None:
        """The file is complete and takes its name."""
        self._stack.close()

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]


def check_name(path: Path) -> None:
    """Refuses names of other kinds of files.

    Raises:
        ConfigError: if it does not end in `.bins`.
    """
    if path.suffix.lower() != SUFFIX:
        raise ConfigError(
            f"--record {path}: what a loop was given are bins, no events; expected a name that ends in {SUFFIX}",
            hint="spikecut convert writes recordings of other formats",
        )


def is_bin_file(path: str | PathLike[str]) -> bool:
    """Whether a file holds bins, by its first bytes."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class BinFile:
    """A file of bins that is open for reading; `bins` begins at its first one each time.

    Raises:
        CorruptRecording: if its first block is damaged.
    """

    path: Path
    origin: Origin

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Self:
        with open(path, "rb") as file:
            file.seek(len(MAGIC))
            first = next(_blocks(file), b"")
        try:
            origin = msgspec.msgpack.decode(first, type=Origin)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CorruptRecording(
                path, f"its first block, which says what the bins are, is damaged: {error}"
            ) from None
        if min(*origin.frame, *origin.sensor, origin.step_us) < 1 or math.prod(origin.frame) > _MOST_VALUES:
            raise CorruptRecording(path, f"frames of {origin.frame}, a sensor of {origin.sensor}, {origin.step_us} us")
        return cls(Path(path), origin)

    def frames(
        self, start_us: int = 0, duration_us: int | None = None, on_damage: OnDamage = "salvage"
    ) -> Iterator[KeptFrame]:
        """The frames from a time after the first one on, in µs, for a duration; gaps between them count as time.

        Bytes behind the last whole bin are lost, as `cut_off` or `unreadable`, in the last frame.

        Raises:
            CorruptRecording: for such bytes, with `on_damage="refuse"`.
        """
        position_us = 0
        before: KeptFrame | None = None
        for frame in self._whole(on_damage):
            if before is not None:
                position_us += gap_between_us(before, frame)
            if duration_us is not None and position_us >= start_us + duration_us:
                return
            length_us = frame.end_us - frame.start_us
            if position_us + length_us > start_us:
                yield frame
            position_us, before = position_us + length_us, frame

    def _whole(self, on_damage: OnDamage) -> Iterator[KeptFrame]:
        """All frames; the last one has what was lost behind it."""
        waiting: KeptFrame | None = None
        with open(self.path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(len(MAGIC))
            blocks = _blocks(file)
            end = len(MAGIC) + (_HEAD.size + len(next(blocks, b"")))
            for block in blocks:
                frame = _decoded(block, self.origin)
                if frame is None:
                    break
                end += _HEAD.size + len(block)
                if waiting is not None:
                    yield waiting
                waiting = frame
        if end < size:
            if on_damage == "refuse":
                raise CorruptRecording(self.path, f"byte {end}: no whole bin follows; {size - end} bytes are left")
            lost = DropCounts.of(DropCause.cut_off, 1, size - end, end)
            waiting = None if waiting is None else replace(waiting, lost=waiting.lost + lost)
        if waiting is not None:
            yield waiting
        elif end < size:
            raise SourceError(self.path, "it holds no whole bin")


def _block(content: bytes) -> bytes:
    return _HEAD.pack(len(content), zlib.crc32(content)) + content


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    """The contents of the blocks up to the first that is cut off or damaged."""
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        length, crc = _HEAD.unpack(head)
        content = file.read(length) if length <= _MOST_BYTES else b""
        if len(content) != length or zlib.crc32(content) != crc:
            return
        yield content


def _encoded(one: Bin) -> bytes:
    frame = one.frame
    lost = tuple((cause.value, loss.events, loss.bytes, loss.at_byte) for cause, loss in frame.lost.losses.items())
    pixels = zlib.compress(np.ascontiguousarray(frame.pixels).tobytes(), 1)
    return msgspec.msgpack.encode(
        _Block(
            frame.index,
            frame.segment,
            frame.start_us,
            frame.end_us,
            frame.n_events,
            frame.pixels.dtype.str,
            pixels,
            lost,
            one.n_dropped,
            one.playing,
        )
    )


def _decoded(content: bytes, origin: Origin) -> KeptFrame | None:
    """The frame of a block; None if it is no bin of this file."""
    try:
        block = msgspec.msgpack.decode(content, type=_Block)
        kind = np.dtype(block.kind)
        if kind.kind not in "uif" or block.end_us <= block.start_us:
            return None
        n_bytes = math.prod(origin.frame) * kind.itemsize
        pixels = zlib.decompressobj().decompress(block.pixels, n_bytes + 1)
        lost = sum((_loss(*one) for one in block.lost), NOTHING_LOST)
        if len(pixels) != n_bytes or min(block.n_events, block.playing, block.n_dropped) < 0:
            return None
    except (msgspec.MsgspecError, UnicodeDecodeError, zlib.error, TypeError, ValueError):
        return None
    image = np.frombuffer(pixels, kind).reshape(origin.frame)
    return KeptFrame(
        block.index,
        block.segment,
        block.start_us,
        block.end_us,
        image,
        block.n_events,
        lost,
        block.playing,
        block.n_dropped,
    )


def _loss(cause: str, events: int, n_bytes: int, at_byte: int | None) -> DropCounts:
    return DropCounts.of(DropCause(cause), events, n_bytes, at_byte)
