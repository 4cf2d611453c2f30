"""Training the policy of SEENN-II: the reward of every budget is known, so the expected reward is exact.

The spiking network is frozen. It has run to the horizon once for every recording, and whether it would have been right
after each step is the only training signal: no sampling, no gradient through the spikes.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float32, Num
from torch import Tensor, nn

from spikecut.models.policy.network import PolicySpec, build_policy
from spikecut.models.policy.plan import PolicyPlan as PolicyPlan
from spikecut.pipeline.errors import ModelError


def policy_loss(
    logits: Float32[Tensor, "N P"],
    right: Bool[Tensor, "N P"],
    first_accuracy: float,
    beta: float,
    half_life: float = 1.0,
) -> Float32[Tensor, ""]:
    """The expected loss of the policy: `beta` for a wrong answer, and minus 2^(-k / half_life) for a right one.

    `right` says whether the network would have been right with each budget, k of them longer than the first. Of a
    stream the first budget is `look`: answers before it are not possible any more, so they have no reward.
    Recordings that are wrong with the first budget weigh A / (1 - A) for the share A of all that are right with it,
    so that hard ones and easy ones balance (Li et al., section 3.3). Where A is 1 or 0 there is nothing to balance, and
    all weigh 1.

    >>> from math import log
    >>> sure = torch.tensor([[0.0, 0.0], [log(3), 0.0]])  # probabilities 1/2, 1/2 and 3/4, 1/4
    >>> round(policy_loss(sure, torch.tensor([[True, True], [False, True]]), 0.5, beta=2.0).item(), 6)
    0.3125
    """
    later = torch.arange(right.shape[1], device=logits.device) / half_life
    earned = torch.where(right, 2.0**-later, -beta)
    hard = first_accuracy / (1 - first_accuracy) if 0 < first_accuracy < 1 else 1.0
    weights = torch.where(right[:, 0], 1.0, hard)
    return -(weights * (logits.softmax(1) * earned).sum(1)).mean()


def train_policy(
    frames: Num[Tensor, "N look C H W"],
    right: Bool[Tensor, "N T"],
    spec: PolicySpec,
    plan: PolicyPlan,
    report: Callable[[int, float], None] = lambda epoch, loss: None,
) -> nn.Module:
    """A policy for a network that would have been `right` after each step of these recordings; reproducible.

    `frames` are the first of each, as the network got them. `report` gets the number and mean loss of every epoch.

    Raises:
        ModelError: if the recordings do not fill a batch, or the loss is not finite.
    """
    if len(frames) < plan.batch_size:
        raise ModelError(
            f"{len(frames)} recordings do not fill one batch of {plan.batch_size}", hint="a smaller --batch-size"
        )
    right = right[:, spec.look - 1 :]
    first, half_life = float(right[:, 0].float().mean()), plan.half_life or max(1.0, (spec.n_budgets - 1) / 3)
    generator = torch.Generator().manual_seed(plan.seed)
    with torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        policy = build_policy(spec)
    n_batches = len(frames) // plan.batch_size
    optimizer = torch.optim.AdamW(policy.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.epochs * n_batches)
    for epoch in range(1, plan.epochs + 1):
        order = torch.randperm(len(frames), generator=generator)
        losses = []
        for picks in torch.split(order, plan.batch_size)[:n_batches]:
            loss = policy_loss(policy(frames[picks].float()), right[picks], first, plan.beta, half_life)
            if not loss.isfinite():
                raise ModelError(f"epoch {epoch}: the policy's loss is {loss.item()}; training diverged")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        report(epoch, sum(losses) / len(losses))
    return policy.eval()
