"""The structure of an HDF5 file: superblock, object headers and their messages, read within bounds.

The HDF5 library is not made for files of strangers: on damage it may loop for ever or end the process. This reads the
few structures that recordings need, after the HDF5 File Format Specification 3.0 (The HDF Group). Every address and
size is checked before it is used, no address is visited twice, and what is read for the structure alone is at most
twice the size of the file. Checksums are verified where the format has them.
"""

import fcntl
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from spikecut.pipeline.errors import CorruptRecording, InUse, LimitExceeded, UnsupportedVersion
from spikecut.sources.formats.hdf5_files.kernels import lookup3
from spikecut.sources.formats.reading.files import open_binary, unreadable
from spikecut.sources.formats.signatures import HDF5

UNDEFINED = 2**64 - 1
_MESSAGES_LIMIT = 10_000
_BLOCK_LIMIT = 2**26
_SPARE = 2**20
MSG_SPACE, MSG_LINK_INFO, MSG_TYPE, MSG_LINK, MSG_EXTERNAL, MSG_LAYOUT = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08
MSG_FILTERS, MSG_ATTRIBUTE, MSG_CONTINUED, MSG_SYMBOLS = 0x0B, 0x0C, 0x10, 0x11
_SHARED = 0x02


@dataclass(slots=True)
class Hdf5Bytes:
    """The bytes of an open HDF5 file, of which only those that are there are read."""

    path: Path
    file: BinaryIO
    size: int
    visited: set[int] = field(default_factory=set)
    n_structure: int = 0
    end: int = 0  # as the superblock states it

    def damaged(self, what: str, at: int | None = None) -> CorruptRecording:
        return CorruptRecording(self.path, f"the structure of the HDF5 file is damaged ({what})", offset=at)

    def stored(self, at: int, n: int) -> bytes:
        """`n` bytes from `at`; fewer where the file ends.

        Raises:
            UnreadableSource: if the disk does not give them.
        """
        try:
            return os.pread(self.file.fileno(), n, at) if 0 <= at < self.size else b""
        except OSError as error:
            raise unreadable(self.path, error) from error

    def read(self, at: int, n: int) -> bytes:
        """Exactly `n` bytes of structure from `at`.

        Raises:
            CorruptRecording: if the file ends before them, or they were read too often.
            LimitExceeded: if they are more than any structure takes.
        """
        if n > _BLOCK_LIMIT:
            raise LimitExceeded(self.path, f"a structure of {n:,} bytes at byte {at}")
        if at < 0 or at + n > self.size:
            raise self.cut_off(f"{n} bytes at byte {at} of {self.size}")
        self.n_structure += n
        if self.n_structure > 2 * self.size + _SPARE:
            raise self.damaged("its parts overlap", at)
        data = self.stored(at, n)
        if len(data) < n:
            raise self.cut_off(f"{n} bytes at byte {at}")
        return data

    def cut_off(self, detail: str) -> CorruptRecording:
        return CorruptRecording(
            self.path,
            f"the file is cut off or its structure is damaged: it has no {detail}",
            hint="copy it again; an HDF5 file is found by structures that may stand at its end",
        )

    def visit(self, at: int) -> int:
        """Marks a place as visited, and returns it.

        Raises:
            CorruptRecording: at the second visit: the structure would never end.
        """
        if at in self.visited:
            raise self.damaged("it refers to itself", at)
        self.visited.add(at)
        return at

    def block(self, at: int, n: int, signature: bytes) -> "Fields":
        """A block of known size that begins with a signature and ends with its checksum."""
        data = self.read(self.visit(at), n)
        if n < 8 or not data.startswith(signature):
            raise self.damaged(f"no {signature.decode()} at byte {at}", at)
        self.check_sum(data, at)
        return Fields(self, data[:-4], at, len(signature))

    def check_sum(self, data: bytes, at: int) -> None:
        """Raises if the last four bytes are not the checksum of those before."""
        if int(lookup3(np.frombuffer(data[:-4], np.uint8))) != int.from_bytes(data[-4:], "little"):
            raise self.damaged(f"a checksum at byte {at} does not match", at)


@dataclass(slots=True)
class Fields:
    """Little-endian numbers and bytes taken one after the other from a piece of the file."""

    source: Hdf5Bytes
    data: bytes
    begin: int
    at: int = 0

    def bytes(self, n: int) -> bytes:
        if n < 0 or self.at + n > len(self.data):
            raise self.source.damaged(f"a field ends too early at byte {self.begin + self.at}", self.begin + self.at)
        part = self.data[self.at : self.at + n]
        self.at += n
        return part

    def number(self, n: int) -> int:
        return int.from_bytes(self.bytes(n), "little")

    def numbers(self, *sizes: int) -> list[int]:
        data, end, values = self.bytes(sum(sizes)), 0, list[int]()
        for n in sizes:
            values.append(int.from_bytes(data[end : end + n], "little"))
            end += n
        return values

    def skip(self, n: int) -> None:
        self.bytes(n)

    @property
    def n_left(self) -> int:
        return len(self.data) - self.at

    def words(self, n: int) -> str:
        """A name of `n` bytes, up to its first zero."""
        return self.bytes(n).split(b"\0")[0].decode("utf-8", "replace")

    def zero_ended(self) -> str:
        """A name that ends with a zero."""
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise self.source.damaged("a name without end", self.begin + self.at)
        return self.words(end + 1 - self.at)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an object header: its kind, its bytes, and whether it is stored elsewhere."""

    kind: int
    data: bytes
    at: int
    shared: bool

    def fields(self, source: Hdf5Bytes) -> Fields:
        return Fields(source, self.data, self.at)


def open_structure(path: Path) -> tuple[Hdf5Bytes, int]:
    """An open file whose superblock is sound, and the address of its root group. The caller closes it.

    Raises:
        UnreadableSource: if the file is missing or may not be read.
        InUse: if another process holds it open for writing.
        CorruptRecording: if the superblock is damaged.
        UnsupportedVersion: if its numbers have other sizes than 8 bytes, or its version is not known.
    """
    file = open_binary(path)
    try:
        _lock(file, path)
        source = Hdf5Bytes(path, file, os.fstat(file.fileno()).st_size)
        return source, _root_address(source)
    except BaseException:
        file.close()
        raise


def _lock(file: BinaryIO, path: Path) -> None:
    """Shares the lock that the HDF5 library takes alone for writing; without effect where there are no locks."""
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InUse(
            path, "another process holds the file open for writing", hint="try again when it has closed it"
        ) from error
    except OSError:
        return


def _root_address(source: Hdf5Bytes) -> int:
    head = Fields(source, source.read(0, min(source.size, 128)), 0)
    if head.bytes(8) != HDF5:
        raise source.damaged("no signature", 0)
    version = head.number(1)
    if version in (0, 1):
        head.skip(4)
        sizes = head.numbers(1, 1)
        head.skip(1 + 4)
        flags = head.number(4)
        head.skip(4 if version == 1 else 0)
        base, _, end, _ = head.numbers(8, 8, 8, 8)
        _, root = head.numbers(8, 8)
    elif version in (2, 3):
        sizes, flags = head.numbers(1, 1), head.number(1)
        base, _, end, root = head.numbers(8, 8, 8, 8)
        source.check_sum(head.data[: head.at + 4], 0)
    else:
        raise UnsupportedVersion(source.path, f"an HDF5 superblock of version {version}; spikecut reads 0 to 3")
    if sizes != [8, 8] or base:
        raise UnsupportedVersion(source.path, f"an HDF5 file with addresses of {sizes[0]} bytes that begin at {base}")
    if version >= 2 and flags & 1:
        raise InUse(
            source.path,
            "the file is marked as open for writing: its writer is still at work or has ended without closing it",
            hint="try again when it has closed it; if it has crashed: h5clear -s FILE",
        )
    if end > source.size:
        raise source.cut_off(f"end: {source.size:,} bytes where its header states {end:,}")
    source.end = end
    return root


def messages_of(source: Hdf5Bytes, address: int) -> list[Message]:
    """The messages of an object header and its continuations.

    Raises:
        CorruptRecording: if the header is damaged.
    """
    first = source.read(address, 4)
    messages: list[Message] = []
    if first == b"OHDR":
        prefix = Fields(source, source.read(address, min(32, source.size - address)), address, 4)
        version, flags = prefix.numbers(1, 1)
        if version != 2:
            raise source.damaged(f"an object header of version {version}", address)
        prefix.skip((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
        size = prefix.number(1 << (flags & 3))
        block = source.block(address, prefix.at + size + 4, b"OHDR")
        block.at = prefix.at
        blocks = [block]
        while blocks:
            _messages_2(source, blocks.pop(0), flags, messages, blocks)
        return messages
    head = Fields(source, source.read(source.visit(address), 16), address)
    version, _, n, _, size = head.numbers(1, 1, 2, 4, 4)
    if version != 1:
        raise source.damaged("no object header", address)
    blocks = [Fields(source, source.read(address + 16, size), address + 16)]
    while blocks and len(messages) < n:
        _messages_1(source, blocks.pop(0), n, messages, blocks)
    return messages


def _messages_1(source: Hdf5Bytes, block: Fields, n: int, messages: list[Message], blocks: list[Fields]) -> None:
    while block.n_left >= 8 and len(messages) < n:
        kind, size, flags, _ = block.numbers(2, 2, 1, 3)
        messages.append(Message(kind, block.bytes(size), block.begin + block.at - size, bool(flags & _SHARED)))
        if kind == MSG_CONTINUED:
            at, length = messages[-1].fields(source).numbers(8, 8)
            blocks.append(Fields(source, source.read(source.visit(at), length), at))


def _messages_2(source: Hdf5Bytes, block: Fields, header: int, messages: list[Message], blocks: list[Fields]) -> None:
    prefix = 6 if header & 4 else 4
    while block.n_left >= prefix:
        kind, size, flags = block.numbers(1, 2, 1)
        block.skip(prefix - 4)
        messages.append(Message(kind, block.bytes(size), block.begin + block.at - size, bool(flags & _SHARED)))
        if len(messages) > _MESSAGES_LIMIT:
            raise LimitExceeded(source.path, f"an object header of more than {_MESSAGES_LIMIT:,} messages")
        if kind == MSG_CONTINUED:
            at, length = messages[-1].fields(source).numbers(8, 8)
            blocks.append(source.block(at, length, b"OCHK"))
