"""Plants one bug at a time in a copy of the repository and sees whether the tests notice: `make mutants`.

The bugs stand in `planted_bugs.toml`: for each its name, the file, what stands there exactly once (`old`), what a tired
programmer would have written instead (`new`), and the smallest tests that should notice.

    python tests/planted_bugs.py             all of them
    python tests/planted_bugs.py wilson ltt  those with one of these words in their name or file

A bug is noticed where a test fails that passes without it: what fails anyway notices nothing. A bug that breaks an
import proves nothing about a test and counts as not noticed, too. Ends with 1 if a bug was not noticed.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from queue import Queue

import pytest

REPOSITORY = Path(__file__).parent.parent
LIST = Path(__file__).with_suffix(".toml")
COPIES = int(os.environ.get("COPIES", "2"))  # how many bugs are tried at the same time
_LONGEST_S = 900  # a bug may make a loop endless; that is noticed, too
_IMPORTED = ["pytest", "torch", "numba", "scipy.stats", "scipy.optimize", "norse.torch", "h5py", "beartype"]
_PROCESSES = get_context("forkserver")  # what is slow to import and not ours is imported once, for all of them
_PROCESSES.set_forkserver_preload(_IMPORTED)


@dataclass(frozen=True, slots=True)
class Bug:
    """One wrong line: in `file` the text `old` becomes `new`, and one of `tests` (files or node ids) should fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def listed(path: Path = LIST) -> list[Bug]:
    """The bugs of a list, in its order."""
    rows = tomllib.loads(path.read_text())["bug"]
    return [Bug(**{**row, "tests": tuple(row["tests"])}) for row in rows]


def misplaced(bug: Bug, repository: Path = REPOSITORY) -> str:
    """Why a bug cannot be planted, in a sentence; nothing where it can."""
    if not (repository / bug.file).is_file():
        return f"{bug.name}: there is no file {bug.file}"
    times = (repository / bug.file).read_text().count(bug.old)
    if times != 1:
        return f"{bug.name}: {bug.old!r} stands {times} times in {bug.file}; expected once"
    if bug.old == bug.new:
        return f"{bug.name}: it changes nothing"
    missing = [test for test in bug.tests if not (repository / test.partition("::")[0]).is_file()]
    return f"{bug.name}: there is no {missing[0]}" if missing else "" if bug.tests else f"{bug.name}: it names no test"


def planted(text: str, bug: Bug) -> str:
    """A file's text with the bug in it."""
    return text.replace(bug.old, bug.new, 1)


def copied(target: Path) -> Path:
    """What git knows and does not ignore, as it lies in the working tree, and what Numba has compiled of it."""
    said = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, check=True, capture_output=True,
    )  # fmt: skip
    names = [name for name in said.stdout.decode().split("\0") if name]
    rooms = sorted({Path(name).parent for name in names})
    kernels = [path.relative_to(REPOSITORY) for room in rooms for path in REPOSITORY.glob(f"{room}/__pycache__/*.nb?")]
    for name in [*map(Path, names), *kernels]:
        source, place = REPOSITORY / name, target / name
        if source.is_symlink() or source.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place, follow_symlinks=False)
    return target


def failing(copy: Path, tests: Sequence[str], *, first: bool = True) -> list[str]:
    """Which of these tests fail in a copy of the repository, by their node ids; with `first` no more than one."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report")
        process = _PROCESSES.Process(target=_run, args=(copy, tests, report, ["-x"] if first else []))
        process.start()
        process.join(_LONGEST_S if first else None)
        if process.is_alive():
            process.kill()
            process.join()
            return [tests[0]]
        return report.read_text().splitlines() if report.exists() else []


class _Failures:
    """Writes down the node ids of tests that fail, a line each; errors outside of tests are none."""

    def __init__(self, report: Path) -> None:
        self._report = report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            with self._report.open("a") as file:
                file.write(f"{report.nodeid}\n")


def _run(copy: Path, tests: Sequence[str], report: Path, more: Sequence[str]) -> None:
    os.chdir(copy)
    paths = [str(copy / "src"), str(copy / "tests")]
    sys.path[:0] = paths
    # A file changed twice within a second keeps its size and its time: Python would go on with the bytecode before.
    sys.dont_write_bytecode = True
    os.environ.update(PYTHONPATH=os.pathsep.join(paths), PYTHONDONTWRITEBYTECODE="1")
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        options = [*more, "-p", "no:cacheprovider", "-m", "not slow", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        pytest.main([*options, *tests], plugins=[_Failures(report)])


@contextlib.contextmanager
def with_bug(copy: Path, bug: Bug) -> Iterator[None]:
    """While it lasts the copy has the bug; afterwards it is as before, to the time of the file."""
    path = copy / bug.file
    sound, times = path.read_text(), path.stat()
    path.write_text(planted(sound, bug))
    try:
        yield
    finally:
        path.write_text(sound)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # or Numba compiles it once more


def tried(copies: Sequence[Path], bugs: Sequence[Bug]) -> list[str]:
    """For each bug the test that notices it, or nothing; in each copy one bug is tried at a time.

    What fails without a bug as well has noticed nothing.
    """
    free: Queue[Path] = Queue()
    for copy in copies:
        free.put(copy)

    def try_one(bug: Bug) -> str:
        copy = free.get()
        try:
            with with_bug(copy, bug):
                test = next(iter(failing(copy, bug.tests)), "")
        finally:
            free.put(copy)
        print(f"noticed: {bug.name} ({test})" if test else f"NOT NOTICED: {bug.name} ({bug.file})", flush=True)
        return test

    with ThreadPoolExecutor(len(copies)) as threads:
        noticed = list(threads.map(try_one, bugs))
    anyway = failing(copies[0], sorted({*noticed} - {""}), first=False) if any(noticed) else []
    for test in anyway:
        print(f"NOTHING NOTICED: {test} fails without a bug, too")
    return ["" if test in anyway else test for test in noticed]


def main(words: Sequence[str]) -> int:
    """Tries the bugs with one of these words in their name or file, or all; the exit code."""
    if wrong := [reason for bug in listed() if (reason := misplaced(bug))]:
        print("\n".join(wrong))
        return 1
    bugs = [bug for bug in listed() if not words or any(word in f"{bug.name} {bug.file}" for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        noticed = tried([copied(Path(folder, f"copy{number}")) for number in range(COPIES)], bugs)
    print(f"{sum(map(bool, noticed))} of {len(bugs)} bugs noticed")
    return 0 if all(noticed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
