"""A stream of a day: does memory grow, does time drift?

    python -m benchmarks.soak [--hours 24] [--speed max|N] [--most-minutes 60] [--json]

A drawn session is repeated without end, its times going on, and played through binning, onset, network, cutoff and
report as `run` does, at full speed or at a pace with its queue. Printed: hours of stream, bins, lines of output, memory
in RAM after warm-up and at the end, its slope in MB an hour of stream (least squares over samples of each minute of
stream, the first tenth left out), and two drifts: of the sensor's clock (the end of the last bin, less the length of
all bins), and at a pace of the wall's (the lag of the last bin).
"""

import argparse
import contextlib
import io
import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.live import USER
from benchmarks.parts.report import machine
from spikecut.pipeline.events import EventBatch, Frame
from spikecut.sources.live.pacing import WallClock
from spikecut.sources.simulation.gestures import drawn_session, write_session
from spikecut.tools.commands.watch.run import Run
from spikecut.tools.frame_streams import open_for
from spikecut.tools.session.opening import OpenStream, open_network, view_options
from spikecut.tools.session.playing import Playing

MINUTE_US = 60_000_000


@dataclass(slots=True)
class Endless:
    """The events of a recording again and again, their times going on, up to a length or an end on the wall's clock."""

    batches: Sequence[EventBatch]
    length_us: int
    end_s: float
    at_us: int = 0

    def __iter__(self) -> Iterator[EventBatch]:
        first_us = self.batches[0].start_us
        period_us = self.batches[-1].end_us - first_us
        while self.at_us < self.length_us and time.monotonic() < self.end_s:
            for one in self.batches:
                by_us = self.at_us - first_us
                yield replace(one, t=one.t + by_us, start_us=one.start_us + by_us, end_us=one.end_us + by_us)
            self.at_us += period_us


@dataclass(slots=True)
class Samples:
    """Memory over the stream, a sample a minute of it, and the bounds of its bins."""

    hours: list[float] = field(default_factory=list)
    mb: list[float] = field(default_factory=list)
    n_bins: int = 0
    first_us: int = 0
    last_us: int = 0
    next_us: int = 0

    def over(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.first_us = self.first_us if self.n_bins else frame.start_us
            self.n_bins, self.last_us = self.n_bins + 1, frame.end_us
            if frame.end_us >= self.next_us:
                self.hours.append((frame.end_us - self.first_us) / 3.6e9)
                self.mb.append(resident_mb())
                self.next_us = frame.end_us + MINUTE_US
            yield frame

    def slope_mb_per_hour(self) -> float:
        """By least squares, without the first tenth."""
        warm = len(self.hours) // 10
        slope: float = np.polyfit(self.hours[warm:], self.mb[warm:], 1)[0]
        return slope


def resident_mb() -> float:
    """The memory of this process that is in RAM, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=24.0, help="of stream (default: 24)")
    parser.add_argument("--speed", default="max", help="max, or a factor of the sensor's pace (default: max)")
    parser.add_argument("--most-minutes", type=float, default=60.0, help="on the wall (default: 60)")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(argv)
    torch.set_num_threads(1)
    row = soaked(chosen.hours, chosen.speed, chosen.most_minutes)
    if chosen.json:
        print(json.dumps(row))
        return
    print(machine())
    for name, value in row.items():
        print(f"{name.replace('_', ' ')}: {value}")


def soaked(hours: float, speed: str, most_minutes: float) -> dict[str, Any]:
    """Plays the stream, and measures."""
    with tempfile.TemporaryDirectory() as folder:
        file = write_session(Path(folder), drawn_session(USER, quick=True))
        options = Run(file, model="gestures", speed=speed, json=True, window="off")
        network = open_network(options)
        recording, bins = open_for(file, network.card)
        batches = [batch for batch in recording if len(batch)]
    began, samples = time.monotonic(), Samples()
    events = Endless(batches, round(hours * 3.6e9), began + 60 * most_minutes)
    stream = OpenStream(
        file, network, recording.format, recording.sensor, lambda _: samples.over(bins.bins(events)), None, None
    )
    out = Lines()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        Playing(stream, options, view_options(options), WallClock()).run()
    timing = json.loads(out.last)["summary"]["timing"] if out.last.startswith('{"summary"') else None
    step_us = network.card.spec.step_us
    return {
        "hours_of_stream": round(samples.hours[-1], 2),
        "minutes_on_the_wall": round((time.monotonic() - began) / 60, 2),
        "bins": samples.n_bins,
        "lines": out.n,
        "mb_after_warm_up": round(samples.mb[len(samples.mb) // 10], 1),
        "mb_at_the_end": round(samples.mb[-1], 1),
        "mb_per_hour_of_stream": round(samples.slope_mb_per_hour(), 4),
        "drift_of_the_sensors_clock_us": samples.last_us - samples.first_us - samples.n_bins * step_us,
        "lag_at_the_end_ms": None if timing is None else timing["lag_ms"]["end"],
    }


class Lines(io.TextIOBase):
    """Standard output that keeps its last line only."""

    def __init__(self) -> None:
        self.n, self.last, self._rest = 0, "", ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        self.n += len(lines)
        self.last = lines[-1] if lines else self.last
        return len(text)


if __name__ == "__main__":
    main()
