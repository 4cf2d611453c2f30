"""Runs the children that read mutants: what hangs, crashes or swells one is a finding, and the next child goes on."""

import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
SECONDS_EACH, SECONDS_TO_START = 10.0, 300.0


@dataclass(slots=True)
class Tally:
    """What came of the mutants of one group, by outcome and by kind of fault."""

    group: str
    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def n(self) -> int:
        return self.outcomes.total()

    def add(self, line: dict[str, Any]) -> None:
        self.outcomes[line["outcome"]] += 1
        self.kinds[line["kind"], line["outcome"]] += 1
        if line["outcome"] == "finding":
            self.findings.append(line)


class Child:
    """One process that reads mutants of a group from `first` on; `lines` yields what it says, None after a silence."""

    def __init__(self, group: str, seed: int, first: int) -> None:
        path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path, "OPENCV_LOG_LEVEL": "SILENT", "OMP_NUM_THREADS": "1"}
        words = [sys.executable, "-m", "fuzz.worker", group, str(seed), str(first), "1"]
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=TESTS.parent,
        )
        self._left = b""

    def line(self, seconds: float) -> dict[str, Any] | None:
        """The next line, or None if none comes in time or ever."""
        assert self.process.stdout is not None
        until = time.monotonic() + seconds
        while b"\n" not in self._left:
            wait = until - time.monotonic()
            if wait <= 0 or not select.select([self.process.stdout], [], [], wait)[0]:
                return None
            block = os.read(self.process.stdout.fileno(), 1 << 16)
            if not block:
                return None
            self._left += block
        raw, _, self._left = self._left.partition(b"\n")
        line: dict[str, Any] = json.loads(raw)
        return line

    def next(self) -> bool:
        """Asks for the next mutant; False if the child has gone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()
        except OSError:
            return False
        return True

    def end(self) -> str:
        """Ends the child, and says how it had ended before, if it had."""
        before = self.process.poll()
        if before is None:
            try:
                before = self.process.wait(0.2)  # its last line may be a moment ahead of its end
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        if before is None:
            return f"no end after {SECONDS_EACH:.0f} s"
        return f"ended by {signal.Signals(-before).name}" if before < 0 else f"ended with code {before}"


def tallied(group: str, seed: int, n: int, seconds: float) -> Tally:
    """Mutants 0 to `n` of a group, or as many as there is time for once the first child is ready."""
    tally, started, index, until = Tally(group), time.monotonic(), 0, math.inf
    while index < n and time.monotonic() < until:
        child = Child(group, seed, index)
        for line in _lines(child, n - index):
            if "ready" in line:
                until = min(until, time.monotonic() + seconds)
                continue
            if "unusable" in line:
                child.end()
                why = f"an undamaged file is refused: {line['unusable']}"
                tally.add({"group": group, "seed": seed, "index": 0, "kind": "?", "outcome": "finding", "why": why})
                return tally
            tally.add({"group": group, "seed": seed, "index": index, **line})
            index += 1
            if time.monotonic() > until:
                break
        end = child.end()
        if index < n and time.monotonic() < until:
            tally.add({"group": group, "seed": seed, "index": index, "kind": "?", "outcome": "finding", "why": end})
            index += 1
    tally.seconds = time.monotonic() - started
    return tally


def _lines(child: Child, n: int) -> Iterator[dict[str, Any]]:
    """A line when the child is ready, then the outcomes of up to `n` mutants, until it hangs or has gone."""
    while (line := child.line(SECONDS_TO_START)) is not None and "ready" not in line:
        if "unusable" in line:
            yield line
            return
    if line is None:
        raise SystemExit("error: a child of the fuzzer does not start; `python -m fuzz.worker GROUP 0 0 1` says why")
    yield line
    for _ in range(n):
        if not child.next():
            return
        line = child.line(SECONDS_EACH)
        if line is not None:
            line = child.line(SECONDS_EACH)
        if line is None:
            return
        yield {name: value for name, value in line.items() if name != "end"}
