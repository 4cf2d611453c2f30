"""How fast a recording can be played before the loop falls behind: the pace is raised until lag grows.

    python -m benchmarks.live [FILE] [--model gestures] [--seconds 4] [--json]

Without a FILE a drawn session is made. A row a speed, of so many seconds on the wall each: events/s, seconds of work
for a second of stream, lag in ms against the schedule, and whether the loop kept pace: at the end it was no more than
two bins of the stream late, or 20 ms. The knee is the highest speed at which it did, to a
tenth. Nothing is dropped (`--when-full block`); one thread reads, one decides.
"""

import argparse
import contextlib
import io
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.parts.report import machine
from spikecut.models.files.opening import card_of, locate
from spikecut.sources.simulation.gestures import drawn_session, write_session
from spikecut.tools.commands.watch.run import Run
from spikecut.tools.session.run import run_run

LATE_MS = 20.0
USER = 700  # trained, fitted and tested nothing


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.live", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="a recording; default: a drawn session")
    parser.add_argument("--model", default="gestures")
    parser.add_argument("--seconds", type=float, default=4.0, help="on the wall, for each speed (default: 4)")
    parser.add_argument("--start", type=float, default=8.0, help="the first speed (default: 8)")
    parser.add_argument("--most", type=float, default=4096.0, help="the highest speed that is tried (default: 4096)")
    parser.add_argument("--json", action="store_true", help="one JSON object a speed")
    chosen = parser.parse_args(argv)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        file = chosen.file or write_session(Path(folder), drawn_session(USER, quick=True))
        step_ms = card_of(locate(chosen.model)).spec.step_us / 1000
        if not chosen.json:
            print(f"{file.name}, network {chosen.model}; {machine()}")
            print("| speed | events/s | work for 1 s | lag p50 | p99 | at the end | kept pace |\n" + "|---" * 7 + "|")

        def kept_pace(speed: float) -> bool:
            row = played(Run(file, model=chosen.model), speed, chosen.seconds, step_ms)
            print(json.dumps(row) if chosen.json else line_of(row), flush=True)
            return bool(row["kept_pace"])

        kept_pace(chosen.start)  # warm: compiled, in memory
        knee = knee_of(kept_pace, chosen.start, chosen.most)
    print(json.dumps({"knee": knee}) if chosen.json else f"\nknee: {knee:g} times the sensor's pace")


def knee_of(kept_pace: Any, start: float, most: float) -> float:
    """The highest speed at which the loop keeps pace, to a tenth; 0 if it does not at `start`.

    >>> round(knee_of(lambda speed: speed < 100, 8.0, 1e4) / 100, 1)
    1.0
    """
    below, speed = 0.0, start
    while speed <= most and kept_pace(speed):
        below, speed = speed, 2 * speed
    above = speed
    while below and above > 1.1 * below and below < most:
        middle = (below * above) ** 0.5
        if kept_pace(middle):
            below = middle
        else:
            above = middle
    return round(below, 1)


def played(options: Run, speed: float, seconds: float, step_ms: float) -> dict[str, Any]:
    """Plays a recording again and again at a speed, for so many seconds on the wall."""
    out, late_ms = io.StringIO(), max(LATE_MS, 2 * step_ms / speed)
    clock = Stopped(seconds)
    options = replace(options, speed=f"{speed!r}", loop=True, json=True, window="off")
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.suppress(KeyboardInterrupt),
    ):
        run_run(options, clock=clock)
    timing = json.loads(out.getvalue().splitlines()[-1])["summary"]["timing"]
    lag = timing["lag_ms"]
    return {"speed": round(speed, 1), **timing, "kept_pace": lag["end"] <= late_ms}


class Stopped:
    """The wall clock, which interrupts the run so many seconds after it was first looked at."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._end_s = seconds, float("inf")

    def now_s(self) -> float:
        now_s = time.monotonic()
        self._end_s = min(self._end_s, now_s + self._seconds)
        if now_s > self._end_s:
            raise KeyboardInterrupt
        return now_s

    def sleep_s(self, seconds: float) -> None:
        time.sleep(seconds)


def line_of(row: dict[str, Any]) -> str:
    """A row of the table for people."""
    lag = row["lag_ms"]
    cells = (
        f"{row['speed']:g}",
        f"{row['events_per_s']:,}",
        f"{row['real_time_factor']:.4f}",
        *(f"{lag[name]:.1f} ms" for name in ("p50", "p99", "end")),
        "yes" if row["kept_pace"] else "no",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
