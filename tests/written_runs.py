"""Run folders as `spikecut recipe` leaves them, of networks that were never trained."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.models.architectures.networks import NetworkSpec, build
from spikecut.models.card import ModelCard
from spikecut.models.files.checkpoint import save
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.outputs_file import save_outputs
from spikecut.pipeline.recorded import RecordedOutputs

SPEC = NetworkSpec("compact-log", (2, 2), 2, 30_000, SensorSize(8, 8))
N = 30


def write_run(folder: Path, seed: int, *, name: str = "mine", **how: Any) -> Path:
    """A run as `spikecut recipe` leaves it, of a network that was never trained; returns its folder."""
    how = {
        "root": "/data",
        "right": 0.8,
        "epochs": 1,
        "users": 0,
        "spec": SPEC,
        "data": "d" * 64,
        "policy_cost": 0.0,
        **how,
    }
    run = folder / f"seed{seed}"
    plan = {"epochs": how["epochs"], "seed": seed}
    provenance = {"plan": plan, "attribution": "nobody's", "seconds": 40, **how.get("provenance", {})}
    card = ModelCard(name, how["spec"], ("a", "b"), SensorSize(8, 8), 5, provenance=provenance)
    card = save(run, card, build(how["spec"]))
    rng = np.random.default_rng(seed)
    truth = np.arange(N) % 2
    names = [f"{how['root']}/{'ab'[label]}/{i:02d}.bin" for i, label in enumerate(truth)]
    right = np.arange(N) % 10 < 10 * how["right"]
    outputs = rng.normal(0, 1e-3, (N, 5, 2)).astype(np.float32)
    outputs[np.arange(N), 0, np.where(right, truth, 1 - truth)] += 1
    order = rng.permutation(N)
    groups = tuple(f"user {i % how['users']}" if how["users"] else names[i] for i in order)
    recorded = RecordedOutputs(outputs[order], truth[order].astype(np.int64), groups)
    evaluation = run / "evaluation"
    evaluation.mkdir()
    save_outputs(evaluation / "outputs.npz", recorded, {"names": [names[i] for i in order]})
    told = {"kind": "spikecut evaluation", "version": 1, "model": name, "network": card.weights_sha256, "seed": seed}
    rules = [{"name": "fixed-1pt", "fixed_steps": 3, "policy_cost": how["policy_cost"]}]
    told |= {"part": "test", "data_sha256": how["data"], "rules": rules}
    (evaluation / "evaluation.json").write_text(json.dumps(told))
    with (evaluation / "decisions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("recording", "truth", "rule", "answer", "step", "ms"))
        for i in order:
            answer = truth[i] if right[i] else 1 - truth[i]
            writer.writerow((names[i], "ab"[truth[i]], "fixed-1pt", "ab"[answer], 1 + i % 5, 30))
    return run
