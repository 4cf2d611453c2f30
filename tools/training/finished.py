"""Which parts of a recipe's run are finished already: the network, and its policy."""

import sys
from dataclasses import asdict
from pathlib import Path

from spikecut.models.files import checkpoint, opening
from spikecut.models.policy.file import read_policy_card
from spikecut.models.policy.plan import PolicyPlan
from spikecut.models.training.epochs import differences
from spikecut.pipeline.errors import ConfigError
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.tools.cutoff_lookup import policy_beside
from spikecut.tools.training.recipe import Recipe
from spikecut.tools.training.training_data import defaults, made_of, with_classes


def network_is_finished(run: Path, recipe: Recipe, source: Path | None, reading: ReadOptions = DEFAULTS) -> bool:
    """Whether the network of a run exists with its card, which is written last, and was made from the same inputs.

    Raises:
        ConfigError: if it exists and was made from other inputs.
    """
    weights = run / f"{recipe.name}.safetensors"
    if not (weights.exists() and weights.with_suffix(".json").exists()):
        return False
    before = checkpoint.read_card(weights.with_suffix(".json")).provenance.get("made_of")
    if before is None:
        print(f"warning: {weights} does not say what it was made of; it is taken as it is", file=sys.stderr)
        return True
    teacher = teacher_of(run, recipe)
    known = opening.card_of(teacher).weights_sha256 if teacher and teacher.exists() else before.get("teacher", "")
    now = made_of(with_classes(recipe, source, reading), source, reading=reading, teacher=known)
    if others := differences(defaults() | before, defaults() | now):
        raise ConfigError(
            f"{weights} was made of something else: {others}", hint="choose another --out, or ask for the same again"
        )
    return True


def teacher_of(run: Path, recipe: Recipe) -> Path | None:
    """The weights of the teacher in the folder of a run; None if the recipe has none."""
    return run / "teacher" / f"{Path(recipe.teacher).stem}.safetensors" if recipe.teacher else None


def policy_is_finished(weights: Path, plan: PolicyPlan) -> bool:
    """Whether this network's policy exists and was made from the same inputs."""
    policy = policy_beside(weights)
    if not (policy.exists() and policy.with_suffix(".json").exists()):
        return False
    card = read_policy_card(policy.with_suffix(".json"))
    return card.network == opening.card_of(weights).weights_sha256 and card.provenance.get("plan") == asdict(plan)
