"""`spikecut policy`: a policy for a trained network, which chooses the number of steps from the first frames."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray
from rich.console import Console

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.models.policy.file import PolicyCard, save_policy
from spikecut.models.policy.network import WIDTHS, PolicyPlanner, PolicySpec, macs_of_policy, macs_of_step
from spikecut.models.policy.training import train_policy
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.atomic_files import claimed, refuse_existing
from spikecut.pipeline.rules.step_budget import budgets
from spikecut.sources.datasets.base import INPUTS
from spikecut.sources.datasets.digests import digests_of_policy
from spikecut.tools.batch.outputs import Look, Named, Passing, gather
from spikecut.tools.cutoff_lookup import policy_beside
from spikecut.tools.machine import commit, processor
from spikecut.tools.reading_options import read_options

if TYPE_CHECKING:
    from spikecut.tools.commands.fit.policy import Policy

_SHARE = 8  # asking the policy may cost this part of one step


def run_policy(options: "Policy") -> int:
    """The command: trains a policy on the outputs of the frozen network for one part, and writes its weights and card.

    Raises:
        ConfigError: if there is one already (unless `overwrite`), or the data is a file of recorded outputs.
        ModelError: if it cannot look so far, or the recordings do not fill a batch.
    """
    weights = opening.locate(options.model)
    folder = options.out or (weights.parent if weights.parent != opening.SHIPPED else Path())
    target = folder / policy_beside(weights).name
    refuse_existing(target, overwrite=options.overwrite)
    with claimed(target):
        return _train(options, weights, target)


def _train(options: "Policy", weights: Path, target: Path) -> int:
    data, plan = options.folder, options.plan
    if data.suffix == ".npz":
        raise ConfigError(f"{data}: a policy looks at recordings", hint="give the folder that they are in")
    stepper, card = opening.load(weights, engine="norse")
    step_macs = macs_of_step(stepper, card.spec)
    spec = policy_spec(card, options.look, options.width, step_macs)
    macs = macs_of_policy(spec)
    made_by, console, started = commit(), Console(stderr=True), time.monotonic()

    look = Look(spec.look, plan.recordings, plan.seed)
    gathered = gather(data, Named(options.model), options.part, read_options(options), how=Passing(look=look))
    frames, right = gathered.first, gathered.recorded.correct()
    assert frames is not None
    share = right[:, spec.look - 1].mean()
    console.print(
        f"{len(right)} recordings ({options.part}); the network is right on {share:.1%} after {spec.look} steps"
    )
    policy = train_policy(
        torch.from_numpy(frames if frames.dtype == np.uint8 else frames.astype(np.float32)),
        torch.from_numpy(right),
        spec,
        plan,
        lambda epoch, loss: console.print(f"epoch {epoch}/{plan.epochs}  expected loss {loss:.4f}"),
    )
    metrics = _metrics(PolicyPlanner(policy, spec, "", macs / step_macs).plan(frames), right, spec)
    made = {"seconds": round(time.monotonic() - started), "machine": processor(), "commit": made_by}
    card_of_policy = PolicyCard(
        name=card.name,
        spec=spec,
        network=card.weights_sha256,
        macs=macs,
        step_macs=step_macs,
        metrics=metrics,
        provenance=_provenance(options, card, spec, gathered.data) | made,
        trained_on=digests_of_policy(gathered.digests, card.spec.input_kind),
    )
    save_policy(target, card_of_policy, policy)
    console.print(
        f"width {spec.width}: {macs / 1e6:.2f} million multiply-accumulates, {macs / step_macs:.2f} of a step "
        f"({step_macs / 1e6:.2f}). Where it learned it grants {metrics['mean_steps']:.2f} steps, "
        f"{metrics['accuracy']:.1%} right; next: spikecut calibrate --rule planned",
        soft_wrap=True,
    )
    print(target)
    return 3 if gathered.n_damaged else 0


def _provenance(options: "Policy", card: ModelCard, spec: PolicySpec, data: str) -> dict[str, Any]:
    """The provenance of a policy: its data and settings, and how to repeat it."""
    plan = asdict(options.plan)
    given = {"look": spec.look, "width": spec.width, **plan}
    flags = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in given.items())
    return {
        "command": f"spikecut policy DIR --model {card.name} --part {options.part} {flags}",
        **{name: card.provenance[name] for name in ("data_licence", "attribution") if name in card.provenance},
        "part": options.part,
        "data": data,
        "plan": plan,
    }


def policy_spec(card: ModelCard, look: int | None, width: int | None, step_macs: int) -> PolicySpec:
    """The architecture of a policy for a network.

    Without a `look` it sees a tenth of the window, or a picture once. Without a `width` it is the widest of `WIDTHS`
    that costs an eighth of a step of the network or less, or the narrowest.
    """
    first = look or (1 if INPUTS[card.spec.input_kind].still else max(1, card.horizon // 10))
    widths = (width,) if width else WIDTHS
    specs = [PolicySpec(card.spec.inputs, card.spec.frame, first, card.horizon, one) for one in widths]
    return next((spec for spec in specs if _SHARE * macs_of_policy(spec) <= step_macs), specs[-1])


def _metrics(
    logits: np.ndarray[Any, np.dtype[np.float32]], right: Bool[ndarray, "N T"], spec: PolicySpec
) -> dict[str, Any]:
    """Metrics of the policy on its training recordings, as published: the largest logit chooses the budget."""
    granted = budgets(logits, spec.look)
    return {
        "on": "the recordings that it learned from",
        "n": len(right),
        "first_accuracy": round(float(right[:, spec.look - 1].mean()), 4),
        "mean_steps": round(float(granted.mean()), 4),
        "accuracy": round(float(right[np.arange(len(right)), granted - 1].mean()), 4),
        "accuracy_full_window": round(float(right[:, -1].mean()), 4),
    }
