"""`spikecut recipe`: from data, or from nothing, to a trained network, its fitted deciders and a report."""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from spikecut.models.files import checkpoint, opening
from spikecut.models.policy.file import read_policy_card
from spikecut.models.policy.training import PolicyPlan
from spikecut.models.training.epochs import differences
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.rules import RULES
from spikecut.sources.datasets.images.open_images import KNOWN
from spikecut.sources.simulation.simulated_datasets import COUNTERPARTS
from spikecut.tools.batch.calibrate import run_calibrate
from spikecut.tools.batch.cost import run_cost
from spikecut.tools.batch.evaluate import run_evaluate
from spikecut.tools.cutoff_lookup import policy_beside
from spikecut.tools.machine import use
from spikecut.tools.recordings.simulate import run_counterpart, run_simulate
from spikecut.tools.reports.report import run_report
from spikecut.tools.training.policy import run_policy
from spikecut.tools.training.recipe import Recipe, read_recipe
from spikecut.tools.training.train import planned, train
from spikecut.tools.training.training_data import check_parts, made_of, unsaid, with_classes

_TIMED = 50  # recordings that are stopped one by one, to time it


def run_recipe(
    named: str,
    data: Path | None,
    out: Path,
    *,
    images: Path | None,
    seeds: Sequence[int],
    epochs: int | None,
    threads: int,
    device: str,
) -> int:
    """The command: one folder a seed in `out`. What is done already is not done again; what was cut short goes on.

    Raises:
        ConfigError: if the recipe, or a policy for it, needs data that is not there, or both data and pictures are
            given; if a part of the data is empty; if a folder holds a network made of something else; or if `torchrun`
            started this.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "spikecut recipe is one process",
            hint=f"torchrun … -m spikecut train {named} --out {out / 'seed0'} …, then spikecut recipe goes on",
        )
    recipe = read_recipe(named)
    wanted = {seed: planned(recipe, epochs, None, seed) for seed in seeds}
    plans = any(RULES[rule].plans for rule in recipe.deciding.rules)
    if plans and recipe.drawn_users and data is None:
        raise ConfigError("a policy learns from recordings, which are not kept of drawn users", hint="--data FOLDER")
    use(threads)
    fit_on, test_on = _data(recipe, data, out, images, threads)
    source = None if recipe.drawn_users and data is None else fit_on
    if source is not None:
        check_parts(recipe, source, ("train",))
    check_parts(recipe, fit_on, ("calibration",))
    check_parts(recipe, test_on, ("test",))
    finished = {seed: _finished(out / f"seed{seed}", one, source) for seed, one in wanted.items()}
    told = 0
    for seed in seeds:
        run = out / f"seed{seed}"
        weights = run / f"{recipe.name}.safetensors"
        if not finished[seed]:
            train(
                recipe,
                source,
                run,
                epochs=epochs,
                learning_rate=None,
                start=None,
                seed=seed,
                resume=True,
                device=device,
            )
        how, plan = recipe.deciding, replace(recipe.policy, seed=seed)
        if plans and source is not None and not _planned(weights, plan):
            told |= run_policy(
                source, model=str(weights), part="train", look=None, width=None, plan=plan, out=None, overwrite=True
            )
        told |= run_calibrate(
            fit_on,
            model=str(weights),
            part="calibration",
            rules=how.rules,
            tolerances=how.tolerances,
            delta=0.05,
            readout=how.readout,
            leak=0.05,
            temperature=str(how.temperature),
            seed=seed,
            or_never=True,
            out=None,
            outputs=run / "calibration.npz",
            overwrite=True,
            force=False,
        )
        evaluation = run / "evaluation"
        told |= run_evaluate(
            test_on,
            model=str(weights),
            cutoffs=(),
            part="test",
            out=evaluation,
            seed=seed,
            overwrite=True,
            as_json=False,
        )
        run_report(evaluation, compare=(), out=None, seed=seed)
        told |= run_cost(
            test_on,
            model=str(weights),
            cutoffs=(),
            part="test",
            n=_TIMED,
            rounds=2,
            seed=seed,
            out=run / "cost.json",
        )
    print(f"next: spikecut results {out}", file=sys.stderr)
    return told


def _finished(run: Path, recipe: Recipe, source: Path | None) -> bool:
    """Whether the network of a run is there with its card, which is written last, and made of what is now asked for.

    Raises:
        ConfigError: if it is there and made of something else.
    """
    weights = run / f"{recipe.name}.safetensors"
    if not (weights.exists() and weights.with_suffix(".json").exists()):
        return False
    before = checkpoint.read_card(weights.with_suffix(".json")).provenance.get("made_of")
    if before is None:
        print(f"warning: {weights} does not say what it was made of; it is taken as it is", file=sys.stderr)
    elif others := differences({**unsaid(), **before}, {**unsaid(), **made_of(with_classes(recipe, source), source)}):
        raise ConfigError(
            f"{weights} was made of something else: {others}", hint="choose another --out, or ask for the same again"
        )
    return True


def _planned(weights: Path, plan: PolicyPlan) -> bool:
    """Whether this network's policy is there, made as it is asked for."""
    policy = policy_beside(weights)
    if not (policy.exists() and policy.with_suffix(".json").exists()):
        return False
    card = read_policy_card(policy.with_suffix(".json"))
    return card.network == opening.card_of(weights).weights_sha256 and card.provenance["plan"] == asdict(plan)


def _data(recipe: Recipe, data: Path | None, out: Path, images: Path | None, jobs: int) -> tuple[Path, Path]:
    """Where to calibrate and where to test; made first if it can be."""
    if recipe.network.inputs == 3:
        if data is None:
            raise ConfigError(f"recipe {recipe.name!r} needs pictures", hint=f"--data ARCHIVE_OR_FOLDER: {KNOWN}")
        if images is not None:
            raise ConfigError(f"--images {images}: not both", hint="give pictures with --data alone")
        return data, data
    if images is not None:
        if data is not None or not recipe.counterpart:
            why = "not both" if recipe.counterpart else f"recipe {recipe.name!r} is not made from pictures"
            raise ConfigError(f"--images {images}: {why}", hint="give recordings with --data")
        run_counterpart(recipe.counterpart, out, images, count=None, seed=0, jobs=jobs, overwrite=False)
        data = out / COUNTERPARTS[recipe.counterpart].folder
    if data is not None:
        return data, data
    if not recipe.drawn_users:
        pictures = ", or --images FOLDER_OR_ZIP for a counterpart made from pictures" if recipe.counterpart else ""
        raise ConfigError(f"recipe {recipe.name!r} needs recordings", hint=f"--data FOLDER{pictures}")
    fit_on, test_on = out / "drawn_calibration", out / "drawn_test"
    run_simulate(fit_on, users=recipe.drawn_judges, part="calibration", seed=0, jobs=jobs, overwrite=False)
    run_simulate(test_on, users=recipe.drawn_judges, part="test", seed=0, jobs=jobs, overwrite=False)
    return fit_on, test_on
