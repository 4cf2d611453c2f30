"""Which cutoff a command means: a rule's name, a file, or none."""

from pathlib import Path

from spikecut.models.checkpoint import ModelCard
from spikecut.pipeline.calibration import FITTERS
from spikecut.pipeline.cutoff import ThresholdCutoff, never
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.fitted import load_cutoff


def find_cutoff(wanted: str | None, weights: Path, card: ModelCard) -> ThresholdCutoff:
    """The cutoff called `wanted`, checked to have been fitted for this network.

    A rule's name (`fixed`, `topk`, `confidence`) means the file beside the weights, `none` the full
    window, anything else a path; without a wish it is the network's own default.

    Raises:
        ModelError: if there is no such cutoff, or it belongs to another network.
    """
    name = wanted or card.default_cutoff
    if name == "none":
        return never(card.horizon)
    path = beside(weights, name) if name in FITTERS else Path(name)
    if not path.is_file():
        raise ModelError(
            f"no cutoff {name!r} ({path} does not exist)",
            hint=f"spikecut calibrate fits one; there are: {', '.join(['none', *available(weights)])}",
        )
    fitted = load_cutoff(path)
    fitted.check(card.weights_sha256, card.classes, card.spec.step_us)
    return fitted.cutoff


def available(weights: Path) -> list[str]:
    """The rules that have a file beside the weights."""
    return [rule for rule in FITTERS if beside(weights, rule).is_file()]


def beside(weights: Path, rule: str) -> Path:
    """Where a network's cutoff of one rule lies: `NAME.safetensors` has `NAME.RULE.json`."""
    return weights.with_name(f"{weights.stem}.{rule}.json")
