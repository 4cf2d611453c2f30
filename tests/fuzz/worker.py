"""A child that reads mutants, one after the other: a line of JSON before each and one after.

The parent ends it when a mutant takes too long; what the child was at then stands in its last line.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from fuzz.checks import Broken, Reading, read
from fuzz.judging import judged
from fuzz.mutators import Mutant, document_of, mutant_of, rng_of
from fuzz.subjects import Subject, scratch, subjects

MEMORY_BYTES = 1_000_000_000
_ROOM_BYTES = 3_000_000_000  # of address space beyond what the libraries take


def made(group: list[Subject], seed: int, index: int) -> tuple[Subject, Mutant]:
    """Mutant number `index` of a group: always the same."""
    subject = group[index % len(group)]
    rng = rng_of(subject.group, seed, index)
    if subject.suffix == ".json":
        return subject, document_of(subject.data, rng)
    return subject, mutant_of(subject.data, rng, subject.fields)


def whole_readings(group: list[Subject], folder: Path) -> list[Reading]:
    """What comes of the undamaged files. None of them may be refused."""
    readings = []
    for subject in group:
        path = folder / f"whole{subject.suffix}"
        path.write_bytes(subject.data)
        readings += [read(subject, path, way) for way in range(4)][:1]
        path.unlink()
    return readings


def outcome_of(group: list[Subject], wholes: list[Reading], seed: int, index: int, folder: Path) -> dict[str, Any]:
    """One mutant made, read and judged: the line that the parent gets."""
    subject, mutant = made(group, seed, index)
    path = folder / f"mutant{subject.suffix}"
    path.write_bytes(mutant.data)
    line = {"kind": mutant.kind, "subject": subject.name, "outcome": "finding"}
    try:
        reading = read(subject, path, index // len(group))
    except Broken as error:
        return {**line, "why": str(error)}
    except BaseException as error:  # the promise is that none of these comes
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        return {**line, "why": f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"}
    outcome, why = judged(subject, mutant, wholes[index % len(group)], reading)
    return {**line, "outcome": outcome, "why": why}


def main(name: str, seed: int, first: int, step: int) -> None:
    """Reads mutants `first`, `first + step`, … of a group until a line on stdin is missing."""
    warnings.simplefilter("ignore")
    group = subjects(name)[name]
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        _say({"folder": folder})
        wholes = whole_readings(group, Path(folder))
        if refused := [one.refused for one in wholes if one.refused or one.causes]:
            _say({"unusable": f"{name}: a whole file is refused or damaged: {refused}"})
            return
        _limit_memory()
        index = first
        _say({"ready": name})
        while sys.stdin.readline():
            _say({"begin": index})
            reset_peak()
            _plant(index)
            line = outcome_of(group, wholes, seed, index, Path(folder))
            if (peak := peak_bytes()) > MEMORY_BYTES:
                line |= {"outcome": "finding", "why": f"{peak / 1e6:,.0f} MB of memory"}
            _say({"end": index, **line})
            index += step


def _plant(index: int) -> None:
    """Does at one file what the parent must notice, if a test asks for it: `SPIKECUT_FUZZ_PLANT="3:hang"`."""
    planted = dict(one.split(":") for one in os.environ.get("SPIKECUT_FUZZ_PLANT", "").split())
    what = planted.get(str(index))
    if what == "hang":
        time.sleep(60)
    elif what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "swell":
        bytearray(MEMORY_BYTES + 100_000_000)


def reset_peak() -> None:
    """Forgets the highest memory so far, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """The highest memory since `reset_peak`."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _limit_memory() -> None:
    """No mutant may take down the machine: what it asks for beyond this is refused by the system."""
    try:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (size + _ROOM_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
