# mypy: ignore-errors
# (It imports by the names of the day, which only spikecut.moved knows.)
"""Writes the fixtures of `test_compatibility.py`: what users have, made by the code of the day, before modules moved.

It was run once, by hand, and documents where the files came from. Running it again on later code would record the
later code, and the test would hold nothing.

    OMP_NUM_THREADS=1 PYTHONPATH=tests python -m compatibility.make_fixtures
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from compatibility import observed

from spikecut.models import checkpoint
from spikecut.pipeline.conformal import SetOptions, fit_pooled
from spikecut.pipeline.cutoff import confidence, msprt, topk
from spikecut.pipeline.ects import fit_calimera
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.fitted import FittedCutoff
from spikecut.pipeline.ltt import fit_conditional
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import load_outputs
from spikecut.pipeline.rules import Both, Either, Hold, Patience
from spikecut.sources.aedat2 import write_aedat2
from spikecut.sources.atis import write_atis
from spikecut.tools.cli import main

HERE = Path(__file__).parent
DATA = HERE / "data"
SENSOR, STEPS, STEP_US = SensorSize(8, 8), 12, 10_000
CLASSES = ("east", "north", "south", "west")
COUNTS = {"train": 24, "calibration": 54, "test": 12}  # recordings a class
VERSION_1 = "d66d877"  # the last commit whose shipped cutoffs were of version 1
RECIPE = """\
title = "Corners of a small sensor, drawn"
sensor = [8, 8]
licence = "drawn for the tests"
attribution = "nobody's"
classes = ["east", "north", "south", "west"]

[network]
architecture = "compact-log"
channels = [4]
step_us = 10_000

[training]
window = 12
epochs = 30
batch_size = 8

[deciding]
rules = [
    "ltt", "ltt_conditional", "ltt_fixed", "ltt_planned", "conformal", "fixed", "topk", "topk_reference", "confidence",
    "entropy", "collapsing", "patience", "planned", "sr1", "economy", "msprt",
]
tolerances = [0.05]
default = "confidence-5pt"

[policy]
epochs = 4
batch_size = 16
"""
OWN = '''\
"""A network of one's own, with weights that need no file: quarters, so that every sum is exact."""

import norse.torch as snn
import torch

from spikecut import SensorSize, from_norse


class Shifted(torch.nn.Module):
    """A class of the user's own, whose source is a part of the fingerprint."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :64] + x.flatten(1)[:, 64:]


readout = torch.nn.Linear(64, 4, bias=False)
with torch.no_grad():
    squares = torch.arange(64)
    for at, corner in enumerate((squares % 8 > 3, squares < 32, squares > 31, squares % 8 < 4)):
        readout.weight[at] = corner / 4
half = torch.tensor(0.5)
cell = snn.LIFBoxCell(snn.LIFBoxParameters(tau_mem_inv=half, v_th=half), dt=1.0)
network = from_norse(
    snn.SequentialState(Shifted(), readout, cell),
    classes=["east", "north", "south", "west"],
    step_us=10_000,
    sensor=SensorSize(8, 8),
    horizon=12,
)
'''


def batch(t: Any, x: Any, y: Any, p: Any, sensor: SensorSize) -> EventBatch:
    columns = t.astype(np.int64), x.astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8)
    return EventBatch(*columns, 0, int(t[-1]) + 1, sensor)


def recording(label: int, rng: np.random.Generator) -> EventBatch:
    """Noise, with more events in the half that the class names; how many more differs from recording to recording."""
    lead = rng.uniform(0.05, 0.6)
    y, x = np.mgrid[:8, :8]
    half = (x > 3, y < 4, y > 3, x < 4)[label]
    counts = rng.poisson(0.12 + lead * half, (STEPS, 8, 8))
    step, rows, columns = (np.repeat(axis, counts[np.nonzero(counts)]) for axis in np.nonzero(counts))
    t = np.sort(step * STEP_US + rng.integers(0, STEP_US, len(step)))
    p = rng.integers(0, 2, len(t)).astype(np.uint8)
    return batch(t, columns, rows, p, SENSOR)


def bar(rng: np.random.Generator) -> EventBatch:
    """A DVS128 that sees next to nothing for 0.6 s, and then for 1.4 s a bar that goes to and fro."""
    t = np.sort(np.concatenate([rng.integers(0, 600_000, 100), rng.integers(600_000, 2_000_000, 7_000)]))
    place = 64 + 40 * np.sin(t / 60_000) + rng.normal(0, 2, len(t))
    x, y = np.clip(place, 0, 127), rng.integers(30, 98, len(t))
    return batch(t, x, y, rng.random(len(t)) < 0.5, SensorSize(128, 128))


def write_recordings(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for part, count in COUNTS.items():
        for label, name in enumerate(CLASSES):
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                write_atis(folder / part / name / f"{i:02d}.bin", [recording(label, rng)])


def write_combined(folder: Path, run: Path) -> None:
    """Rules saved as people save them from Python: those that no command fits, and smaller or easier ones."""
    recorded, about = load_outputs(run / "calibration.npz")
    card = checkpoint.read_card(run / "corners.json")
    rules: dict[str, CutoffDecider[Any]] = {
        "pooled": fit_pooled(
            recorded.pick(np.arange(0, len(recorded), 4)), 0.2, SetOptions("bonferroni", n_checkpoints=4)
        ),
        "both": Both(confidence(0.8, STEPS), Patience(2, STEPS)),
        "either": Either(topk([2.0] * STEPS), Hold(confidence(0.7, STEPS), 2)),
        "hold": Hold(confidence(0.9, STEPS), 2),
        "calimera": fit_calimera(recorded, 0.05, most=16),  # its file holds what it was fitted on
        "msprt": msprt(0.3, len(CLASSES), STEPS),
        "ltt_conditional": fit_conditional(recorded, 0.2, 0.1),
    }
    for name, rule in rules.items():
        fitted = FittedCutoff(rule, card.weights_sha256, card.classes, STEP_US, 0.05, len(recorded), about["data"])
        fitted.save(folder / f"{name}.json")


def checked(*words: str) -> None:
    if main(list(words)):
        raise SystemExit(f"failed: {words}")


def make() -> None:
    write_recordings(Path("drawn"))
    Path("corners.toml").write_text(RECIPE)
    checked("recipe", "corners.toml", "--data", "drawn", "--out", "run")
    run, data = Path("run/seed0"), Path("data")
    model = ["--model", str(run / "corners.safetensors"), "--tolerance", "0.05", "--or-never"]
    read_otherwise = ["--readout", "leaky", "--leak", "0.25", "--temperature", "fitted"]
    rules = ["--rule", "confidence", "topk", "patience", "ltt", "conformal", "planned", "msprt"]
    checked("calibrate", str(run / "calibration.npz"), *model, *rules, *read_otherwise, "--out", "data/leaky")
    checked("calibrate", str(run / "calibration.npz"), *model, *rules[:3], "--temperature", "t", "--out", "data/by_t")
    write_combined(data / "combined", run)
    (data / "own").mkdir()
    (data / "own" / "own_network.py").write_text(OWN)
    own = ["--model", "data/own/own_network.py", "--tolerance", "0.05", "--or-never"]
    checked("calibrate", "drawn", *own, "--rule", "ltt", "confidence", "patience")
    for name in CLASSES:
        (data / "streams" / name).mkdir(parents=True)
        for i in range(2):
            shutil.copy(f"drawn/test/{name}/{i:02d}.bin", data / "streams" / name)
    write_aedat2(data / "bar.aedat", [bar(np.random.default_rng(1))])
    (data / "written_by_recipe.txt").write_text(
        "".join(f"{path.relative_to('run').as_posix()}\n" for path in sorted(Path("run").rglob("*")) if path.is_file())
    )
    kept = [path for path in run.rglob("*") if path.suffix in (".json", ".npz", ".csv", ".safetensors")]
    for path in kept:
        if path.name != "curves.csv":
            target = data / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    shutil.copy("corners.toml", data)
    (data / "version1").mkdir()
    for rule in ("topk", "confidence", "fixed"):
        name = f"nmnist.{rule}-2pt.json"
        text = subprocess.run(
            ["git", "-C", str(HERE), "show", f"{VERSION_1}:models/weights/{name}"], capture_output=True, check=True
        ).stdout
        (data / "version1" / name).write_bytes(text)


if __name__ == "__main__":
    os.environ["SPIKECUT_CACHE"] = tempfile.mkdtemp()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        make()
        shutil.rmtree(DATA, ignore_errors=True)
        shutil.copytree("data", DATA)
    observed.write(DATA / "decisions.json", observed.decisions())
    observed.write(HERE / "names.json", observed.names())
