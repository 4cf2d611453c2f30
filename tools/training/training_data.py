"""What a training is made of: recordings of a folder, pictures, or drawn users, divided and packed."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.models.spec import NetworkSpec
from spikecut.models.training.epochs import TrainingPlan
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.atomic_files import new_file
from spikecut.sources.datasets.class_folders import LabelledRecording, list_recordings, origin_of, part_of
from spikecut.sources.datasets.digests import digests_of, sketch_of
from spikecut.sources.datasets.dvs_gesture import Session, open_gesture_set
from spikecut.sources.datasets.images.image_sets import LabelledPicture
from spikecut.sources.datasets.images.open_images import KNOWN, open_pictures
from spikecut.sources.datasets.parts import Division
from spikecut.sources.datasets.tonic import Transform
from spikecut.sources.simulation.gestures import VERSION, drawn_session, drawn_users
from spikecut.tools.training.frame_cache import Frames
from spikecut.tools.training.image_data import picture_parts
from spikecut.tools.training.packing import Labels, pack_drawn, pack_recordings, pack_sessions
from spikecut.tools.training.recipe import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a training needs: frames and labels to fit, to watch and, at the end, to test on; where they came from."""

    fit: tuple[Frames, Labels]
    watch: tuple[Frames, Labels]
    test: Callable[[], tuple[Frames, Labels]]
    origin: dict[str, Any]
    digests: tuple[str, ...]


def material_for(recipe: Recipe, data: Path | None, out: Path) -> tuple[Recipe, Material]:
    """What a recipe trains on, and the recipe with the classes of the data if it named none.

    Transforms of Tonic's are drawn once for the whole training: every epoch sees the same frames. They are a function
    of the training's seed and the name of the recording.

    Raises:
        ConfigError: if there is no data, it has other classes, or nothing to train or to test on.
    """
    recipe = with_classes(recipe, data)
    if recipe.network.inputs == 3:
        return recipe, _from_pictures(data, recipe)
    return recipe, _drawn(recipe, out) if data is None else _from_folder(data, recipe)


def with_classes(recipe: Recipe, data: Path | None) -> Recipe:
    """The recipe with the classes of the data if it named none."""
    if data is None or recipe.classes:
        return recipe
    if recipe.network.inputs == 3:
        classes = open_pictures(data).classes
    else:
        classes = tuple(sorted({recording.class_name for recording in list_recordings(data)}))
    return replace(recipe, classes=classes, network=replace(recipe.network, n_classes=len(classes)))


def check_parts(recipe: Recipe, data: Path, parts: Iterable[Division]) -> None:
    """Refuses data that lack a part, before anything is trained.

    Raises:
        ConfigError: naming the part that is empty.
    """
    for part in parts:
        if not _of(recipe, data, part):
            raise ConfigError(
                f"{data}: nothing in its {part} part",
                hint=f"more recordings, or folders train, calibration and test; see spikecut data check {data}",
            )


def made_of(recipe: Recipe, data: Path | None, start: str = "") -> dict[str, str]:
    """What a network follows from, a line for each thing: what of the recipe trains it, its data, its first weights.

    The data are told by a digest of names and contents of the train part. The recipe is one with its classes.
    """
    things = ("sensor", "classes", "downsample", "spare_steps", "transforms", "onset")
    said = {name: str(getattr(recipe, name)) for name in things} | {"default cutoff": recipe.deciding.default}
    unused = "training.augmentation" if recipe.network.inputs == 3 else "training.pictures"
    for name, table in (("network", recipe.network), ("training", recipe.training)):
        said |= {f"{name}.{field.name}": str(getattr(table, field.name)) for field in fields(table)}
    said.pop(unused, None)
    if data is None:
        told = f"drawn gestures, version {VERSION}, of {recipe.drawn_users} users"
    else:
        lines = _lines(_of(recipe, data, "train"))
        told = hashlib.sha256("".join(lines).encode()).hexdigest()[:16]
    return said | {"data": told, "first weights": start or "fresh"}


def unsaid() -> dict[str, str]:
    """What an older card leaves unsaid in `made_of`, since nobody could ask for it then: the default."""
    said = {}
    for name, table in (("network", NetworkSpec), ("training", TrainingPlan)):
        for one in fields(table):
            if one.default is not MISSING:
                said[f"{name}.{one.name}"] = str(one.default)
            elif one.default_factory is not MISSING:
                said[f"{name}.{one.name}"] = str(one.default_factory())
    return said


def _of(recipe: Recipe, data: Path, part: Division) -> list[Session] | list[LabelledRecording] | list[LabelledPicture]:
    if recipe.network.inputs == 3:
        return open_pictures(data).of(part)
    return open_gesture_set(data).of(part) if recipe.drawn_users else part_of(list_recordings(data), part)


def _lines(sources: Sequence[Session | LabelledRecording | LabelledPicture]) -> Iterator[str]:
    """Name and digest of each; of a picture that cannot be read, a word."""
    for one in sources:
        yield f"{one.name} {digests_of([one])[0] if isinstance(one, LabelledPicture) else one.digest()}\n"


def _from_pictures(data: Path | None, recipe: Recipe) -> Material:
    if data is None:
        raise ConfigError(f"recipe {recipe.name!r} needs pictures", hint=f"--data ARCHIVE_OR_FOLDER: {KNOWN}")
    check_parts(recipe, data, ("train", "test"))
    _check_classes(data, recipe, open_pictures(data).classes)
    found, fit, watch, test = picture_parts(data, recipe)
    origin = {
        "data": found.origin,
        "data_licence": recipe.licence,
        "attribution": recipe.attribution,
        "recordings": {"train": len(fit[1]), "watched": len(watch[1])},
    }
    return Material(fit, watch, test, origin, sketch_of(found))


def _from_folder(data: Path, recipe: Recipe) -> Material:
    origin = {"data_licence": recipe.licence, "attribution": recipe.attribution}
    if recipe.transforms and recipe.drawn_users:
        raise ConfigError(f"recipe {recipe.name!r}: transforms are for recordings in class folders")
    check_parts(recipe, data, ("train", "test"))
    if recipe.drawn_users:
        gestures = open_gesture_set(data)
        fitting = gestures.of("train")
        used, watched = [s for i, s in enumerate(fitting) if i % 10], fitting[::10]
        fit, watch = pack_sessions(used, recipe, "train"), pack_sessions(watched, recipe, "watch")
        test = partial(pack_sessions, gestures.of("test"), recipe, "test")
        digests = tuple(session.digest() for session in fitting)
        origin |= {
            "data_licence": "that of the recordings; DVS128 Gesture: CC BY 4.0",
            "attribution": "DVS128 Gesture: Amir et al., CVPR 2017, or a folder in its layout",
        }
    else:
        recordings = list_recordings(data)
        _check_classes(data, recipe, tuple(sorted({recording.class_name for recording in recordings})))
        kept = part_of(recordings, "train")
        fitted = [recording for i, recording in enumerate(kept) if i % 10]
        if len(fitted) < (batch := recipe.training.batch_size):
            raise ConfigError(
                f"{data}: {len(kept)} recordings in its train part, of which {len(kept) - len(fitted)} are watched; "
                f"the other {len(fitted)} do not fill one batch of {batch}",
                hint="a smaller batch_size, or more recordings",
            )
        fit = pack_recordings(fitted, recipe, "train", transform=_transform(recipe))
        watch = pack_recordings(kept[::10], recipe, "watch")
        test = partial(pack_recordings, part_of(recordings, "test"), recipe, "test")
        digests = tuple(recording.digest() for recording in kept)
        if made := origin_of(data):
            origin |= {"data": f"{made}: simulated, made from pictures"}
    counts = {"train": len(fit[1]), "watched": len(watch[1])}
    return Material(fit, watch, test, origin | {"recordings": counts}, digests)


def _check_classes(data: Path, recipe: Recipe, found: tuple[str, ...]) -> None:
    if found == recipe.classes:
        return
    if set(found) == set(recipe.classes):
        raise ConfigError(
            f"{data}: the recipe has its classes in another order: {', '.join(recipe.classes)}",
            hint=f"the folders are numbered by name: classes = {list(found)}, or leave classes out",
        )
    raise ConfigError(f"{data}: classes {', '.join(found)}; the recipe has {', '.join(recipe.classes)}")


def _transform(recipe: Recipe) -> Transform | None:
    """The recipe's transforms of Tonic's as one; None without any."""
    if not recipe.transforms:
        return None
    from tonic import transforms

    made = []
    for table in recipe.transforms:
        name, how = table.get("name"), {key: value for key, value in table.items() if key != "name"}
        try:
            made.append(getattr(transforms, str(name))(**how))
        except (AttributeError, TypeError) as error:
            raise ConfigError(f"recipe {recipe.name!r}: transform {name!r} with {how}: {error}") from error
    composed: Transform = transforms.Compose(made)
    return composed


def _drawn(recipe: Recipe, out: Path) -> Material:
    """Drawn users of seed 0: the drawing is the data set and does not change with the training's seed."""
    from spikecut.models.training.distributed import leader_first

    if not recipe.drawn_users:
        raise ConfigError("this recipe needs recordings", hint="--data FOLDER")
    users = drawn_users(recipe.drawn_users, "train")
    parts = {
        "train": [user for i, user in enumerate(users) if i % 10],
        "watch": users[::10],
        "test": drawn_users(recipe.drawn_users, "test"),
    }

    def packed(part: str) -> tuple[Frames, Labels]:
        file = out / f"drawn{VERSION}_{recipe.drawn_users}_{part}.npz"
        if not file.exists():
            frames, labels = pack_drawn([drawn_session(user, quick=True) for user in parts[part]], recipe, part)
            with new_file(file) as partial_file:
                np.savez_compressed(partial_file, frames=frames, labels=labels)
        with np.load(file) as saved:
            return saved["frames"], saved["labels"]

    with leader_first():
        fit, watch = packed("train"), packed("watch")
    origin = {
        "data": f"drawn gestures, version {VERSION}, seed 0: simulated, no real person was recorded",
        "data_licence": recipe.licence,
        "attribution": recipe.attribution,
        "users": {part: len(members) for part, members in parts.items()},
        "recordings": {"train": len(fit[1]), "watch": len(watch[1])},
    }
    return Material(fit, watch, partial(packed, "test"), origin, ())
