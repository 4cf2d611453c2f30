"""How a `Condition` changes a scene of version 2: who else is in view, tempo, and where shapes fall on a sensor."""

from dataclasses import replace
from typing import Any

import numpy as np

from spikecut.sources.simulation.conditions import Condition
from spikecut.sources.simulation.scenes.lens import Rows
from spikecut.sources.simulation.scenes.moves_of_others import pass_by
from spikecut.sources.simulation.scenes.people import Person
from spikecut.sources.simulation.scenes.poses import aimless, eased, standing
from spikecut.sources.simulation.scenes.scene_kernels import CAPSULE
from spikecut.sources.simulation.scenes.stage import Stage, Take


def hurried(stage: Stage, tempo: float) -> Stage:
    """The same stage, whose user moves so many times as quickly."""
    manner = stage.user.manner
    return replace(stage, user=replace(stage.user, manner=replace(manner, tempo=manner.tempo * tempo)))


def accompany(take: Take, condition: Condition, setup: np.random.Generator, *, gesture: bool) -> None:
    """Adds who else is in view to a finished take: who passes during every gesture, or stands 0.5 to 0.65 m beside.

    `setup` is the same at every take of a session.
    """
    if condition.company == "passing" and gesture:
        pass_by(take)
    elif condition.company == "beside":
        person = Person.of(setup, take.stage.wall)
        x, z, _ = take.stage.home
        place = (
            x + float(setup.choice([-1, 1]) * setup.uniform(0.5, 0.65)),
            z + float(setup.uniform(0.1, 0.6)),
            float(setup.normal(0, 0.3)),
        )
        pose = standing(person.legs, place, take.t, take.rng)
        ends = eased(take.t / 0.3) * eased((take.seconds - take.t) / 0.3)
        for arm in (0, 1):
            lifted = ends * np.maximum(aimless(take.t, 0.10, take.rng), 0)
            pose.hands[:, arm] += lifted[:, None] * np.array([0.4, 1.0, 0.3])
        take.add(person, pose)


def mapped(rows: Rows, factor: float, offset: Any) -> Rows:
    """Rows of shapes with all pixels times `factor` plus `offset` (x, y)."""
    if factor == 1 and not np.any(offset):
        return rows
    there = rows.copy()
    there[..., 1:7] *= factor
    there[..., 11] *= factor
    there[..., 1:3] += offset
    there[..., 3:5] += np.where(there[..., :1] == CAPSULE, offset, 0)
    return there


def on_sensor(rows: Rows, condition: Condition, stage: Stage) -> Rows:
    """The shapes where they fall under a condition: about the neck of the user at home, then on the sensor."""
    x, z, _ = stage.home
    ((pivot,), _) = stage.lens.project(np.array([[x, stage.user.neck, z]]))
    return mapped(mapped(rows, *condition.about(pivot)), condition.zoom, condition.origin)
