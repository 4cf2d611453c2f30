"""Engines and other libraries beside one another: a step of one lane, one thread, every row a ratio to engine `norse`.

    python -m benchmarks.engines [--json] [--quick] [--data N-MNIST] [--peers FOLDER] [--case WORD ...]

All take turns, 25 steps each over the same frames; a time is the median over the steps of each one's fastest of four
passes, beside it the quartiles over the steps. Cases: `gestures` on a drawn session, `nmnist` on recordings of N-MNIST
(`--data`, a folder or a .zip; else drawn digits), both on noise of 0 to 60 % of the pixels, and five layers for 128 x
128 pixels of whose cells 3 % fire: on a recording (`--recording`; else a drawn session) and on noise of 3 %.
`--peers` is the folder `site-packages` of an environment with spikingjelly, snntorch and sinabs (pip install --no-deps,
and pbr and loguru); what is missing is left out with the reason. A line a case says what a step must do: synaptic
operations, and bytes of state that are read and written.
"""

import argparse
import json
import site
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import nn

from benchmarks.parts.networks import (
    at_firing,
    digit_frames,
    digits_in,
    five_layers,
    gesture_frames,
    noise,
    recording_frames,
)
from benchmarks.parts.peers import PEERS
from benchmarks.parts.report import machine
from spikecut.models.engines import ENGINES
from spikecut.models.engines.events.stepper import EventStepper
from spikecut.models.engines.lowering import lowered
from spikecut.models.files.opening import load_module
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import EnvironmentProblem

DENSITIES = (0.0, 0.01, 0.03, 0.1, 0.3, 0.6)
_TURN, _PASSES = 25, 4


@dataclass(frozen=True, slots=True)
class Case:
    """A network and the frames that it steps; it is at rest again every `horizon` steps."""

    name: str
    network: nn.Module
    spec: NetworkSpec
    frames: Sequence[ndarray]
    horizon: int


@dataclass(frozen=True, slots=True)
class Row:
    """One contender: microseconds a step (median, quartiles), Norse's time over its own, and the best's."""

    case: str
    engine: str
    us: float
    quartiles: tuple[float, float]
    times_norse: float
    share_of_best: float


@dataclass(frozen=True, slots=True)
class Work:
    """What a step of a case must do: synaptic operations (median), those of a dense step, bytes of state."""

    case: str
    operations: int
    dense_operations: int
    state_bytes: int


def contenders(case: Case, *, with_compiler: bool) -> Iterator[tuple[str, Any]]:
    """All engines and peers that can step the case; the others are left out with a reason."""
    for name, engine in ENGINES.items():
        try:
            yield name, engine.make(case.network, case.spec)
        except EnvironmentProblem as problem:
            _left_out(name, problem)
    for name, make in PEERS.items():
        if name == "torch.compile" and not with_compiler:
            continue
        try:
            stepper = make(case.network)
            stepper.step(case.frames[0], stepper.step(case.frames[0], None)[1])
            yield f"{name} (peer)", stepper
        except Exception as problem:  # whatever another library raises
            _left_out(name, problem)


def _left_out(name: str, problem: Exception) -> None:
    print(f"  {name}: left out, {type(problem).__name__}: {str(problem).splitlines()[0][:90]}", flush=True)


def compared(case: Case, *, with_compiler: bool = False) -> list[Row]:
    """All contenders in turns over the frames of a case."""
    models = dict(contenders(case, with_compiler=with_compiler))
    times = {name: np.full(len(case.frames), np.inf) for name in models}
    for _ in range(_PASSES):
        states: dict[str, Any] = dict.fromkeys(models)
        for begin in range(0, len(case.frames), _TURN):
            turn = range(begin, min(begin + _TURN, len(case.frames)))
            for name, model in models.items():
                states[name] = _timed(case, model, turn, states[name], times[name])
    medians = {name: float(np.median(t)) for name, t in times.items()}
    best = min(us for name, us in medians.items() if name in ENGINES)
    return [
        Row(
            case.name,
            name,
            medians[name],
            (float(np.quantile(t, 0.25)), float(np.quantile(t, 0.75))),
            medians["norse"] / medians[name],
            best / medians[name],
        )
        for name, t in times.items()
    ]


def _timed(case: Case, model: Any, turn: range, state: Any, least_us: ndarray) -> Any:
    """The state after the steps of a turn; keeps the least time of each step."""
    for t in turn:
        begun = time.perf_counter()
        _, state = model.step(case.frames[t], None if t % case.horizon == 0 else state)
        least_us[t] = min(least_us[t], (time.perf_counter() - begun) * 1e6)
    return state


def work_of(case: Case) -> Work:
    """Counts what the event-driven engine does."""
    graph = lowered(case.network, case.spec)
    stepper, state, operations = EventStepper(graph), None, []
    for t, frame in enumerate(case.frames):
        _, state = stepper.step(frame, None if t % case.horizon == 0 else state)
        operations.append(int(stepper.operations[0]))
    return Work(case.name, int(np.median(operations)), graph.dense_operations, 4 * stepper.program.n_state)


def cases(data: Path | None, recording: Path | None, *, quick: bool) -> Iterator[Case]:
    """The cases, each made when it comes."""
    n = 75 if quick else 300
    gestures, card = load_module("gestures")
    yield Case("gestures, drawn session", gestures, card.spec, gesture_frames(card.spec, n), card.horizon)
    digits, digit_card = load_module("nmnist")
    with tempfile.TemporaryDirectory() as folder:
        frames = digit_frames(digit_card.spec, digits_in(data, Path(folder)), n, digit_card.horizon)
    yield Case(f"nmnist, {'N-MNIST' if data else 'drawn digits'}", digits, digit_card.spec, frames, digit_card.horizon)
    for name, network, of in (("gestures", gestures, card), ("nmnist", digits, digit_card)):
        for density in DENSITIES[1::2] if quick else DENSITIES:
            frames = noise(of.spec, density, 75)
            yield Case(f"{name}, noise {density:.0%}", network, of.spec, frames, of.horizon)
    if quick:
        return
    five, spec = five_layers()
    stream = recording_frames(spec, recording, 50) if recording else gesture_frames(spec, 50)
    for name, frames in (
        (f"five layers, {recording.name if recording else 'drawn session'}", stream),
        ("five layers, noise 3%", noise(spec, 0.03, 50)),
    ):
        yield Case(name, at_firing(five, 0.03, frames[10:18]), spec, frames, 50)


def shown(row: Row) -> str:
    """A row for people."""
    low, high = row.quartiles
    spread = f"({low:,.0f} to {high:,.0f})"
    best = f"  {row.share_of_best:.2f} of the best engine" if row.engine in ENGINES else ""
    return f"  {row.case:<24}{row.engine:<21}{row.us:>8,.0f} us {spread:<20}{row.times_norse:>7.1f}x{best}"


def main(arguments: Sequence[str] = ("--quick",)) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer frames and densities, no torch.compile")
    parser.add_argument("--data", type=Path, help="recordings of N-MNIST: a folder or a .zip")
    parser.add_argument("--recording", type=Path, help="what the five layers see besides noise")
    parser.add_argument("--peers", type=Path, help="the site-packages of an environment with other libraries")
    parser.add_argument("--case", nargs="+", default=[""], help="only cases whose name has one of these words")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if chosen.peers:
        site.addsitedir(str(chosen.peers))
    packages = ("numpy", "numba", "torch", "norse", "onnxruntime", "spikingjelly", "snntorch", "sinabs")
    print(f"engines: a step of one lane; {machine(packages)}", flush=True)
    for case in cases(chosen.data, chosen.recording, quick=chosen.quick):
        if not any(word in case.name for word in chosen.case):
            continue
        work = work_of(case)
        if chosen.json:
            print(json.dumps(asdict(work)), flush=True)
        else:
            print(
                f"  {case.name}: {work.operations:,} synaptic operations a step of {work.dense_operations:,}, "
                f"{work.state_bytes / 1000:,.0f} kB of state",
                flush=True,
            )
        for row in compared(case, with_compiler="noise" not in case.name and not chosen.quick):
            print(json.dumps(asdict(row)) if chosen.json else shown(row), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
