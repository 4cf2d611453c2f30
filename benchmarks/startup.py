"""The time that commands take to start: processes of their own, compiled code and files in their caches.

    python -m benchmarks.startup [--json] [--quick] [--rounds N] [FILE]

Seconds from the start of the process to the first line on the screen (stderr or stdout), to the first line on stdout,
and to its end: wall time, the least and the median of several rounds in turns, and the least CPU time, which other work
on the machine disturbs less. FILE is a recording of gestures; without it, two seconds of a drawn one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

import numpy as np

from benchmarks.parts.report import machine
from spikecut.pipeline.events import SensorSize
from spikecut.sources.datasets.segments import cut
from spikecut.sources.simulation.gestures import drawn_session

SENSOR = SensorSize(128, 128)


@dataclass(frozen=True, slots=True)
class Start:
    """One process: seconds to its first line, to its first result, to its end, and its CPU time."""

    first_line_s: float
    first_result_s: float
    end_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """A command over all rounds, and what was asked of it."""

    command: str
    what: str
    asked_s: float
    least_s: float
    median_s: float
    least_cpu_s: float


def started(words: Sequence[str]) -> Start:
    """Runs `spikecut` with these words.

    Raises:
        RuntimeError: if it fails.
    """
    before = os.times()
    begun = time.perf_counter()
    first = dict.fromkeys(("out", "err"), float("inf"))
    with subprocess.Popen(
        [sys.executable, "-m", "spikecut", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment()
    ) as process:
        selector = DefaultSelector()
        for stream, name in ((process.stdout, "out"), (process.stderr, "err")):
            assert stream is not None
            selector.register(stream, EVENT_READ, name)
        while selector.get_map():
            for key, _ in selector.select():
                if os.read(key.fd, 1 << 16):
                    first[key.data] = min(first[key.data], time.perf_counter() - begun)
                else:
                    selector.unregister(key.fileobj)
        code = process.wait()
    ended = time.perf_counter() - begun
    after = os.times()
    if code:
        raise RuntimeError(f"spikecut {' '.join(words)} ended with {code}")
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Start(min(first.values()), first["out"], ended, cpu_s)


def _environment() -> dict[str, str]:
    """That of this process; Python may keep the byte code of modules, as an installation has it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def rows(file: Path, rounds: int) -> Iterator[Row]:
    """The commands, in turns."""
    commands = {"--help": ["--help"], "info": ["info", str(file)], "run": ["run", str(file), "--model", "gestures"]}
    starts: dict[str, list[Start]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, words in commands.items():
            one = started([*words, *(["--sensor", str(SENSOR)] if name != "--help" else [])])
            if turn:
                starts[name].append(one)
    cpu = {name: min(one.cpu_s for one in runs) for name, runs in starts.items()}
    measured = (
        ("--help", "its end", 0.3, [one.end_s for one in starts["--help"]]),
        ("info", "its end", 0.7, [one.end_s for one in starts["info"]]),
        ("run", "a line on the screen", 0.5, [one.first_line_s for one in starts["run"]]),
        ("run", "the first decision", 3.0, [one.first_result_s for one in starts["run"]]),
    )
    for name, what, asked_s, seconds in measured:
        yield Row(name, what, asked_s, min(seconds), float(np.median(seconds)), cpu[name])


def written(folder: Path) -> Path:
    """Two seconds of a drawn gesture as a structured array."""
    session = drawn_session(700)
    span, batch = next(iter(cut(session, list(session.spans())[:1])))
    events = batch.to_structured()
    file = folder / "gesture.npy"
    np.save(file, events[events["t"] < span.start_us + 2_000_000])
    return file


def main(arguments: Sequence[str] = ("--quick",)) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="three rounds")
    parser.add_argument("--rounds", type=int)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        file = chosen.file or written(Path(folder))
        print(f"start of commands, processes of their own; {machine(('numpy', 'numba', 'torch', 'tyro'))}", flush=True)
        for row in rows(file, chosen.rounds or (3 if chosen.quick else 9)):
            if chosen.json:
                print(json.dumps(asdict(row)), flush=True)
                continue
            print(
                f"  spikecut {row.command:<7} to {row.what:<21}{row.least_s:6.2f} s (median {row.median_s:.2f}, CPU of "
                f"the whole command {row.least_cpu_s:.2f}), asked {row.asked_s:g}",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
