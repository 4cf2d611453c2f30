"""A twelfth gesture from ten examples: what `spikecut teach` makes of it on other people, and of the old classes.

`python -m benchmarks.teach FOLDER` draws what is missing in FOLDER, as docs/adr/0034-teaching.md fixes it (half an hour
of one core the first time), teaches with ten examples of ten people and with ten of one, and prints a row for each.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.parts.report import machine
from spikecut.pipeline.metrics.intervals import Estimate, bootstrap_mean
from spikecut.pipeline.recorded import sweep
from spikecut.tools.batch.gathered import Gathered
from spikecut.tools.batch.outputs import Named, gather
from spikecut.tools.cli import main as spikecut
from spikecut.tools.cutoff_lookup import find_cutoff

SEED = "18"
DRAWN = {
    "ten": "beckon --users 13 --part train",
    "one": "beckon --users 1 --part train --count 10",
    "test": "beckon --users 290 --part test --count 2",
    "old": "gestures --users 290 --part test --quick",
}
TAUGHT = {"ten": "10 examples of 10 people", "one": "10 examples of 1 person"}


@dataclass(frozen=True, slots=True)
class Row:
    """One teaching: its seconds of processor and of clock, and figures of the full window and of its cutoff."""

    taught: str
    cpu_s: float
    wall_s: float
    new: Estimate
    new_stopped: Estimate
    n_new: int
    old_before: Estimate
    old_change: Estimate
    n_old: int
    called_new: int
    steps: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.teach", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="gestures", help="the network that is taught")
    parser.add_argument("--old", help="labelled recordings of its classes, where it has no memory")
    parser.add_argument("--version", default="1", help="of the drawing, of all that is drawn")
    parser.add_argument("--jobs", default="1")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, words in DRAWN.items():
        what, *flags = words.split()
        target = str(folder / f"{name}{options.version}")
        call("simulate", what, target, *flags, "--seed", SEED, "--version", options.version, "--jobs", options.jobs)
    before = answered(folder / f"old{options.version}", options.model)
    if not options.json:
        print(machine())
    for name in TAUGHT:
        row = taught(folder, name, options, before)
        print(json.dumps(asdict(row)) if options.json else text(row), flush=True)


def taught(folder: Path, name: str, options: argparse.Namespace, before: Gathered) -> Row:
    """Teaches anew and measures on the people who only test."""
    out = folder / f"{name}_taught"
    for old in folder.glob(f"{out.name}.*"):
        old.unlink()
    more = ["--old", options.old] if options.old else []
    cpu, wall = time.process_time(), time.monotonic()
    call("teach", str(folder / f"{name}{options.version}"), "--model", options.model, "--out", str(out), *more)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    new, after = (answered(folder / f"{of}{options.version}", str(out)) for of in ("test", "old"))
    rule = find_cutoff(None, new.weights, new.card).cutoff
    stopped = sweep(new.recorded, rule)
    right, was = (one.recorded.correct()[:, -1].astype(float) for one in (after, before))
    called = after.recorded.logits()[:, -1].argmax(1) >= len(before.card.classes)
    return Row(
        taught=TAUGHT[name],
        cpu_s=cpu,
        wall_s=wall,
        new=over_people(new, new.recorded.correct()[:, -1].astype(float)),
        new_stopped=over_people(new, (stopped.labels == new.recorded.labels).astype(float)),
        n_new=len(new.recorded),
        old_before=over_people(before, was),
        old_change=over_people(before, right - was),
        n_old=len(before.recorded),
        called_new=int(called.sum()),
        steps=float(stopped.stops.mean()),
    )


def answered(data: Path, model: str) -> Gathered:
    return gather(data, Named(model), "all")


def over_people(gathered: Gathered, values: np.ndarray) -> Estimate:
    """The mean with its bootstrap interval over people, who have equally many recordings each."""
    people = np.array([Path(name).name.split("_")[0] for name in gathered.names])
    return bootstrap_mean(
        np.array([values[people == one].mean() for one in np.unique(people)]), np.random.default_rng(0)
    )


def text(row: Row) -> str:
    return (
        f"{row.taught}: {row.cpu_s:.0f} s of one core ({row.wall_s:.0f} s by the clock)\n"
        f"  the new gesture, other people: {share(row.new)} right, n = {row.n_new}; stopped by its cutoff "
        f"{share(row.new_stopped)} after {row.steps:.1f} steps\n"
        f"  the old classes: {share(row.old_change, '+.2%')} of {share(row.old_before)}, n = {row.n_old}; "
        f"{row.called_new} called the new gesture"
    )


def share(one: Estimate, form: str = ".1%") -> str:
    return f"{one.value:{form}} ({one.low:{form}} to {one.high:{form}})"


def call(*words: str) -> None:
    if code := spikecut(list(words)):
        raise SystemExit(code)


if __name__ == "__main__":
    main()
