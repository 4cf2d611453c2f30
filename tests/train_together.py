"""Trains little networks for two epochs: what `test_distributed` does alone, and starts as two processes."""

import sys
from dataclasses import replace
from typing import Any

import torch

from spikecut.models.layers import FrameDropout
from spikecut.models.training.distributed import leads, together
from spikecut.models.training.epochs import TrainingRun

from small_training import PLAN, SPEC, TEBN, bars


def trained(kind: str) -> dict[str, Any]:
    """Weights, their average and the losses; batches of 25 make unequal shares."""
    run = TrainingRun(TEBN if kind == "tebn" else SPEC, replace(PLAN, epochs=2, batch_size=25, rate=0.1), 100)
    for module in run.network.modules():
        if isinstance(module, FrameDropout):
            module.share = 0.0
    losses = [run.train_epoch(*bars(100, 1)) for _ in range(2)]
    return {"losses": losses, "weights": run.network.state_dict(), "average": run.average}


if __name__ == "__main__":
    with together():
        results = {kind: trained(kind) for kind in ("kernel", "tebn")}
        torch.save(results, f"{sys.argv[1]}.{'first' if leads() else 'second'}.pt")
