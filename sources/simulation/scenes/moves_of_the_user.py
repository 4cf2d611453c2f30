"""What the user does that is no gesture, standing or seated: each function plays one movement into a take."""

from typing import Any

import numpy as np

from spikecut.sources.simulation.choreography import TURN
from spikecut.sources.simulation.scenes.poses import Times, aimless, eased, visits
from spikecut.sources.simulation.scenes.stage import Take, at_rest, sit
from spikecut.sources.simulation.scenes.things import THINGS, Held, surface, turned
from spikecut.sources.simulation.scenes.walks import Stop, duration, walking

MOUTH, EAR, NECK = (-0.15, 0.11, 0.15), (-0.10, 0.14, 0.04), (-0.13, 0.08, -0.04)
ITCHES = (MOUTH, EAR, NECK, (-0.14, 0.33, 0.03), (-0.13, 0.19, 0.13), (-0.33, -0.15, 0.13), (-0.17, -0.34, 0.13))
LOW = (-0.02, -0.27, 0.27)


def scratch(take: Take) -> None:
    """A hand goes to an itch and moves to and fro in short strokes; sometimes to a second itch."""
    t, rng, pose = take.t, take.rng, _posed(take)
    arm, n = int(rng.integers(2)), int(rng.integers(1, 3))
    places = [ITCHES[k] for k in rng.integers(len(ITCHES), size=n)]
    path = _there_and_back(take, arm, places)
    near = np.linalg.norm(path - pose.hands[:, arm], axis=1)
    direction = rng.normal(0, 1, 3)
    stroke = rng.uniform(0.008, 0.03) * np.sin(TURN * rng.uniform(2.5, 5.5) * t + 2 * np.sin(TURN * 0.7 * t))
    resting = eased(near / 0.25) * (0.5 + 0.5 * np.sin(TURN * 0.6 * t)).round()
    pose.hands[:, arm] = path + (stroke * resting)[:, None] * direction / np.linalg.norm(direction)
    pose.look += rng.normal(0, 0.2) * _share(take)


def drink(take: Take) -> None:
    """A cup or a bottle comes out, goes to the mouth once or twice, tilts, and is put away."""
    t, rng, pose = take.t, take.rng, _posed(take)
    arm, sips = int(rng.integers(2)), int(rng.integers(1, 3))
    pose.hands[:, arm] = path = _there_and_back(take, arm, [LOW, *([MOUTH, LOW] * sips)])
    high = eased((path[:, 1] - LOW[1]) / (MOUTH[1] - LOW[1]))
    grown = eased(t / 0.35) * eased((take.seconds - t) / 0.35)
    name = str(rng.choice(["mug", "bottle"]))
    angle = turned(np.zeros_like(t), -1.1 * high, (0.3 if arm else -0.3) * high)
    pose.thing = Held(arm, THINGS[name], surface(rng), angle, grown)
    pose.nod -= 0.5 * high


def phone(take: Take) -> None:
    """A phone comes out: it is held to the ear, or looked at while a thumb or the other hand types."""
    t, rng, pose = take.t, take.rng, _posed(take)
    arm, calls = int(rng.integers(2)), rng.random() < 0.5
    pose.hands[:, arm] = path = _there_and_back(take, arm, [EAR if calls else (-0.12, -0.17, 0.26)])
    grown = eased(t / 0.3) * eased((take.seconds - t) / 0.3)
    up = _share(take)
    pitch = 0.2 * up if calls else -0.9 * up
    pose.thing = Held(arm, THINGS["phone"], surface(rng), turned((1.2 if calls else 0.1) * up, pitch, 0.1), grown)
    if calls:
        free = pose.hands[:, 1 - arm]
        pose.hands[:, 1 - arm] = free + up[:, None] * (_restless(take, (0.05, -0.40, 0.12), 0.10) - free)
        pose.yaw += up * aimless(t, 0.35, rng, 0.5)
    else:
        tap = 0.012 * np.sin(TURN * 3.2 * t + 3 * np.sin(TURN * 0.4 * t))
        pose.nod += 0.5 * up
        if rng.random() < 0.5:
            there = path * [1, 1, 1] + np.array([-0.12, -0.03, 0.0]) + np.stack([0 * t, tap, tap], axis=1)
            pose.hands[:, 1 - arm] += up[:, None] * (there - pose.hands[:, 1 - arm])


def reach(take: Take) -> None:
    """For something high, aside, before or on the floor; with one hand or both, and sometimes with a thing back."""
    t, rng, pose = take.t, take.rng, _posed(take)
    up = _share(take, lift=(0.3, 0.9), lower=(0.3, 0.9))
    aim = int(rng.integers(4))
    there = [
        (rng.uniform(-0.1, 0.25), rng.uniform(0.35, 0.55), rng.uniform(0.0, 0.25)),
        (rng.uniform(0.3, 0.52), rng.uniform(-0.35, 0.25), rng.uniform(0.0, 0.2)),
        (rng.uniform(-0.2, 0.1), rng.uniform(-0.3, 0.1), rng.uniform(0.35, 0.52)),
        (rng.uniform(-0.15, 0.15), -0.55, 0.15),
    ][aim]
    arms = (0, 1) if rng.random() < 0.35 else (int(rng.integers(2)),)
    for arm in arms:
        pose.hands[:, arm] += up[:, None] * (np.asarray(there) + rng.normal(0, 0.04, 3) - pose.hands[:, arm])
    if aim == 3:
        pose.root[:, 1] -= up * rng.uniform(0.15, 0.4)
        pose.lean += up * rng.uniform(0.6, 1.1)
        pose.nod += 0.4 * up
    elif aim == 1:
        pose.lean += 0.15 * up
        pose.yaw += (0.5 if arms[0] else -0.5) * up * rng.random()
    else:
        pose.lean += up * rng.uniform(-0.05, 0.3)
    if rng.random() < 0.5:
        taken = eased((t - take.seconds * 0.45) / 0.1) * eased((take.seconds - t) / 0.3)
        name = str(rng.choice(["book", "small box", "bottle", "paper", "mug"]))
        pose.thing = Held(arms[0], THINGS[name], surface(rng), turned(0.3 * up, 0.0, 0.2 * up), taken)


def talk(take: Take) -> None:
    """Hands that accompany speech: irregular, no rhythm, no figure; the head nods and the weight shifts."""
    t, rng, pose, up = take.t, take.rng, _posed(take), _share(take)
    for arm in (0, 1):
        if rng.random() < 0.75:
            home = (rng.uniform(-0.14, 0.06), rng.uniform(-0.40, -0.22), rng.uniform(0.12, 0.28))
            there = _restless(take, home, rng.uniform(0.04, 0.12))
            pose.hands[:, arm] += up[:, None] * (there - pose.hands[:, arm])
    pose.nod += up * aimless(t, 0.3, rng, 2.0)
    pose.root[:, 0] += up * aimless(t, 0.05, rng)


def adjust(take: Take) -> None:
    """Clothes, glasses, hair, a bag: one hand or both go to two or three places on the body."""
    rng, pose = take.rng, _posed(take)
    places = [(*ITCHES, (-0.05, 0.0, 0.08), (-0.06, -0.5, 0.1))[k] for k in rng.integers(9, size=rng.integers(2, 4))]
    for arm in (0, 1) if rng.random() < 0.6 else (int(rng.integers(2)),):
        pose.hands[:, arm] = _there_and_back(take, arm, places) + 0.01 * rng.normal(0, 1, 3) * _share(take)[:, None]
    pose.lean += 0.12 * _share(take) * rng.random()


def stretch(take: Take) -> None:
    """Both arms go up or out once, slowly, and come down; or an arm is folded over the chest."""
    rng, pose = take.rng, _posed(take)
    up = _share(take, lift=(0.6, 1.3), lower=(0.6, 1.3))
    there = [(0.02, 0.54, 0.0), (0.52, 0.1, -0.08), (-0.28, -0.22, 0.2), (0.18, 0.28, -0.05)][rng.integers(4)]
    for arm in (0, 1):
        pose.hands[:, arm] += up[:, None] * (np.asarray(there) + rng.normal(0, 0.03, 3) - pose.hands[:, arm])
    pose.lean -= 0.15 * up
    pose.nod -= 0.3 * up


def turn(take: Take) -> None:
    """Turns on the spot, by up to a whole turn, in steps, and back to face the camera."""
    t, rng, pose = take.t, take.rng, _posed(take)
    angle = float(rng.choice([-1, 1]) * rng.choice([np.pi / 2, np.pi, TURN, 0.7, 2.4]))
    lasts = rng.uniform(0.25, 0.38) * take.seconds
    go = eased((t - 0.1) / lasts)
    back = np.zeros_like(t) if abs(angle) > 6 else eased((t - take.seconds + lasts + 0.1) / lasts)
    turned_by = angle * (go - back)
    pose.yaw += turned_by
    pose.look += (0.3 * angle / abs(angle)) * (eased(t / 0.2) - go)
    steps = np.sin(2.2 * turned_by / 0.5)
    for leg in (0, 1):
        pose.feet[:, leg, 1] += 0.05 * np.maximum(steps * (1 if leg else -1), 0)
        pose.hands[:, leg, 2] += 0.05 * steps * (1 if leg else -1)
    pose.root[:, 0] += 0.02 * steps


def lean(take: Take) -> None:
    """Bends forward, looks around, shifts the weight, steps from foot to foot."""
    t, rng, pose = take.t, take.rng, _posed(take)
    up = _share(take, lift=(0.3, 1.0), lower=(0.3, 1.0))
    pose.lean += up * rng.uniform(-0.15, 0.6)
    pose.look += up * aimless(t, 1.0, rng)
    pose.yaw += up * aimless(t, 0.4, rng)
    pose.root[:, 0] += up * aimless(t, 0.12, rng)
    if rng.random() < 0.4:
        hips = np.array([0.06, -0.36, 0.02])
        pose.hands += up[:, None, None] * (hips - pose.hands)


def sit_down(take: Take) -> None:
    """Looks for the seat and sits down; hands go to the thighs."""
    begin, lasts = take.rng.uniform(0.05, 0.4), take.rng.uniform(0.6, 0.72) * take.seconds
    sit(_posed(take), take.stage.user, eased((take.t - begin) / lasts))


def stand_up(take: Take) -> None:
    """The same backwards."""
    begin, lasts = take.rng.uniform(0.05, 0.4), take.rng.uniform(0.6, 0.72) * take.seconds
    take.pose = pose = at_rest(take.stage, take.place, False, take.t, take.rng)
    sit(pose, take.stage.user, 1 - eased((take.t - begin) / lasts))


def carry(take: Take) -> None:
    """Lifts a box from the floor, holds it, turns with it, and sets it down."""
    t, rng, pose = take.t, take.rng, _posed(take)
    low = (
        eased(t / 0.7)
        - eased((t - 0.9) / 0.7)
        + eased((t - take.seconds + 1.6) / 0.7)
        - eased((t - take.seconds + 0.7) / 0.7)
    )
    grip = eased((t - 0.2) / 0.6) * eased((take.seconds - 0.2 - t) / 0.6)
    pose.root[:, 1] -= 0.3 * low
    pose.lean += 0.75 * low
    hands = np.array([-0.04, -0.30, 0.30]) + low[:, None] * np.array([0.0, -0.25, 0.05])
    for arm in (0, 1):
        pose.hands[:, arm] += grip[:, None] * (hands - pose.hands[:, arm])
    pose.yaw += grip * (1 - low) * rng.normal(0, 0.6)
    grown = eased((t - 0.65) / 0.15) * eased((take.seconds - 0.65 - t) / 0.15)
    angle = turned(pose.yaw, 0.0 * t, 0.0 * t)
    pose.thing = Held(0, THINGS["box"], surface(rng), angle, grown, (0.17, 0.0, -0.04))


def step(take: Take) -> None:
    """Takes a step or some to another place in view, and stays there."""
    rng, stage = take.rng, take.stage
    x, z, yaw = take.place
    z_new = float(np.clip(z * rng.uniform(0.75, 1.35), 0.75 * stage.home[1], 1.5 * stage.home[1]))
    x_new = stage.home[0] + rng.uniform(-0.5, 0.5) * stage.lens.edge(z_new)
    _walk(take, [Stop(x, z, 0.1, yaw), Stop(x_new, z_new, 0.2, stage.home[2])])


def come_close(take: Take) -> None:
    """Walks up to the camera until the body fills the image, reaches for it, and walks back."""
    rng = take.rng
    x, z, yaw = take.place
    near = rng.uniform(0.55, 0.9)
    _walk(take, [Stop(x, z, 0.1, yaw), Stop(rng.uniform(-0.15, 0.15), near, 1.0, 0.0), Stop(x, z, 0.2, yaw)])
    pose = _posed(take)
    arrived = np.abs(pose.root[:, 2] - near) < 0.05
    if arrived.any():
        when = float(take.t[arrived].mean())
        up = np.exp(-(((take.t - when) / 0.35) ** 2))
        arm = int(rng.integers(2))
        pose.hands[:, arm] += up[:, None] * (np.array([-0.1, -0.15, 0.4]) - pose.hands[:, arm])


def walk_in(take: Take) -> None:
    """The user comes from outside to where they stand."""
    x, z, yaw = take.stage.home
    _walk(take, [_outside(take, z), Stop(x, z, 0.3, yaw)])


def walk_out(take: Take) -> None:
    """The user leaves."""
    x, z, yaw = take.place
    _walk(take, [Stop(x, z, 0.1, yaw), _outside(take, z)])
    take.place = take.stage.home


def _walk(take: Take, stops: list[Stop]) -> None:
    """Walks along the stops in the time of the take, and ends as somebody who stands there."""
    speed = duration([*stops], 1.0) - sum(stop.pause_s for stop in stops)
    pauses = sum(stop.pause_s for stop in stops)
    speed /= max(take.seconds - pauses - 0.5, 0.3)
    walker = walking(take.stage.user, stops, max(speed, 0.05), take.t, take.rng)
    rest = eased(take.t / 0.3) * eased((take.seconds - 0.05 - take.t) / 0.35)
    for name in ("lean", "look", "nod"):
        setattr(walker, name, getattr(walker, name) * rest)
    neutral = np.array([0.05, -0.545, 0.03])
    walker.hands[:] = neutral + rest[:, None, None] * (walker.hands - neutral)
    walker.feet[:] = [0.11, 0.0, 0.02] + rest[:, None, None] * (walker.feet - [0.11, 0.0, 0.02])
    walker.root[:, 1] += (1 - rest) * (take.stage.user.legs - 0.004 - walker.root[:, 1])
    walker.thing = None
    last = stops[-1]
    take.pose, take.place = walker, (last.x, last.z, last.yaw if last.yaw is not None else float(walker.yaw[-1]))


def _outside(take: Take, z: float) -> Stop:
    side = float(take.rng.choice([-1, 1]))
    far = z * take.rng.uniform(0.8, 1.6)
    return Stop(side * (take.stage.lens.edge(far) * 1.6 + 0.7), far)


def _posed(take: Take) -> Any:
    assert take.pose is not None
    return take.pose


def _share(take: Take, lift: tuple[float, float] = (0.25, 0.6), lower: tuple[float, float] = (0.25, 0.6)) -> Times:
    """From rest (0) to the movement (1) and back."""
    begin = take.rng.uniform(0.0, 0.2)
    up, down = take.rng.uniform(*lift), take.rng.uniform(*lower)
    return np.asarray(eased((take.t - begin) / up) * eased((take.seconds - 0.05 - take.t) / down))


def _there_and_back(take: Take, arm: int, places: Any) -> Any:
    """A hand that visits places, evenly over the take but for chance, and returns."""
    rest = _posed(take).hands[:, arm]
    marks = np.linspace(0.1, max(take.seconds - 0.8, 0.3), len(places) + 1) + take.rng.uniform(
        -0.08, 0.08, len(places) + 1
    )
    return visits(take.t, marks, [rest[0], *places, rest[0]]) + rest - rest[0]


def _restless(take: Take, home: Any, spread: float) -> Any:
    """A hand that goes from place to place around `home` at irregular times."""
    rng = take.rng
    marks = np.cumsum(rng.uniform(0.25, 1.1, int(take.seconds / 0.6) + 2))
    places = np.asarray(home) + rng.normal(0, spread, (len(marks) + 1, 3))
    return visits(take.t, marks, places, 0.2)
