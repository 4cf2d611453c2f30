"""The number of live gesture streams that one core sustains: bins of 20 ms, decoded, counted, stepped and judged.

    python -m benchmarks.streams [--json] [--quick] [--engine NAME] [--cutoff NAME] [--clock wall|cpu] [FILE ...]

Every stream is a recording (a FILE, or a drawn session written as AEDAT 3.1) that is read by `open_recording` and
watched by `spikecut.watch`, from a place and at a phase of its own. Each bin is taken when its time has come; how long
that takes is measured, and waiting is skipped: the clock jumps to the next bin that ends. The lag of a bin is the time
from its end to the end of its step. One thread, no step left out (`--cutoff none`, the default here).
"""

import argparse
import gc
import heapq
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import spikecut
from benchmarks.parts.report import machine
from spikecut.models.card import ModelCard
from spikecut.models.files.opening import locate
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.results import Decision
from spikecut.sources.simulation.gestures import drawn_session, write_session
from spikecut.tools.cutoff_lookup import find_cutoff

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
COUNTS = (25, 50, 75, 100, 125, 150, 175, 200, 225, 250, 300, 350, 400, 500, 600, 800, 1_000)
USERS = (700, 701, 702, 703)


@dataclass(frozen=True, slots=True)
class Load:
    """What a number of streams did: lag in ms, the busy share of the core, CPU time of a bin."""

    streams: int
    lag_ms_median: float
    lag_ms_p99: float
    lag_ms_most: float
    busy: float
    bin_us: float

    @property
    def is_sustained(self) -> bool:
        """Whether the core was in time."""
        return self.busy < 1


@dataclass(frozen=True, slots=True)
class Setting:
    """What is run, and for how many seconds of the streams."""

    model: SteppedModel[Any]
    card: ModelCard
    decider: CutoffDecider[Any]
    clock: Callable[[], float]
    seconds: float


def opened(setting: Setting, files: Sequence[Path], number: int) -> Iterator[Any]:
    """The bins of one stream, from a place of its own."""
    file, start_us = files[number % len(files)], 100_000 * (number // len(files) % 100)
    recording = spikecut.open_recording(file, start_us=start_us)
    return spikecut.watch(recording, setting.model, setting.decider, horizon=setting.card.horizon)


def load_of(setting: Setting, files: Sequence[Path], n_streams: int) -> Load:
    """Plays so many streams side by side."""
    step_s = setting.card.spec.step_us * 1e-6
    streams = [opened(setting, files, number) for number in range(n_streams)]
    for stream in streams:
        next(stream)  # opened, at its first bin
    phases = np.random.default_rng(0).uniform(0, step_s, n_streams).tolist()
    due = [(phase, number) for number, phase in enumerate(phases)]
    heapq.heapify(due)
    lags: list[float] = []
    now = busy = 0.0
    gc.collect()
    while due[0][0] < setting.seconds:
        end, number = due[0]
        now = max(now, end)
        began = setting.clock()
        item = next(streams[number], None)
        if isinstance(item, Decision):  # it comes with the step that it follows
            item = next(streams[number], None)
        spent = setting.clock() - began
        now, busy = now + spent, busy + spent
        lags.append(now - end)
        if item is None:
            streams[number] = opened(setting, files, number)
        heapq.heapreplace(due, (end + step_s, number))
    in_ms = np.array(lags) * 1e3
    return Load(
        n_streams,
        float(np.median(in_ms)),
        float(np.quantile(in_ms, 0.99)),
        float(in_ms.max()),
        busy / setting.seconds,
        busy / len(lags) * 1e6,
    )


def knee(setting: Setting, files: Sequence[Path], counts: Sequence[int]) -> Iterator[Load]:
    """More and more streams, until the p99 of the lag exceeds one bin."""
    load_of(setting, files, counts[0])  # warm
    for n_streams in counts:
        load = load_of(setting, files, n_streams)
        yield load
        if load.lag_ms_p99 > setting.card.spec.step_us * 1e-3:
            return


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE", help="recordings; default: drawn sessions")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="two seconds of each number of streams")
    parser.add_argument("--seconds", type=float, help="of the streams, for each number of them (default 10)")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--cutoff", default="none", help="none, a cutoff beside the network, or default")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: on a machine that others use")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="numbers of streams to try")
    return parser


def main(arguments: Sequence[str] = ("--quick",)) -> None:
    chosen = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    model, card = spikecut.load_network("gestures", engine=chosen.engine)
    decider: CutoffDecider[Any] = spikecut.never(card.horizon)
    if chosen.cutoff != "none":
        name = None if chosen.cutoff == "default" else chosen.cutoff
        decider = find_cutoff(name, locate("gestures"), card).cutoff
    seconds = chosen.seconds or (2 if chosen.quick else 10)
    setting = Setting(model, card, decider, CLOCKS[chosen.clock], seconds)
    with tempfile.TemporaryDirectory() as folder:
        files = chosen.files or [write_session(Path(folder), drawn_session(user)) for user in USERS[: _users(chosen)]]
        print(
            f"gesture streams of {len(files)} {'recordings' if chosen.files else 'drawn sessions'} on one core, "
            f"engine {chosen.engine}, cutoff {chosen.cutoff}, {seconds:g} s each, {chosen.clock} time; {machine()}",
            flush=True,
        )
        sustained = 0
        for load in knee(setting, files, chosen.counts):
            if load.lag_ms_p99 <= card.spec.step_us * 1e-3:
                sustained = load.streams
            if chosen.json:
                print(json.dumps(asdict(load)), flush=True)
            else:
                print(
                    f"  {load.streams:>5} streams: lag {load.lag_ms_median:6.2f} ms (p99 {load.lag_ms_p99:6.2f}, most "
                    f"{load.lag_ms_most:7.2f}), core {load.busy:4.0%} busy, {load.bin_us:4.0f} us a bin",
                    flush=True,
                )
    print(f"  {sustained} streams with a lag p99 below one bin of {card.spec.step_us / 1000:g} ms (asked: 100)")


def _users(chosen: argparse.Namespace) -> int:
    return 1 if chosen.quick else len(USERS)


if __name__ == "__main__":
    main(sys.argv[1:])
