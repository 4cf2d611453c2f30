"""Members of tar archives, packed with gzip, bzip2 or xz or not at all, unpacked within limits; nothing is written."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from spikecut.pipeline.errors import CorruptRecording, LimitExceeded, UnreadableSource
from spikecut.pipeline.files.limits import limit, too_large

_PACKED: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_BLOCK = 512
_LONGEST_HEADER = 1 << 20  # bytes at a time that a name or an extended header may take


def is_tar_archive(path: Path) -> bool:
    """Whether a file is a tar archive: by its first block, which has a sum of its own."""
    try:
        with path.open("rb") as file:
            block = _opened(file).read(_BLOCK)
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except Exception:  # whatever a damaged stream raises: then it is none
        return False
    return True


def tar_members(path: Path, wanted: Callable[[str], bool], most_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of the wanted files, in the order of the archive; of all together at most `most_bytes`.

    Raises:
        CorruptRecording: if the archive is damaged.
        LimitExceeded: if it has too many members, or unpacks to too many bytes.
        UnreadableSource: if it cannot be read.
    """
    total = 0
    try:
        with path.open("rb") as file:
            stream = _Limited(_opened(file), path)
            archive = tarfile.TarFile(fileobj=stream)
            for n, member in enumerate(archive, start=1):
                if n > limit("members") // 10:
                    raise too_large(path, "members", f"more than {limit('members') // 10:,} members")
                if not member.isreg() or not wanted(member.name):
                    continue
                total += member.size
                if total > most_bytes:
                    raise LimitExceeded(path / member.name, f"declares {member.size:,} bytes; at most {most_bytes:,}")
                body = archive.extractfile(member)
                assert body is not None
                stream.most_at_once = member.size
                raw = body.read()
                stream.most_at_once = _LONGEST_HEADER
                if len(raw) < member.size:
                    raise EOFError(f"{member.name} ends after {len(raw):,} of {member.size:,} bytes")
                yield member.name, raw
    except (LimitExceeded, UnreadableSource):
        raise
    except Exception as error:  # tarfile and the packers throw many kinds at damaged bytes
        reason = str(error) or type(error).__name__
        raise CorruptRecording(path, f"damaged archive: {reason}", hint="get it anew") from error


def _opened(file: BinaryIO) -> Any:
    """The stream of a tar archive, unpacked."""
    first = file.read(6)
    file.seek(0)
    return next((opened(file) for magic, opened in _PACKED.items() if first.startswith(magic)), file)


class _Limited(io.RawIOBase):
    """A stream that refuses to go on beyond the limit of an archive; `tarfile` reads and seeks forward in it."""

    def __init__(self, stream: Any, path: Path) -> None:
        self._stream, self._path, self.most_at_once = stream, path, _LONGEST_HEADER

    def read(self, n: int = -1) -> bytes:
        if n < 0 or n > self.most_at_once:
            raise EOFError(f"a header of {n:,} bytes; expected at most {self.most_at_once:,}")
        if self._stream.tell() + n > limit("archive-bytes"):
            raise self._refusal()
        data: bytes = self._stream.read(n)
        return data

    def seek(self, place: int, whence: int = 0) -> int:
        if whence or place > limit("archive-bytes"):
            raise self._refusal()
        at: int = self._stream.seek(place)
        return at

    def tell(self) -> int:
        at: int = self._stream.tell()
        return at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def _refusal(self) -> LimitExceeded:
        return too_large(self._path, "archive-bytes", f"unpacks to more than {limit('archive-bytes'):,} bytes")
