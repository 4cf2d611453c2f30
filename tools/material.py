"""What a training is made of: recordings of a folder, or drawn users, divided and packed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.sources.datasets import list_recordings, origin_of, part_of
from spikecut.sources.gesture_set import open_gesture_set
from spikecut.sources.gestures import VERSION, drawn_session, drawn_users
from spikecut.sources.tonic_sets import Transform
from spikecut.tools.frame_cache import Frames
from spikecut.tools.packing import Labels, pack_drawn, pack_recordings, pack_sessions
from spikecut.tools.recipe import Recipe


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

    Raises:
        ConfigError: if there is no data, or it has other classes.
    """
    if data is None:
        return recipe, _drawn(recipe, out)
    if not recipe.classes:
        classes = tuple(sorted({recording.class_name for recording in list_recordings(data)}))
        recipe = replace(recipe, classes=classes, network=replace(recipe.network, n_classes=len(classes)))
    return recipe, _from_folder(data, recipe)


def _from_folder(data: Path, recipe: Recipe) -> Material:
    origin = {"data_licence": recipe.licence, "attribution": recipe.attribution}
    if recipe.transforms and recipe.drawn_users:
        raise ConfigError(f"recipe {recipe.name!r}: transforms are for recordings in class folders")
    if recipe.drawn_users:
        gestures = open_gesture_set(data)
        fitting = gestures.of("train")
        if not fitting or not gestures.of("test"):
            raise ConfigError(f"{data}: no sessions to train or to test on", hint=f"spikecut data check {data}")
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
        if (found := tuple(sorted({recording.class_name for recording in recordings}))) != recipe.classes:
            raise ConfigError(f"{data}: classes {', '.join(found)}; the recipe has {', '.join(recipe.classes)}")
        kept = part_of(recordings, "train")
        fitted = [recording for i, recording in enumerate(kept) if i % 10]
        fit = pack_recordings(fitted, recipe, "train", transform=_transform(recipe))
        watch = pack_recordings(kept[::10], recipe, "watch")
        test = partial(pack_recordings, part_of(recordings, "test"), recipe, "test")
        digests = tuple(recording.digest() for recording in kept)
        if made := origin_of(data):
            origin |= {"data": f"{made}: simulated, made from pictures"}
    counts = {"train": len(fit[1]), "watched": len(watch[1])}
    return Material(fit, watch, test, origin | {"recordings": counts}, digests)


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
    from spikecut.models.distributed import leader_first

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
            np.savez_compressed(file, frames=frames, labels=labels)
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
