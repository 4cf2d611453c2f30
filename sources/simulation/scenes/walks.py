"""How people walk: along waypoints, with feet that step, arms that swing, and hands that hold something."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from spikecut.sources.simulation.choreography import TURN
from spikecut.sources.simulation.scenes.people import Person
from spikecut.sources.simulation.scenes.poses import Pose, Times, aimless, hanging, smoothed
from spikecut.sources.simulation.scenes.things import THINGS, Held, still, surface

IMAGES_A_SECOND = 400
HANDS = ("swing", "swing", "swing", "pocket", "cup", "phone", "bag", "folded")


@dataclass(frozen=True, slots=True)
class Stop:
    """A waypoint at (x, z) in metres, a pause there, and where the body turns meanwhile (None: as it walked)."""

    x: float
    z: float
    pause_s: float = 0.0
    yaw: float | None = None


def duration(stops: list[Stop], speed: float) -> float:
    """How long it takes to walk along the stops, pauses included."""
    ways = sum(float(np.hypot(b.x - a.x, b.z - a.z)) for a, b in pairwise(stops))
    return ways / speed + sum(stop.pause_s for stop in stops)


def walking(person: Person, stops: list[Stop], speed: float, t: Times, rng: np.random.Generator) -> Pose:
    """A pose that walks along the stops, from t = 0 on, and stays at the last one."""
    x, z, yaw, pace = _path(stops, speed, t)
    stride = 1.35 * person.legs / 0.9 * rng.uniform(0.88, 1.12)
    way = np.cumsum(np.r_[0.0, np.hypot(np.diff(x), np.diff(z))])
    phase = TURN * way / stride + rng.uniform(0, TURN)
    strength = pace.clip(0, 1)
    n = len(t)
    root = np.stack([x, person.legs - 0.012 - 0.02 * strength * (0.5 - 0.5 * np.cos(2 * phase)), z], axis=1)
    root[:, 0] += strength * 0.012 * np.sin(phase)
    hands, feet = np.stack([hanging(t, rng), hanging(t, rng)], axis=1), np.zeros((n, 2, 3))
    swing = rng.uniform(0.05, 0.30)
    for leg, half in ((0, 0.0), (1, np.pi)):
        forward = 0.24 * stride * strength * np.sin(phase + half)
        lift = 0.10 * strength * np.maximum(np.cos(phase + half), 0) ** 1.5
        feet[:, leg] = np.stack([np.full(n, 0.09), lift, forward], axis=1)
        ahead = -swing * strength * np.sin(phase + half)
        hands[:, leg, 2] += ahead
        hands[:, leg, 1] += 0.6 * ahead**2 + 0.03 * strength
    lean = strength * rng.uniform(0.0, 0.12) + aimless(t, 0.02, rng)
    pose = Pose(root, yaw, lean, aimless(t, 0.25, rng), aimless(t, 0.08, rng), hands, feet)
    return busy(pose, t, rng)


def busy(pose: Pose, t: Times, rng: np.random.Generator, kinds: tuple[str, ...] = HANDS) -> Pose:
    """The same, with hands that hold something or are put away, if chance says so."""
    kind, arm = str(rng.choice(kinds)), int(rng.integers(2))
    wobble = aimless(t, 0.01, rng)
    there = {
        "pocket": (0.02, -0.42, 0.06),
        "cup": (-0.03, -0.25, 0.26),
        "phone": rng.choice([[-0.10, 0.10, 0.08], [-0.10, -0.16, 0.26]]),
        "bag": (0.08, -0.53, 0.0),
        "folded": (-0.26, -0.24, 0.22),
        "both": (-0.04, -0.30, 0.30),
    }.get(kind)
    if there is None:
        return pose
    for one in (0, 1) if kind in ("folded", "both") else (arm,):
        pose.hands[:, one] = np.asarray(there) + 0.25 * (pose.hands[:, one] - pose.hands[:, one].mean(0))
        pose.hands[:, one, 1] += wobble
    names = {"cup": "mug", "phone": "phone", "bag": str(rng.choice(["box", "book", "umbrella", "bottle", "small box"]))}
    if kind == "both":
        names["both"] = str(rng.choice(["box", "box", "laptop", "book"]))
    if kind in names:
        angle = still(len(t), *rng.uniform(-0.5, 0.5, 3))
        offset = (0.0, -0.12, 0.0) if kind == "bag" else (0.0, 0.0, 0.0)
        thing = THINGS[names[kind]]
        if kind == "both":
            thing = replace(thing, size=(thing.size[0], thing.size[1] * rng.uniform(0.8, 1.6), thing.size[2]))
            offset = ((-0.17 if arm else 0.17), 0.02, -0.02)
        pose.thing = Held(arm, thing, surface(rng), angle, np.ones(len(t)), offset)
    return pose


def _path(stops: list[Stop], speed: float, t: Times) -> tuple[Times, Times, Times, Times]:
    """x, z, yaw and pace (1: at full speed) over time; corners are rounded, turns take the shorter way."""
    times, places, turns = [0.0], [(stops[0].x, stops[0].z)], list[tuple[float, float]]()
    heading = stops[0].yaw or 0.0
    for here, there in zip([stops[0], *stops], stops, strict=False):
        length = float(np.hypot(there.x - here.x, there.z - here.z))
        if length > 1e-6:
            heading = float(np.arctan2(there.x - here.x, here.z - there.z))
            turns.append((times[-1], heading))
            times.append(times[-1] + length / speed)
            places.append((there.x, there.z))
        if there.pause_s > 0 or there is stops[-1]:
            turns.append((times[-1], heading if there.yaw is None else there.yaw))
            times.append(times[-1] + max(there.pause_s, 1e-3))
            places.append((there.x, there.z))
    corner = round(0.3 * IMAGES_A_SECOND)
    x, z = (smoothed(np.interp(t, times, [place[k] for place in places]), corner) for k in (0, 1))
    angles = np.unwrap([angle for _, angle in turns])
    at = np.searchsorted([when for when, _ in turns], t, side="right") - 1
    yaw = smoothed(angles[at.clip(0)], round(0.55 * IMAGES_A_SECOND))
    moved = np.hypot(np.gradient(x), np.gradient(z)) * IMAGES_A_SECOND if len(t) > 1 else np.zeros(len(t))
    return x, z, yaw, smoothed(moved / speed, round(0.15 * IMAGES_A_SECOND))
