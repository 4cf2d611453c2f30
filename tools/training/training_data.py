"""Training data: a data set or drawn users, divided and packed."""

import hashlib
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.models.spec import NetworkSpec
from spikecut.models.training.epochs import TrainingPlan
from spikecut.pipeline.errors import ConfigError, printable
from spikecut.pipeline.files.atomic_files import new_file
from spikecut.sources.datasets import DATASETS, open_dataset
from spikecut.sources.datasets.base import INPUTS, Dataset, Example, sources_of
from spikecut.sources.datasets.digests import digests_of, digests_of_training
from spikecut.sources.datasets.parts import Division, watched_apart
from spikecut.sources.datasets.tonic import Transform, composed
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.simulation.gestures import drawn_users
from spikecut.tools.training.drawings import DRAWINGS, described
from spikecut.tools.training.frame_cache import Frames
from spikecut.tools.training.packing import Labels, pack_drawn, pack_examples, reading_for, view_for
from spikecut.tools.training.recipe import UNUSED_AUGMENTATION, Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Training data: frames and labels to fit, to watch and, at the end, to test on; and their origin."""

    fit: tuple[Frames, Labels]
    watch: tuple[Frames, Labels]
    test: Callable[[], tuple[Frames, Labels]]
    origin: dict[str, Any]
    digests: tuple[str, ...]


def material_for(
    recipe: Recipe, data: Path | None, out: Path, reading: ReadOptions = DEFAULTS
) -> tuple[Recipe, Material]:
    """The training data of a recipe, and the recipe with the classes of the data if it named none.

    Transforms of Tonic's are drawn once for the whole training: every epoch sees the same frames. They are a function
    of the training's seed and the name of the recording.

    Raises:
        ConfigError: if there is no data, it has other classes, or nothing to train or to test on, or what trains does
            not fill one batch.
    """
    recipe = with_classes(recipe, data, reading)
    if data is not None:
        return recipe, _from_data(data, recipe, reading)
    if not recipe.drawn_users:
        raise ConfigError(f"recipe {recipe.name!r} needs {_things(recipe)}", hint=needed(recipe))
    return recipe, _drawn(recipe, out)


def needed(recipe: Recipe) -> str:
    """Which data a recipe needs, as a hint."""
    layouts = (row.layout for row in DATASETS.values() if row.input_kind == recipe.network.input_kind)
    return f"--data PATH: {'; or '.join(layouts)}"


def watched_every(recipe: Recipe) -> int:
    """How many examples of the train part there are to one that is watched."""
    return recipe.watched_every or INPUTS[recipe.network.input_kind].watched_every


def with_classes(recipe: Recipe, data: Path | None, reading: ReadOptions = DEFAULTS) -> Recipe:
    """The recipe with the classes of the data if it named none."""
    if data is None or recipe.classes:
        return recipe
    classes = _opened(recipe, data, reading).classes
    return replace(recipe, classes=classes, network=replace(recipe.network, n_classes=len(classes)))


def check_parts(recipe: Recipe, data: Path, parts: Iterable[Division], reading: ReadOptions = DEFAULTS) -> None:
    """Refuses data that lack a part, before anything is trained.

    Raises:
        ConfigError: naming the part that is empty.
    """
    dataset = _opened(recipe, data, reading)
    for part in parts:
        if not dataset.examples(part):
            raise ConfigError(
                f"{data}: nothing in its {part} part",
                hint=f"more recordings, or folders train, calibration and test; see spikecut data check {data}",
            )


def made_of(
    recipe: Recipe, data: Path | None, start: str = "", reading: ReadOptions = DEFAULTS, teacher: str = ""
) -> dict[str, str]:
    """Everything that determines a network, by name: the recipe's training keys, the data, first weights, teacher.

    The data are identified by a digest of names and contents of the train part, first weights and teacher by the
    SHA-256 of their weights. The recipe is one with its classes.
    """
    things = ("sensor", "classes", "downsample", "spare_steps", "transforms", "onset")
    settings = {name: str(getattr(recipe, name)) for name in things} | {"default cutoff": recipe.deciding.default}
    unused = f"training.{UNUSED_AUGMENTATION[recipe.network.input_kind]}"
    for name, table in (("network", recipe.network), ("training", recipe.training)):
        settings |= {f"{name}.{field.name}": str(getattr(table, field.name)) for field in fields(table)}
    settings.pop(unused, None)
    if not recipe.training.mixed_steps.samples:  # a training that was begun before there was this key goes on
        settings.pop("training.mixed_steps")
    if not recipe.training.company:
        settings = {name: value for name, value in settings.items() if not name.startswith("training.compan")}
    if data is None:
        identity = f"{described(recipe.drawings)}, of {recipe.drawn_users} users"
    else:
        sources = sources_of(_opened(recipe, data, reading).examples("train"))
        lines = (f"{one.name} {digest}\n" for one, digest in zip(sources, digests_of(sources), strict=True))
        identity = hashlib.sha256("".join(lines).encode()).hexdigest()[:16]
    options = reading_for(replace(recipe, fit="")) if data is None else reading_for(recipe, reading)
    given = options.given
    read_with = ({"reading": given} if given else {}) | ({"teacher": teacher} if teacher else {})
    read_with |= {"watched_every": str(recipe.watched_every)} if recipe.watched_every else {}
    return settings | read_with | {"data": identity, "first weights": start or "fresh"}


def defaults() -> dict[str, str]:
    """The default of every key of `made_of`: the values of keys that did not exist when an older card was written."""
    settings = {"reading": "", "teacher": "", "watched_every": "0"}
    for name, table in (("network", NetworkSpec), ("training", TrainingPlan)):
        for one in fields(table):
            if one.default is not MISSING:
                settings[f"{name}.{one.name}"] = str(one.default)
            elif one.default_factory is not MISSING:
                settings[f"{name}.{one.name}"] = str(one.default_factory())
    return settings


def _opened(recipe: Recipe, data: Path, reading: ReadOptions) -> Dataset:
    text = reading.text is not None
    return open_dataset(data, recipe.network.input_kind, f"recipe {recipe.name!r}", text=text)


def _things(recipe: Recipe) -> str:
    return INPUTS[recipe.network.input_kind].things


def _from_data(data: Path, recipe: Recipe, reading: ReadOptions) -> Material:
    from spikecut.models.training.distributed import leads

    dataset = _opened(recipe, data, reading)
    check_parts(recipe, data, ("train", "test"), reading)
    _check_classes(data, recipe, dataset.classes)
    kind, members = recipe.network.input_kind, dataset.examples("train")
    watched = {id(one) for one in watched_apart(sources_of(members), watched_every(recipe))[1]}
    used = [member for member in members if id(member.source) not in watched]
    if len(used) < (batch := recipe.training.batch_size):
        raise ConfigError(
            f"{data}: {len(members)} {_things(recipe)} in its train part, of which {len(members) - len(used)} are "
            f"watched; the other {len(used)} do not fill one batch of {batch}",
            hint=f"a smaller batch_size, or more {_things(recipe)}",
        )
    if leads():
        for note in dataset.notes_on("train", view_for(recipe, reading)):
            print(printable(f"note: {note}"), file=sys.stderr)
    fit, watch = _packed_once(used, [one for one in members if id(one.source) in watched], recipe, reading)
    origin = {
        **dataset.provenance(recipe.licence, recipe.attribution),
        "recordings": {"train": len(fit[1]), "watched": len(watch[1])},
    }
    test = partial(pack_examples, dataset.examples("test"), recipe, "test", reading)
    return Material(fit, watch, test, origin, digests_of_training(dataset, kind))


def _packed_once(
    used: Sequence[Example], watched: Sequence[Example], recipe: Recipe, reading: ReadOptions
) -> tuple[tuple[Frames, Labels], tuple[Frames, Labels]]:
    """What trains and what is watched. Of several processes the leading one packs, and all others map its frames.

    Transformed frames are not kept on disk: the leading process sends them.
    """
    from spikecut.models.training.distributed import from_leader, leader_first

    fit = None
    if transform := _transform(recipe):
        fit = from_leader(lambda: pack_examples(used, recipe, "train", reading, transform=transform))
    with leader_first():
        fit = fit or pack_examples(used, recipe, "train", reading)
        return fit, pack_examples(watched, recipe, "watch", reading)


def _check_classes(data: Path, recipe: Recipe, classes: tuple[str, ...]) -> None:
    if classes == recipe.classes:
        return
    if set(classes) == set(recipe.classes):
        raise ConfigError(
            f"{data}: the recipe has its classes in another order: {', '.join(recipe.classes)}",
            hint=f"the folders are numbered by name: classes = {list(classes)}, or leave classes out",
        )
    raise ConfigError(f"{data}: classes {', '.join(classes)}; the recipe has {', '.join(recipe.classes)}")


def _transform(recipe: Recipe) -> Transform | None:
    """The recipe's transforms of Tonic's as one; None without any."""
    if not recipe.transforms:
        return None
    try:
        return composed(recipe.transforms)
    except ConfigError as error:
        raise ConfigError(f"recipe {recipe.name!r}: {error}") from error


def _drawn(recipe: Recipe, out: Path) -> Material:
    """Drawn users of seed 0: the drawing is the data set and does not change with the training's seed."""
    from spikecut.models.training.distributed import leader_first

    users = drawn_users(recipe.drawn_users, "train")
    used, watched = watched_apart(users, watched_every(recipe))
    parts = {"train": used, "watch": watched, "test": drawn_users(recipe.drawn_users, "test")}

    length_us = (recipe.horizon + recipe.spare_steps) * recipe.network.step_us

    def packed(part: str) -> tuple[Frames, Labels]:
        each = [_packed_drawing(name, parts[part], length_us, recipe, part, out) for name in recipe.drawings]
        if len(each) == 1:
            return each[0]
        return np.concatenate([frames for frames, _ in each]), np.concatenate([labels for _, labels in each])

    with leader_first():
        fit, watch = packed("train"), packed("watch")
    origin = {
        "data": f"{described(recipe.drawings)}, seed 0: simulated, no real person was recorded",
        "data_licence": recipe.licence,
        "attribution": recipe.attribution,
        "users": {part: len(members) for part, members in parts.items()},
        "recordings": {"train": len(fit[1]), "watch": len(watch[1])},
    }
    return Material(fit, watch, partial(packed, "test"), origin, ())


def _packed_drawing(
    name: str, users: Sequence[int], length_us: int, recipe: Recipe, part: str, out: Path
) -> tuple[Frames, Labels]:
    """The examples of one drawing, which are kept in the training's folder."""
    drawing = DRAWINGS[name]
    file = out / f"{drawing.key}_{recipe.drawn_users}_{part}.npz"
    if not file.exists():
        frames, labels = pack_drawn([drawing.session(user, length_us) for user in users], recipe, part)
        with new_file(file) as partial_file:
            np.savez_compressed(partial_file, frames=frames, labels=labels)
    with np.load(file) as saved:
        return saved["frames"], saved["labels"]
