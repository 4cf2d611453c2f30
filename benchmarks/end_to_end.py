"""A gesture in a `.npy` file to its label: `spikecut.run` beside a script of Tonic and Norse.

    python -m benchmarks.end_to_end [--json] [--quick] [--rounds N] [FILE ...]

The script is written as the tutorials of Tonic and Norse are: `np.load`, `tonic.transforms.ToFrame` on the whole array,
Norse's `SequentialState` stepped over all frames under `inference_mode`, the label from the summed output at the end.
It steps the same network with Norse's own cells. Recordings: FILEs, or gestures of drawn people, each a structured
array. All in turns within one process that has everything loaded and compiled; the file is read from the page cache.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tonic.transforms
import torch

import spikecut
from benchmarks.parts.plain_cells import norse_network
from benchmarks.parts.report import machine
from benchmarks.parts.timing import seconds_of_rounds
from spikecut.models.card import ModelCard
from spikecut.models.files.opening import load_module, locate
from spikecut.pipeline.results import Decision
from spikecut.sources.datasets.segments import cut
from spikecut.sources.simulation.gestures import drawn_session
from spikecut.tools.cutoff_lookup import find_cutoff

SENSOR = spikecut.SensorSize(128, 128)


@dataclass(frozen=True, slots=True)
class Row:
    """One way over all files: ms a file (median of the rounds, least, most), its labels, steps a file."""

    way: str
    ms: float
    least_ms: float
    most_ms: float
    times_script: float
    labels: tuple[int, ...]
    steps: float


def written(folder: Path, n_gestures: int) -> list[Path]:
    """The first gestures of a drawn session, one structured array each, times from 0."""
    session, files = drawn_session(700), list[Path]()
    for span, batch in cut(session, list(session.spans())[:n_gestures]):
        events = batch.to_structured()
        events["t"] -= span.start_us
        files.append(folder / f"gesture{len(files)}.npy")
        np.save(files[-1], events)
    return files


def by_script(network: Any, step_us: int, n_steps: int | None, file: Path) -> tuple[int, int]:
    """Label and steps of a plain Tonic and Norse script, over all frames or the first `n_steps`."""
    events = np.load(file)
    if n_steps is not None:
        events = events[events["t"] < n_steps * step_us]
    to_frame = tonic.transforms.ToFrame(sensor_size=(128, 128, 2), time_window=step_us, include_incomplete=True)
    frames = torch.from_numpy(to_frame(events)).float()
    outputs, state = [], None
    with torch.inference_mode():
        for frame in frames:
            output, state = network(frame.unsqueeze(0), state)
            outputs.append(output)
    return int(torch.stack(outputs).sum(0).argmax()), len(frames)


def by_spikecut(model: Any, decider: Any, horizon: int, file: Path) -> tuple[int, int]:
    """Label and steps of `spikecut.run`."""
    recording = spikecut.open_recording(file, sensor=SENSOR)
    for item in spikecut.run(recording, model, decider, horizon=horizon):
        if isinstance(item, Decision):
            return item.label, item.steps
    return -1, 0


def ways(card: ModelCard, engine: str) -> dict[str, Callable[[Path], tuple[int, int]]]:
    """The contenders; the first is the script that all are compared with."""
    network = norse_network(load_module("gestures")[0])
    model, _ = spikecut.load_network("gestures", engine=engine)
    cutoff = find_cutoff(None, locate("gestures"), card).cutoff
    never, step_us, horizon = spikecut.never(card.horizon), card.spec.step_us, card.horizon
    return {
        "Tonic + Norse, all steps": partial(by_script, network, step_us, None),
        f"Tonic + Norse, the first {horizon} steps": partial(by_script, network, step_us, horizon),
        f"spikecut.run, {horizon} steps": partial(by_spikecut, model, never, horizon),
        "spikecut.run, early": partial(by_spikecut, model, cutoff, horizon),
    }


def rows(files: Sequence[Path], rounds: int, engine: str) -> Iterator[Row]:
    """All ways in turns over all files."""
    _, card = load_module("gestures")
    answers: dict[str, list[tuple[int, int]]] = {}

    def over_all(name: str, way: Callable[[Path], tuple[int, int]]) -> None:
        answers[name] = [way(file) for file in files]

    contenders = {name: partial(over_all, name, way) for name, way in ways(card, engine).items()}
    seconds = {name: np.array(s) / len(files) * 1e3 for name, s in seconds_of_rounds(contenders, rounds).items()}
    script = next(iter(seconds.values()))
    for name, ms in seconds.items():
        labels, steps = zip(*answers[name], strict=True)
        ratio = float(np.median(script / ms))
        yield Row(name, float(np.median(ms)), float(ms.min()), float(ms.max()), ratio, labels, float(np.mean(steps)))


def main(arguments: Sequence[str] = ("--quick",)) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="three gestures, three rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--engine", default="auto")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        files = chosen.files or written(Path(folder), 3 if chosen.quick else 12)
        print(
            f"end to end: {len(files)} {'recordings' if chosen.files else 'gestures of a drawn person'} in .npy files, "
            f"engine {chosen.engine}; {machine(('numpy', 'numba', 'torch', 'norse', 'tonic'))}",
            flush=True,
        )
        for row in rows(files, chosen.rounds or (3 if chosen.quick else 7), chosen.engine):
            if chosen.json:
                print(json.dumps(asdict(row)), flush=True)
                continue
            print(
                f"  {row.way:<38}{row.ms:>8.1f} ms a file ({row.least_ms:.1f} to {row.most_ms:.1f}), "
                f"{row.steps:5.1f} steps{row.times_script:>7.1f}x   labels {' '.join(map(str, row.labels))}",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
