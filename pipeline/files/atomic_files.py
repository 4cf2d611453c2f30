"""Files and folders that appear whole or not at all: the one place where spikecut writes to a disk.

What is written goes to a temporary name in the same folder (`.NAME.partial.SUFFIX`) and takes its own name by one
rename when it is complete and flushed to the disk. Until then, and after any error, an interruption or a kill, the old
file is there as it was. Of two processes that write one target the second is refused; the operating system releases
the lock of a process that has ended, however it ended.
"""

import contextlib
import fcntl
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from os import PathLike
from pathlib import Path

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem, InUse, SpikecutError


@contextmanager
def new_file(
    path: str | PathLike[str], *, overwrite: bool = False, keep_partial: bool = False, make_folder: bool = True
) -> Iterator[Path]:
    """A temporary path, with the suffix of `path`, that becomes `path` when the block ends well.

    After an error the temporary file is removed; with `keep_partial` it stays, under a visible name
    (`NAME.partial.SUFFIX`), and is replaced by the next attempt. A symbolic link stays one, a file keeps its mode.

    Raises:
        ConfigError: if `path` exists and `overwrite` is not set, before the block; if it came to exist meanwhile, after
            it, and then the finished file is kept under a name that the hint gives.
        InUse: if another process is writing `path`.
        EnvironmentProblem: if it cannot be written: no permission, a full disk.
    """
    refuse_existing(path, overwrite=overwrite)
    target = Path(os.path.realpath(path) if os.path.islink(path) else path)
    partial = partial_of(target, visible=keep_partial)
    with problems_of(target), _unless_claimed(target, make_folder=make_folder):
        partial.unlink(missing_ok=True)
        finished = False
        try:
            yield partial
            flush(partial)
            if target.exists():
                if not overwrite:
                    finished = True
                    raise _appeared(target, partial)
                shutil.copymode(target, partial)
            partial.replace(target)
            flush(target.parent)
        finally:
            if not finished and not keep_partial:
                partial.unlink(missing_ok=True)


@contextmanager
def new_folder(path: str | PathLike[str]) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends well, and is removed when it does not.

    Raises:
        ConfigError: if `path` exists and holds anything, before the block or after it.
        InUse: if another process is writing `path`.
        EnvironmentProblem: if it cannot be written: no folder above, no permission, a full disk.
    """
    target = Path(path).resolve()
    _refuse_filled(target)
    partial = partial_of(target)
    with problems_of(target), _unless_claimed(target, make_folder=False):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            yield partial
            for folder, _, names in os.walk(partial):
                for name in names:
                    flush(Path(folder, name))
                flush(Path(folder))
            _refuse_filled(target)
            partial.replace(target)
            flush(target.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def write_bytes(path: str | PathLike[str], content: bytes, *, overwrite: bool = False) -> None:
    """Writes a whole file; errors as `new_file`."""
    with new_file(path, overwrite=overwrite) as partial:
        partial.write_bytes(content)


def write_text(path: str | PathLike[str], text: str, *, overwrite: bool = False) -> None:
    """Writes a whole file in UTF-8, line ends as they are; errors as `new_file`."""
    write_bytes(path, text.encode(), overwrite=overwrite)


def write_together(contents: Mapping[Path, bytes], *, overwrite: bool = False) -> None:
    """Writes files that belong together: none takes its name before all are complete on the disk; errors as `new_file`.

    They are renamed in the reverse of the order given.
    """
    with ExitStack() as stack:
        partials = {path: stack.enter_context(new_file(path, overwrite=overwrite)) for path in contents}
        for path, partial in partials.items():
            partial.write_bytes(contents[path])
            flush(partial)


@contextmanager
def claimed(*paths: str | PathLike[str], wait: bool = False) -> Iterator[None]:
    """Holds names for this thread while the block runs, for long work that writes them at its end.

    The block itself may write them (`new_file`); other writers are refused, or with `wait` go on when the block ends.

    Raises:
        InUse: if another process or thread holds one of them.
        EnvironmentProblem: if a folder cannot be written.
    """
    keys = [_key(Path(path)) for path in paths]
    with ExitStack() as stack:
        for _, _, target in keys:
            with problems_of(target):
                stack.enter_context(_lock(target, wait=wait))
        _CLAIMED.update(keys)
        try:
            yield
        finally:
            _CLAIMED.difference_update(keys)


_Key = tuple[int, int, Path]
_CLAIMED: set[_Key] = set()


def _key(path: Path) -> _Key:
    """A process, a thread, and the file that a name stands for."""
    return os.getpid(), threading.get_ident(), Path(os.path.realpath(path))


def refuse_existing(path: str | PathLike[str], *, overwrite: bool) -> None:
    """Raises before long work begins if its file could not be written.

    Raises:
        ConfigError: if `path` is a folder or a device, or exists and `overwrite` is not set.
    """
    target = Path(path)
    if target.exists() and not target.is_dir() and not target.is_file():
        raise ConfigError(f"{target} is no file that could be replaced", hint="choose the name of a file")
    if target.is_dir() or (target.exists() and not overwrite):
        raise ConfigError(f"{target} exists already", hint="choose another name, or pass --overwrite")


def refuse_full_disk(partial: Path) -> None:
    """Notices a full disk for writers that say nothing of one, such as OpenCV: no file may grow there any more.

    Raises:
        OSError: if there is no room for another 64 KiB behind the file.
    """
    descriptor = os.open(partial, os.O_RDWR)
    try:
        size = os.fstat(descriptor).st_size
        try:
            os.posix_fallocate(descriptor, size, 2**16)
        finally:
            os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


def partial_of(path: Path, *, visible: bool = False) -> Path:
    """The temporary name of a file, with the same suffix: writers choose their format by it."""
    return path.with_name(f"{'' if visible else '.'}{path.stem}.partial{path.suffix}")


def _unless_claimed(target: Path, *, make_folder: bool) -> AbstractContextManager[None]:
    return nullcontext() if _key(target) in _CLAIMED else _lock(target, make_folder=make_folder)


@contextmanager
def _lock(target: Path, *, wait: bool = False, make_folder: bool = True) -> Iterator[None]:
    """Holds the file `.NAME.lock` by `flock` and removes it; without effect where a file system has no locks."""
    if make_folder:
        target.parent.mkdir(parents=True, exist_ok=True)
    lock = target.with_name(f".{target.name}.lock")
    descriptor = _locked(lock, target, wait)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a forked child holds the descriptor, too
        os.close(descriptor)


def _locked(lock: Path, target: Path, wait: bool) -> int:
    """A descriptor that holds the lock; one of a file that its last holder has removed meanwhile holds nothing."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            os.close(descriptor)
            raise InUse(
                target, "another process is writing it", hint="wait until it has ended, or choose another name"
            ) from error
        except OSError:  # a file system without locks
            return descriptor
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
                return descriptor
        os.close(descriptor)


def flush(path: Path) -> None:
    """Waits until a file or the entries of a folder are on the disk, so that a crash cannot leave half of it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _appeared(target: Path, partial: Path) -> ConfigError:
    """Keeps the finished file under a free name, and names it in the error."""
    n = 1
    while (kept := target.with_name(f"{target.stem}.{n}{target.suffix}")).exists():
        n += 1
    partial.replace(kept)
    return ConfigError(f"{target} has appeared meanwhile", hint=f"what was written is in {kept}")


def _refuse_filled(path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ConfigError(
            f"{path} exists already", hint="choose another name; nothing is added to a folder or replaced"
        )


@contextmanager
def problems_of(path: Path) -> Iterator[None]:
    """Errors of the operating system become errors of ours that name the file of the user."""
    try:
        yield
    except (SpikecutError, BrokenPipeError):  # a broken pipe is no damaged file: its reader has closed it
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise EnvironmentProblem(
            f"{path}: cannot be written: {reason}", hint="is there a folder that may be written, and room on the disk?"
        ) from error
