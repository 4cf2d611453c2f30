"""Which cutoff a command means: a rule's name, a file, or none."""

import re
from pathlib import Path

from spikecut.models.checkpoint import ModelCard
from spikecut.pipeline.cutoff import never
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.fitted import FittedCutoff, load_cutoff
from spikecut.pipeline.fitting import FITS

_NAME = re.compile(r"(\w+)-(\d+(?:\.\d+)?)pt")


def find_cutoff(wanted: str | None, weights: Path, card: ModelCard) -> FittedCutoff:
    """The rule called `wanted`, checked to have been fitted for this network.

    `confidence-1pt` means the file beside the weights for a tolerated loss of 1 point, `confidence` the one
    for the same tolerance as the network's default, `none` the full window, anything else a path; without
    a wish it is the network's default.

    Raises:
        ModelError: if there is no such cutoff, or it belongs to another network.
    """
    name = wanted or card.default_cutoff
    if name == "none":
        return unfitted(card)
    if name in FITS:
        name = f"{name}-{card.default_cutoff.partition('-')[2]}"
    path = beside(weights, name) if name.split("-")[0] in FITS else Path(name)
    if not path.is_file():
        raise ModelError(
            f"no cutoff {name!r} ({path} does not exist)",
            hint=f"spikecut calibrate fits one; there are: {', '.join(['none', *available(weights)])}",
        )
    fitted = load_cutoff(path)
    fitted.check(card.weights_sha256, card.classes, card.spec.step_us)
    return fitted


def unfitted(card: ModelCard) -> FittedCutoff:
    """No cutoff: the whole window."""
    identity = card.weights_sha256, card.classes, card.spec.step_us
    return FittedCutoff(never(card.horizon), *identity, 0.0, 0, "", "It never stops early.")


def available(weights: Path) -> list[str]:
    """The cutoffs that have a file beside the weights, the smallest tolerance first."""
    names = [path.name.removeprefix(f"{_stem(weights)}.").removesuffix(".json") for path in _files(weights)]
    known = [match for match in map(_NAME.fullmatch, names) if match and match[1] in FITS]
    rules = list(FITS)
    return [match[0] for match in sorted(known, key=lambda match: (float(match[2]), rules.index(match[1])))]


def called(rule: str, tolerance: float) -> str:
    """What a fitted cutoff is called: its rule, and the tolerated loss in points.

    >>> called("topk", 0.005), called("fixed", 0.02)
    ('topk-0.5pt', 'fixed-2pt')
    """
    return f"{rule}-{f'{100 * tolerance:.6f}'.rstrip('0').rstrip('.')}pt"


def shown(wanted: str, weights: Path) -> str:
    """What a cutoff is called in a table: of a file its name, without that of the network.

    >>> shown("fits/nmnist.ltt-1pt.json", Path("nmnist.safetensors"))
    'ltt-1pt'
    """
    return Path(wanted).name.removesuffix(".json").removeprefix(f"{_stem(weights)}.")


def beside(weights: Path, name: str) -> Path:
    """Where a network's cutoff lies: `NAME.safetensors` and `NAME.py` have `NAME.RULE-POINTSpt.json`.

    >>> beside(Path("nets.py:small"), "ltt-2pt").name
    'nets.small.ltt-2pt.json'
    """
    return weights.with_name(f"{_stem(weights)}.{name}.json")


def _files(weights: Path) -> list[Path]:
    return sorted(weights.parent.glob(f"{_stem(weights)}.*.json"))


def _stem(weights: Path) -> str:
    return weights.name.replace(".py:", ".") if ".py:" in weights.name else weights.stem
