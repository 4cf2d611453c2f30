"""Replay of many recordings: workers, the driver's overhead, a plain loop of Tonic and Norse, tiny recordings.

    python -m benchmarks.replay [--json] [--quick] [--rounds N] [--model NAME] [--cutoff RULE] [FOLDER [PART]]
    python -m benchmarks.replay --only long --model ncaltech101 [--events 200000000]

`workers`: recordings a second of two processes over one, after the first batch of each; and the share of their time in
which they waited for the driver. `loop`: the same recordings, network and core by a script as Tonic's and Norse's
tutorials write it (its loader of `.bin` files, `ToFrame`, `SequentialState` under `inference_mode`, one recording after
the other, the whole window) beside this replay, without cutoff and with one; files are read from the page cache.
`tiny`: seconds for 1,000 recordings of 20 ms after the first batch. `long`: peak memory of the whole command for one
recording of `--events` events (5 bytes each on the disk), all within the network's window or over a longer time, beside
one of 200 events. FOLDER holds recordings in the layout of N-MNIST or N-Caltech101; without it, drawn digits.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import tonic.io
import tonic.transforms
import torch

from benchmarks.parts.plain_cells import norse_network
from benchmarks.parts.replaying import Pace, listed, paced, work_for
from benchmarks.parts.report import machine
from benchmarks.parts.timing import seconds_of_rounds
from spikecut.models.card import ModelCard
from spikecut.models.files.opening import load_module
from spikecut.pipeline.events import EventBatch
from spikecut.sources.datasets.parts import Part
from spikecut.sources.formats.atis import write_atis
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.batch.examples import Examples
from spikecut.tools.batch.executors.base import Batch

_EVENTS = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])  # as Tonic's data sets have it


@dataclass(frozen=True, slots=True)
class Asked:
    """What is replayed, by which network and rule, how often."""

    model: str
    cutoff: str
    folder: Path
    part: Part
    rounds: int
    scratch: Path
    n_events: int = 200_000


def workers(asked: Asked) -> Iterator[dict[str, Any]]:
    """One process and two, in turns; the whole command, with a run folder."""
    words = [str(asked.folder), "--model", asked.model, "--part", asked.part, "--stop", "none", "--out"]
    paces: dict[int, list[Pace]] = {1: [], 2: []}
    for turn in range(asked.rounds):
        for jobs, measured in paces.items():
            measured.append(paced([*words, str(asked.scratch / f"run-{turn}-{jobs}")], jobs))
    ratios = [two.rate / one.rate for one, two in zip(paces[1], paces[2], strict=True)]
    yield {
        "part": "workers",
        "n": paces[1][0].n,
        "per_s": {str(jobs): round(float(np.median([one.rate for one in them])), 1) for jobs, them in paces.items()},
        "two_over_one": round(float(np.median(ratios)), 3),
        "two_over_one_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "asked": 1.7,
    }
    yield {
        "part": "overhead",
        **{str(jobs): round(float(np.median([one.overhead for one in them])), 4) for jobs, them in paces.items()},
        "asked": 0.05,
    }


def by_script(network: Any, card: ModelCard, files: Sequence[Path]) -> list[int]:
    """The labels of a plain loop over files: the whole window of each."""
    frame, factor = card.spec.frame, card.sensor.width // card.spec.frame.width
    window_us = card.horizon * card.spec.step_us
    to_frame = tonic.transforms.ToFrame(
        sensor_size=(frame.width, frame.height, 2), time_window=card.spec.step_us, include_incomplete=True
    )
    labels = []
    for file in files:
        events = tonic.io.read_mnist_file(str(file), dtype=_EVENTS)
        events = events[events["t"] < window_us]
        events["x"] //= factor
        events["y"] //= factor
        frames = torch.from_numpy(to_frame(events)).float()
        total, state = torch.zeros(1, card.spec.n_classes), None
        with torch.inference_mode():
            for pixels in frames:
                output, state = network(pixels.unsqueeze(0), state)
                total += output
        labels.append(int(total.argmax()))
    return labels


def by_replay(do: Callable[[Batch], Any], batches: Sequence[Batch]) -> Mapping[str, str]:
    """The answers of the batches of a work that has begun here."""
    answers: dict[str, str] = {}
    for batch in batches:
        rows = do(batch).rows
        answers.update(zip(rows["item_id"], rows["pred"], strict=True))
    return answers


def loop(asked: Asked) -> Iterator[dict[str, Any]]:
    """The script, the replay without cutoff and the replay with one, in turns in this process."""
    module, card = load_module(asked.model)
    network = norse_network(module)
    works = {name: work_for(asked.model, asked.folder, asked.part, name) for name in ("none", asked.cutoff)}
    examples, batches = listed(works["none"])
    files = [one.source.path for one in examples.members]
    answers: dict[str, Any] = {}

    def kept(name: str, run: Callable[[], Any]) -> None:
        answers[name] = run()

    script = "Tonic + Norse"
    contenders: dict[str, Callable[[], None]] = {
        script: partial(kept, script, partial(by_script, network, card, files))
    }
    for name, work in works.items():
        contenders[name] = partial(kept, name, partial(by_replay, work.begin(), batches))
    seconds = {name: np.array(values) for name, values in seconds_of_rounds(contenders, asked.rounds).items()}
    ours = [answers["none"].get(item) for item in examples.ids(asked.folder)]
    same = np.mean([card.classes[label] == mine for label, mine in zip(answers[script], ours, strict=True)])
    for name, values in seconds.items():
        ratios = seconds[script] / values
        yield {
            "part": "loop",
            "way": {"none": "replay, no cutoff"}.get(name, name if name == script else f"replay, {name}"),
            "n": len(files),
            "ms_each": round(float(np.median(values)) / len(files) * 1e3, 3),
            "times_script": round(float(np.median(ratios)), 2),
            "times_script_range": [round(float(ratios.min()), 2), round(float(ratios.max()), 2)],
            "asked": {script: 1, "none": 8}.get(name, 13),
            "right": round(_right(answers[name], examples, card, asked.folder), 4),
            **({"same_labels": round(float(same), 4)} if name == "none" else {}),
        }


def _right(answers: Any, examples: Examples, card: ModelCard, folder: Path) -> float:
    truth = [card.classes[label] for label in examples.labels]
    if isinstance(answers, list):
        mine: Sequence[str | None] = [card.classes[label] for label in answers]
    else:
        mine = [answers.get(item) for item in examples.ids(folder)]
    return float(np.mean([one == other for one, other in zip(truth, mine, strict=True)]))


def tiny(asked: Asked, n: int = 1_000) -> Iterator[dict[str, Any]]:
    """Recordings of 20 ms with 200 events each: in one process, after its first batch."""
    folder = asked.scratch / "tiny"
    _, card = load_module(asked.model)
    rng = np.random.default_rng(0)
    for at in range(n):
        t = np.sort(rng.integers(0, 20_000, 200))
        x = rng.integers(0, card.sensor.width, 200).astype(np.uint16)
        y = rng.integers(0, card.sensor.height, 200).astype(np.uint16)
        p = rng.integers(0, 2, 200).astype(np.uint8)
        file = folder / card.classes[at % len(card.classes)] / f"{at}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atis(file, [EventBatch(t, x, y, p, 0, 20_000, card.sensor)])
    for rule in ("none", asked.cutoff):
        work = work_for(asked.model, folder, "all", rule, asked.scratch / f"tiny-parts-{rule}")
        assert work.parts is not None
        work.parts.mkdir()
        _, batches = listed(work)
        do = work.begin()
        do(batches[0])
        started = time.perf_counter()
        for batch in batches:
            do(batch)
        seconds = time.perf_counter() - started
        yield {"part": "tiny", "n": n, "rule": rule, "seconds": round(seconds, 3), "asked": 3}


def random_events(n: int, end_us: int, card: ModelCard) -> Iterator[EventBatch]:
    """So many events at random times and pixels until `end_us`, a million at most at a time."""
    rng, n_batches = np.random.default_rng(0), -(-n // 1_000_000)
    for at in range(n_batches):
        first, last = n * at // n_batches, n * (at + 1) // n_batches
        start, end = end_us * at // n_batches, end_us * (at + 1) // n_batches
        t = np.sort(rng.integers(start, end, last - first))
        x = rng.integers(0, card.sensor.width, len(t)).astype(np.uint16)
        y = rng.integers(0, card.sensor.height, len(t)).astype(np.uint16)
        yield EventBatch(t, x, y, rng.integers(0, 2, len(t)).astype(np.uint8), start, end, card.sensor)


_ROOT = Path(__file__).parent.parent
_WITH_PEAK = """
import sys
from benchmarks.parts.replaying import peak_mb
from spikecut.tools.cli import main
code = main(sys.argv[1:])
print("peak", code, peak_mb())
"""


def long(asked: Asked) -> Iterator[dict[str, Any]]:
    """One recording a run: short, as long as the window, and of two million events a second at most."""
    _, card = load_module(asked.model)
    window_us = card.horizon * card.spec.step_us
    for n, end_us in ((200, 20_000), (asked.n_events, window_us), (asked.n_events, window_us + asked.n_events // 2)):
        folder, out = asked.scratch / f"long-{n}-{end_us}", asked.scratch / f"run-{n}-{end_us}"
        file = folder / card.classes[0] / "long.bin"
        file.parent.mkdir(parents=True)
        write_atis(file, random_events(n, end_us, card), card.sensor)
        words = ["replay", str(folder), "--model", asked.model, "--timed", "0", "--out", str(out)]
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _WITH_PEAK, *words], cwd=_ROOT, capture_output=True, text=True, check=True
        )
        seconds = time.perf_counter() - started
        _, code, peak = done.stdout.splitlines()[-1].split()
        about = {"events": n, "seconds_of_recording": end_us / 1e6, "bytes": file.stat().st_size}
        yield {"part": "long", **about, "peak_mb": round(float(peak)), "seconds": round(seconds, 1), "code": int(code)}
        file.unlink()


PARTS: dict[str, Callable[[Asked], Iterator[dict[str, Any]]]] = {
    "workers": workers,
    "loop": loop,
    "tiny": tiny,
    "long": long,
}


def shown(row: Mapping[str, Any]) -> str:
    """A row for people."""
    figures = "   ".join(f"{name} {value}" for name, value in row.items() if name != "part")
    return f"  {row['part']:<8} {figures}"


def main(arguments: Sequence[str] = ("--quick",)) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER")
    parser.add_argument("part", choices=get_args(Part), nargs="?", default="test", metavar="PART")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="few digits, one round")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--model", default="nmnist")
    parser.add_argument("--cutoff", default="ltt", help="a rule or its file; default: ltt")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=["workers", "loop", "tiny"])
    parser.add_argument("--events", type=int, default=200_000, help="of the long recording")
    parser.add_argument("--each", type=int, help="drawn digits of each class")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    _, card = load_module(chosen.model)
    with tempfile.TemporaryDirectory() as name:
        scratch, folder, part = Path(name), chosen.folder, cast(Part, chosen.part)
        if folder is None:
            folder, part = scratch / "digits", "all"
            write_digits(folder, (chosen.each or (10 if chosen.quick else 100)) * 10, seed=100)
        rounds = chosen.rounds or (1 if chosen.quick else 5)
        asked = Asked(chosen.model, chosen.cutoff, folder, part, rounds, scratch, chosen.events)
        print(
            f"replay of {chosen.folder or 'drawn digits'}, network {card.name}, {rounds} rounds; "
            f"{machine(('numpy', 'numba', 'torch', 'norse', 'tonic'))}",
            file=sys.stderr if chosen.json else sys.stdout,
            flush=True,
        )
        for word in chosen.only:
            for row in PARTS[word](asked):
                print(json.dumps(row) if chosen.json else shown(row), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
