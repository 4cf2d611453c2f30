"""The command `recipe`: from data to a trained network, its fitted cutoffs and a report."""

import os
import sys
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from spikecut.pipeline.errors import ConfigError
from spikecut.tools.commands.files.simulate import Simulate
from spikecut.tools.commands.fit.calibrate import Calibrate
from spikecut.tools.commands.fit.policy import Policy
from spikecut.tools.commands.fit.train import Train
from spikecut.tools.commands.measure.cost import Cost
from spikecut.tools.commands.measure.evaluate import Evaluate
from spikecut.tools.commands.measure.report import Report
from spikecut.tools.options import (
    SEED,
    Device,
    Epochs,
    FileOptions,
    NoDefault,
    Readout,
    RecipeName,
    Simulated,
    Threads,
    TrainingData,
    own_flags_first,
)

if TYPE_CHECKING:
    from spikecut.tools.training.recipe import Recipe as NetworkRecipe

_TIMED = 50  # recordings that are stopped one by one, to time it


@own_flags_first
@dataclass(frozen=True)
class Recipe(FileOptions):
    """Follow a recipe from data to a trained network, its fitted cutoffs and a report; a second call continues.

    Shipped recipes: nmnist and others of its data, ncaltech101, cifar10dvs, gestures (drawn if no data is given); and
    for pictures cifar10 and its variants, cifar100, tiny-imagenet. A recipe of your own is a TOML file like those in
    tools/recipes.

    $ spikecut recipe cifar10 --data cifar-10-python.tar.gz --out runs/cifar10

    $ spikecut recipe cifar10dvs --images cifar10.zip --out runs/cifar10dvs --seed 0 1 2 --threads 2
    """

    uses_torch: ClassVar[bool] = True

    recipe: RecipeName
    out: Path
    """The folder to write to: one folder in it for each seed, and results.json, the tables of all."""
    data: TrainingData = None
    images: Annotated[Path | None, NoDefault] = None
    """In place of --data: a folder or zip archive of <class>/<picture>, from which recordings are simulated first."""
    seed: Annotated[tuple[int, ...], SEED] = (0,)
    """The random seeds of weights, order and augmentation; each seed trains one network."""
    epochs: Epochs = None
    threads: Threads = 1
    device: Device = "cpu"

    def run(self) -> int:
        return run_recipe(self)


def run_recipe(options: Recipe) -> int:
    """Writes one folder a seed and results.json. Finished parts are skipped, an interrupted training continues.

    Raises:
        ConfigError: if data for the recipe or its policy are missing, or both data and pictures are given; if a part
            of the data is empty; if a folder holds a network made from other inputs; or if `torchrun` started this.
    """
    from spikecut.pipeline.rules import RULES
    from spikecut.tools.machine import use
    from spikecut.tools.reading_options import read_options
    from spikecut.tools.reports.results import keep_results
    from spikecut.tools.training.finished import network_is_finished
    from spikecut.tools.training.recipe import read_recipe
    from spikecut.tools.training.train import planned
    from spikecut.tools.training.training_data import check_parts

    out, named = options.out, options.recipe
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "spikecut recipe is one process",
            hint=f"torchrun … -m spikecut train {named} --out {out / 'seed0'} …, then spikecut recipe goes on",
        )
    recipe = read_recipe(named)
    by_seed = {seed: planned(recipe, options.epochs, None, seed) for seed in options.seed}
    drawn = recipe.drawn_users and options.data is None
    if drawn and any(RULES[rule].plans for rule in recipe.deciding.rules):
        raise ConfigError("a policy learns from recordings, which are not kept of drawn users", hint="--data FOLDER")
    use(options.threads)
    fit_on, test_on = _data(recipe, options)
    source = None if drawn else fit_on
    reading = read_options(options)
    if source is not None:
        check_parts(recipe, source, ("train",), reading)
    check_parts(recipe, fit_on, ("calibration",), reading)
    check_parts(recipe, test_on, ("test",), reading)
    finished = {seed: network_is_finished(out / f"seed{seed}", one, source, reading) for seed, one in by_seed.items()}
    code = 0
    for seed in options.seed:
        if not finished[seed]:
            _train(options, by_seed[seed], source, seed)
        weights = out / f"seed{seed}" / f"{recipe.name}.safetensors"
        code |= _fit(options, recipe, weights, (source, fit_on), seed)
        code |= _evaluate(_fitted(options, recipe), weights, test_on, seed)
    print(f"rows of the tables: {keep_results(out)}; next: spikecut results {out}", file=sys.stderr)
    return code


def _train(options: Recipe, recipe: "NetworkRecipe", source: Path | None, seed: int) -> None:
    """Trains the network of one seed, and before it its teacher, if the recipe has one and it is not finished."""
    from spikecut.tools.reading_options import read_options
    from spikecut.tools.training.finished import network_is_finished, teacher_of
    from spikecut.tools.training.recipe import read_recipe
    from spikecut.tools.training.train import planned, train

    run = options.out / f"seed{seed}"
    teacher = teacher_of(run, recipe)
    own = Train(
        recipe=options.recipe,
        out=run,
        data=source,
        epochs=options.epochs,
        teacher=str(teacher) if teacher else None,
        seed=seed,
        resume=True,
        device=options.device,
        **_reading(options),
    )
    if teacher:
        first = planned(read_recipe(recipe.teacher), options.epochs, None, seed)
        if not network_is_finished(teacher.parent, first, source, read_options(options)):
            train(replace(own, recipe=recipe.teacher, out=teacher.parent, teacher=None))
    train(own)


def _fitted(options: Recipe, recipe: "NetworkRecipe") -> dict[str, Any]:
    """The flags about reading, how other sensors are shown, and all filters."""
    fit = {"fit": recipe.fit} if recipe.fit else {}
    return {**_reading(options), **fit, "filter": (*options.filter, *recipe.filters)}


def _reading(options: Recipe) -> dict[str, Any]:
    """The flags about reading, which the commands of a recipe share."""
    return {field.name: getattr(options, field.name) for field in fields(FileOptions)}


def _fit(options: Recipe, recipe: "NetworkRecipe", weights: Path, data: tuple[Path | None, Path], seed: int) -> int:
    """The policy, if a rule needs one and its file is missing, and the cutoffs; `data` to train and to fit on."""
    source, fit_on = data
    from spikecut.pipeline.rules import RULES
    from spikecut.tools.training.finished import policy_is_finished

    code, deciding, model = 0, recipe.deciding, str(weights)
    plan = replace(recipe.policy, seed=seed)
    plans = any(RULES[rule].plans for rule in deciding.rules)
    if plans and source is not None and not policy_is_finished(weights, plan):
        numbers = asdict(plan) | _fitted(options, recipe)
        code |= Policy(folder=source, model=model, part="train", overwrite=True, **numbers).run()
    calibrate = Calibrate(
        folder=fit_on,
        model=model,
        rule=deciding.rules,
        tolerance=deciding.tolerances,
        readout=cast(Readout, deciding.readout),  # checked when the recipe was read
        temperature=str(deciding.temperature),
        seed=seed,
        or_never=True,
        outputs=weights.parent / "calibration.npz",
        overwrite=True,
        **_fitted(options, recipe),
    )
    return code | calibrate.run()


def _evaluate(reading: dict[str, Any], weights: Path, test_on: Path, seed: int) -> int:
    """The evaluation with its page, and the cost."""
    run, model = weights.parent, str(weights)
    evaluation = run / "evaluation"
    code = Evaluate(test_on, evaluation, model, seed=seed, overwrite=True, **reading).run()
    Report(evaluation, seed=seed, overwrite=True).run()
    cost = Cost(test_on, model, n=_TIMED, rounds=2, seed=seed, out=run / "cost.json", overwrite=True, **reading)
    return code | cost.run()


def _data(recipe: "NetworkRecipe", options: Recipe) -> tuple[Path, Path]:
    """The folders to calibrate and to test on; simulated ones are made first."""
    from spikecut.sources.datasets.base import INPUTS
    from spikecut.sources.simulation.simulated_datasets import COUNTERPARTS
    from spikecut.tools.training.training_data import needed

    data, images, out, name = options.data, options.images, options.out, recipe.name
    things = INPUTS[recipe.network.input_kind].things
    if images is not None:
        if data is not None or not recipe.counterpart:
            why = "not both" if recipe.counterpart else f"recipe {name!r} makes no recordings from pictures"
            raise ConfigError(f"--images {images}: {why}", hint=f"give {things} with --data: {needed(recipe)}")
        Simulate(cast(Simulated, recipe.counterpart), out, images, jobs=options.threads).run()
        data = out / COUNTERPARTS[recipe.counterpart].folder
    if data is not None:
        return data, data
    if not recipe.drawn_users:
        pictures = ", or --images FOLDER_OR_ZIP for a counterpart made from pictures" if recipe.counterpart else ""
        raise ConfigError(f"recipe {name!r} needs {things}", hint=f"{needed(recipe)}{pictures}")
    fit_on, test_on = out / "drawn_calibration", out / "drawn_test"
    users, jobs = recipe.drawn_judges, options.threads
    Simulate("gestures", fit_on, users=users, part="calibration", jobs=jobs).run()
    Simulate("gestures", test_on, users=users, part="test", jobs=jobs).run()
    return fit_on, test_on
