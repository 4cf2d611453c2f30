"""The archive of an `.npz`: its members, none larger than what is stored justifies, unpacked piece by piece."""

import contextlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from spikecut.pipeline.errors import CorruptRecording, LimitExceeded, SpikecutError, UnknownFormat
from spikecut.sources.formats.arrays.array_header import ArrayHeader, read_header
from spikecut.sources.formats.arrays.npy_files import with_whole_booleans
from spikecut.sources.formats.reading.files import file_size, open_binary, unreadable

_MEMBERS_LIMIT = 1_000
_RATIO, _SPARE = 1_100, 2**20
_SMALL_BYTES = 4_096
_PIECE_BYTES, _WINDOW_BYTES = 2**16, 2**17
_END_OF_ARCHIVE, _END_BYTES = b"PK\5\6", 22
_TAIL_BYTES = _END_BYTES + 2**16 - 1  # a comment may follow, of 16 bits of bytes


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """An open archive; whatever the library says against it becomes an error of ours."""
    with open_binary(path) as file:
        try:
            with zipfile.ZipFile(_until_its_end(file, path)) as archive:
                yield archive
        except (SpikecutError, GeneratorExit):
            raise
        except Exception as error:  # zipfile fails on damage in many ways
            reason = " ".join(str(error).split())[:100] or type(error).__name__
            raise CorruptRecording(path, f"the archive of arrays is damaged ({reason})") from error


def members_of(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The arrays by name, none of which declares more than deflate can make of what is stored."""
    infos = archive.infolist()
    if len(infos) > _MEMBERS_LIMIT:
        raise LimitExceeded(path, f"an archive of {len(infos):,} members; at most {_MEMBERS_LIMIT:,} are read")
    size = file_size(path)
    for info in infos:
        if info.file_size > _RATIO * min(info.compress_size, size) + _SPARE:
            raise LimitExceeded(
                path, f"{info.filename} declares {info.file_size:,} bytes, packed in {info.compress_size:,}"
            )
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
            raise UnknownFormat(path, f"{info.filename} is packed in another way than NumPy does")
    return {info.filename.removesuffix(".npy"): info for info in infos if info.filename.endswith(".npy")}


def header_of(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> ArrayHeader:
    """The header of a member's array."""
    with archive.open(info) as stream:
        return read_header(stream, path, info.filename)  # type: ignore[arg-type]


def small_array(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo | None) -> Any:
    """The values of a small array of numbers or words; None if it is none."""
    if info is None or info.file_size > _SMALL_BYTES:
        return None
    with archive.open(info) as stream:
        try:
            return np.lib.format.read_array(stream, allow_pickle=False, max_header_size=_SMALL_BYTES)
        except ValueError:
            return None


def bytes_behind(archive: zipfile.ZipFile, path: Path) -> tuple[int, int]:
    """How many bytes follow the end of the archive, and where."""
    size, file = file_size(path), archive.fp
    assert file is not None
    end = min(size, _last_record(file, size) + _END_BYTES + len(archive.comment))  # type: ignore[arg-type]
    return size - end, end


def _until_its_end(file: BinaryIO, path: Path) -> BinaryIO:
    """The file, without what follows the end of its archive where that is more than zipfile looks through."""
    size = file_size(path)
    at = _last_record(file, size)
    if at < 0 or size - at <= _TAIL_BYTES:
        return file
    file.seek(at + _END_BYTES - 2)
    n_comment = int.from_bytes(file.read(2), "little")
    return io.BufferedReader(_Beginning(file, min(size, at + _END_BYTES + n_comment)))


def _last_record(file: BinaryIO, size: int) -> int:
    """Where the record lies that ends an archive; -1 if there is none. It is searched for from the end of the file."""
    end = size
    while end > 0:
        begin = max(0, end - _WINDOW_BYTES)
        file.seek(begin)
        if (at := file.read(end - begin).rfind(_END_OF_ARCHIVE)) >= 0:
            return begin + at
        if begin == 0:
            break
        end = begin + len(_END_OF_ARCHIVE) - 1
    return -1


class _Beginning(io.RawIOBase):
    """The first `size` bytes of an open file, as a file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size, self.at = file, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence])
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, buffer: Any) -> int:
        self.file.seek(self.at)
        data = self.file.read(max(0, min(len(buffer), self.size - self.at)))
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)


class MemberStream:
    """An array while it is unpacked, piece by piece: the same pieces whatever is asked of it."""

    def __init__(self, archive: zipfile.ZipFile, path: Path, name: str, stack: contextlib.ExitStack) -> None:
        info, self.path = archive.getinfo(name), path
        member: Any = stack.enter_context(archive.open(info))
        member._expected_crc = None  # zipfile would keep the last piece back; the sum is verified in `rest`
        self.file = member
        self.expected, self.total = info.CRC, 0
        self.waiting, self.damaged, self.ended = b"", False, False
        head = self._piece()
        self.header = read_header(io.BytesIO(head), path, name)
        self.waiting = head[self.header.begin :]

    def rows(self, n: int) -> Any:
        """The next rows, at most `n`; fewer where the member ends or is damaged."""
        size = self.header.row_bytes
        pieces, there = [self.waiting], len(self.waiting)
        while there < n * size and not self.ended:
            pieces.append(self._piece())
            there += len(pieces[-1])
        data = b"".join(pieces)
        n = min(n, len(data) // size)
        self.waiting = data[n * size :]
        dtype = np.dtype(np.uint8) if self.header.dtype.kind == "b" else self.header.dtype
        values = np.frombuffer(data, dtype, n * self.header.width).reshape(n, self.header.width)
        return with_whole_booleans(values) if dtype.names is not None else values

    def rest(self) -> int:
        """How many bytes stand behind the array; afterwards the sum of the member is verified."""
        n, self.waiting = len(self.waiting), b""
        while not self.ended:
            n += len(self._piece())
        self.damaged |= self.total != self.expected
        return n

    def _piece(self) -> bytes:
        try:
            data: bytes = self.file.read(_PIECE_BYTES)
        except OSError as error:
            raise unreadable(self.path, error) from error
        except Exception:  # zlib and zipfile fail on damage in several ways
            self.damaged, self.ended = True, True
            return b""
        self.ended = not data
        self.total = zlib.crc32(data, self.total)
        return data
