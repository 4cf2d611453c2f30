"""How real the drawing is: drawn sessions beside real recordings, as numbers.

`python -m benchmarks.realism [--people FOLDER ...] [--independent FOLDER]` prints statistics of events (rates,
polarity, spacing in time, shape in space, rhythm), a column a group of recordings: mean with its 95 % bootstrap
interval over recordings. FOLDER holds real recordings (`*.aedat`); each folder is a column. They are described and
nothing else: no network, threshold or amplitude is fitted to them. `--independent` is the folder of a network that
others trained on genuine DVS128 Gesture; what it makes of drawn gestures is printed with n and Wilson interval.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, astuple
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy import ndarray

from benchmarks.parts.event_statistics import STATISTICS, describe, joined
from benchmarks.parts.independent_network import FILE, Witness, answers, judged
from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import SpikecutWarning
from spikecut.pipeline.events import EventBatch
from spikecut.pipeline.metrics.intervals import bootstrap_mean, wilson
from spikecut.pipeline.protocols import EventSource
from spikecut.sources import open_recording
from spikecut.sources.datasets.gesture_labels import GestureSpan
from spikecut.sources.simulation.gestures import SENSOR, DrawnSession, drawn_session, drawn_users
from spikecut.sources.simulation.scenes.session import DrawnScene, gesture_scene, movement_scene

Drawn = DrawnSession | DrawnScene
DRAWN: dict[str, Callable[[int], Drawn]] = {
    "gestures-1": lambda user: drawn_session(user, quick=True),
    "gestures-2": lambda user: gesture_scene(user, quick=True),
    "movements-2": lambda user: movement_scene(user, 60.0),
}
"""What is described, by name and version of the drawing: a session a user."""
FROM_US, WINDOW_US = 600_000, 200_000  # of a gesture: what the independent network sees
Row = dict[str, float]
Windows = list[tuple[ndarray, int]]


def main(argv: Sequence[str] | None = None) -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.realism", description=__doc__)
    parser.add_argument("--people", type=Path, nargs="*", default=[], metavar="FOLDER", help="real recordings")
    parser.add_argument("--independent", type=Path, metavar="FOLDER", help=f"the folder of {FILE}")
    parser.add_argument("--drawn", nargs="*", default=list(DRAWN), choices=list(DRAWN), help="default: all")
    parser.add_argument("--users", type=int, default=20, help="drawn users of the train part a column (default: 20)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each recording, its first (default: 20)")
    parser.add_argument("--json", action="store_true", help="one JSON object a recording, then one a group")
    chosen = parser.parse_args(argv)
    groups: dict[str, dict[str, Row]] = {}
    windows: dict[str, list[Windows]] = {}
    for name in chosen.drawn:
        groups[name], windows[name] = {}, []
        for session in map(DRAWN[name], drawn_users(435, "train")[: chosen.users]):
            asks = chosen.independent is not None and any(True for _ in session.spans())
            whole = joined(session, SENSOR, np.inf if asks else chosen.seconds)
            groups[name][session.name] = row_of([whole.between(whole.start_us, ends_at(whole, chosen.seconds))])
            windows[name].append(windows_of(whole, session.spans()) if asks else [])
    for folder in chosen.people:
        files = sorted(folder.glob("*.aedat"))
        if not files:
            print(f"skipped: no real recordings (*.aedat) in {folder.name}")
            continue
        groups[folder.name] = {file.stem: row_of(opened(file), chosen.seconds) for file in files}
    say_statistics(groups, chosen.json)
    if chosen.independent is None or not (chosen.independent / FILE).is_file():
        print(f"skipped: the independent network; --independent names a folder with {FILE}")
        return
    for name, people in windows.items():
        if any(people):
            say_witness(name, witness(chosen.independent, people), chosen.json)


def opened(file: Path) -> EventSource:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpikecutWarning)
        return open_recording(file)


def row_of(batches: Iterable[EventBatch], seconds: float = np.inf) -> Row:
    """The statistics of the first seconds of a recording of a DVS128."""
    return describe(joined(batches, SENSOR, seconds))


def ends_at(whole: EventBatch, seconds: float) -> int:
    return min(whole.end_us, whole.start_us + round(seconds * 1e6))


def windows_of(whole: EventBatch, spans: Iterable[GestureSpan]) -> Windows:
    """The count image (2, 128, 128) of one window of every gesture, and its class."""
    windows = []
    for span in spans:
        window = whole.between(span.start_us + FROM_US, span.start_us + FROM_US + WINDOW_US)
        frames = islice(CountBinner(SENSOR, WINDOW_US, "float32").bins([window]), 1)
        windows.append((next(frames).pixels, span.label))
    return windows


def say_statistics(groups: dict[str, dict[str, Row]], as_json: bool) -> None:
    """A row a statistic, a column a group; or all of it as JSON."""
    if as_json:
        for group, rows in groups.items():
            for name, row in rows.items():
                print(json.dumps({"group": group, "recording": name, **rounded(row)}))
    print("mean of recordings (95 % bootstrap interval over recordings, seed 0); gestures, movements: drawn, seed 0")
    print(f"{'':<16}" + "".join(f"{f'{group} (n = {len(rows)})':>32}" for group, rows in groups.items()))
    for statistic, meaning in STATISTICS.items():
        cells = [cell(np.array([row[statistic] for row in rows.values()])) for rows in groups.values()]
        print(f"{statistic:<16}" + "".join(f"{one:>32}" for one in cells) + f"  {meaning}")


def cell(values: ndarray) -> str:
    values = values[np.isfinite(values)]
    if not len(values):
        return "none"
    mean = bootstrap_mean(values, np.random.default_rng(0))
    return f"{mean.value:.3g} ({mean.low:.3g} to {mean.high:.3g})"


def rounded(row: Row) -> dict[str, float | None]:
    return {name: float(f"{value:.4g}") if np.isfinite(value) else None for name, value in row.items()}


def witness(folder: Path, people: Sequence[Windows]) -> Witness:
    """What the independent network makes of one window a gesture; each half of the people chooses for the other."""
    images = np.array([image for windows in people for image, _ in windows])
    labels = np.array([label for windows in people for _, label in windows])
    chooses = np.repeat(np.arange(len(people)) % 2 == 0, [len(windows) for windows in people])
    given = answers(folder, images)
    one, other = judged(given, labels, chooses), judged(given, labels, ~chooses)
    return Witness(*(a + b for a, b in zip(astuple(one), astuple(other), strict=True)))


def say_witness(name: str, seen: Witness, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"independent network": name, **asdict(seen)}))
    right, arm = wilson(seen.n_right, seen.n), wilson(seen.n_arm_right, seen.n_arm)
    print(
        f"independent network, {name}: {right.value:.1%} right (95 % {right.low:.1%} to {right.high:.1%}, n = {seen.n} "
        f"gestures); arm of waves and circles {arm.value:.1%} ({arm.low:.1%} to {arm.high:.1%}, n = {seen.n_arm}); "
        f"{WINDOW_US // 1000} ms from {FROM_US / 1e6:g} s after the label, assignment chosen on other users"
    )


if __name__ == "__main__":
    main()
