"""What others do in view: people who pass, bodies at the edge or close up, things moved by hand, bare hands."""

from typing import Any

import numpy as np

from spikecut.sources.simulation.choreography import TURN
from spikecut.sources.simulation.scenes.lens import Paint, Sketch
from spikecut.sources.simulation.scenes.moves_of_the_user import ITCHES
from spikecut.sources.simulation.scenes.people import Person
from spikecut.sources.simulation.scenes.poses import aimless, eased, visits
from spikecut.sources.simulation.scenes.stage import Take
from spikecut.sources.simulation.scenes.things import THINGS, draw_thing, surface, turned
from spikecut.sources.simulation.scenes.walks import Stop, busy, duration, walking


def pass_by(take: Take) -> None:
    """Somebody crosses the view from side to side, near or far, often with something in hand."""
    _cross(take, _depth(take), take.somebody())


def pass_close(take: Take) -> None:
    """Somebody crosses right before the camera: parts of a body fill the image."""
    _cross(take, take.rng.uniform(0.5, 1.0), take.somebody())


def pass_together(take: Take) -> None:
    """Two to four people cross, each at their own pace and distance."""
    for _ in range(take.rng.integers(2, 5)):
        _cross(take, _depth(take), take.stranger())


def come_near(take: Take) -> None:
    """Somebody enters far away and walks towards the camera, then past it."""
    _through(take, near_first=False)


def walk_away(take: Take) -> None:
    """The other way round: somebody passes the camera and walks away from it, seen from behind."""
    _through(take, near_first=True)


def come_and_go(take: Take) -> None:
    """Somebody comes in, stands for a while, turned anywhere, does this and that, and leaves."""
    rng, z = take.rng, _depth(take, near=1.0)
    x = rng.uniform(-0.7, 0.7) * take.stage.lens.edge(z)
    _visit(take, x, z, float(rng.uniform(-np.pi, np.pi)))


def at_the_edge(take: Take) -> None:
    """Half a body at the edge of the image, which moves its arms."""
    rng = take.rng
    z = rng.uniform(0.8, 2.4)
    x = float(rng.choice([-1, 1])) * take.stage.lens.edge(z) * rng.uniform(0.8, 1.2)
    _visit(take, x, z, float(rng.normal(0, 0.9)))


def move_thing(take: Take) -> None:
    """A thing comes in by hand, is turned, shown, shaken, and goes; every fourth time without a hand in view."""
    rng, t = take.rng, take.t
    name = str(rng.choice([name for name in THINGS if name not in ("chair", "umbrella")]))
    thing, paint = THINGS[name], surface(rng)
    size = max(thing.size)
    z = max(0.36, take.stage.lens.focal * size / rng.uniform(18, 75))  # 18 to 75 px long
    path, entry = _visits_view(take, z, size)
    angles = [rng.uniform(-np.pi, np.pi) + aimless(t, amount, rng, rng.uniform(0.5, 2)) for amount in (1.6, 1.2, 1.2)]
    if rng.random() < 0.3:  # turned at a steady rate
        angles[int(rng.integers(3))] = rng.uniform(0, TURN) + TURN * rng.uniform(0.15, 0.8) * t
    if rng.random() < 0.25:  # shaken
        shake = 0.012 * z * eased(t / 0.5) * eased((take.seconds - t) / 0.5) * np.sin(TURN * rng.uniform(2, 9) * t)
        path = path + shake[:, None] * np.r_[rng.normal(0, 1, 2), 0.0]
    sketch = take.sketch()
    draw_thing(sketch, thing, paint, path, turned(*angles))
    if rng.random() < 0.75:
        _hand(sketch, take, path - np.array([0.0, 0.25 * size, 0.0]), entry, holds=True)
    take.shapes.append(sketch.rows())


def move_hand(take: Take) -> None:
    """A bare hand and its forearm come in from an edge, do something, and go."""
    rng = take.rng
    z = rng.uniform(0.4, 1.4)
    path, entry = _visits_view(take, z, 0.25)
    if rng.random() < 0.4:
        tap = 0.02 * np.maximum(np.sin(TURN * rng.uniform(0.8, 4) * take.t), 0)
        path = path + tap[:, None] * rng.normal(0, 1, 3)
    sketch = take.sketch()
    _hand(sketch, take, path, entry, holds=rng.random() < 0.5)
    take.shapes.append(sketch.rows())


def _depth(take: Take, near: float = 0.9) -> float:
    """Anywhere; with a user in view behind them, or before them where there is room."""
    rng = take.rng
    if take.pose is None:
        return float(np.exp(rng.uniform(np.log(near), np.log(8.0))))
    z = float(take.pose.root[:, 2].mean())
    return z - rng.uniform(0.5, 0.9) if z > 1.8 and rng.random() < 0.2 else z + rng.uniform(0.6, 5.0)


def _cross(take: Take, z: float, person: Person) -> None:
    rng = take.rng
    side, slant = float(rng.choice([-1, 1])), rng.uniform(-0.15, 0.15) * z
    ends = [Stop(-side * _beyond(take, z - slant), z - slant), Stop(side * _beyond(take, z + slant), z + slant)]
    if rng.random() < 0.2:  # stops on the way
        ends.insert(1, Stop(rng.uniform(-0.5, 0.5) * take.stage.lens.edge(z), z, rng.uniform(0.3, 1.0)))
    _play(take, person, ends)


def _through(take: Take, near_first: bool) -> None:
    rng = take.rng
    behind = 0.0 if take.pose is None else float(take.pose.root[:, 2].max()) + 0.5
    far, near = max(rng.uniform(3.5, 9.0), behind + 1.5), max(rng.uniform(0.6, 1.2), behind)
    sides = rng.choice([-1.0, 1.0], 2)
    lane = rng.uniform(-0.35, 0.35) * take.stage.lens.edge(near)
    stops = [
        Stop(float(sides[0]) * _beyond(take, far), far),
        Stop(rng.uniform(-0.5, 0.5) * take.stage.lens.edge(far), far * 0.95),
        Stop(float(lane), near * 1.5),
        Stop(float(sides[1]) * _beyond(take, near), near),
    ]
    _play(take, take.somebody(), stops[::-1] if near_first else stops)


def _visit(take: Take, x: float, z: float, yaw: float) -> None:
    """Comes to (x, z), turns, moves the arms without rhythm, and leaves."""
    rng, t = take.rng, take.t
    sides = rng.choice([-1.0, 1.0], 2)
    pause = take.seconds * rng.uniform(0.35, 0.6)
    stops = [
        Stop(float(sides[0]) * _beyond(take, z), z),
        Stop(x, z, pause, yaw),
        Stop(float(sides[1]) * _beyond(take, z), z),
    ]
    person = take.somebody()
    pose = walking(person, stops, _speed(take, stops), t, rng)
    there = np.hypot(pose.root[:, 0] - x, pose.root[:, 2] - z) < 0.03
    share = np.convolve(there, np.hanning(161) / np.hanning(161).sum(), "same")
    for arm in (0, 1):
        if rng.random() < 0.7:
            marks = np.cumsum(rng.uniform(0.3, 1.3, int(take.seconds / 0.7) + 2))
            places: list[Any] = [ITCHES[k] for k in rng.integers(len(ITCHES), size=len(marks) + 1)]
            if rng.random() < 0.5:
                places = [np.array([-0.05, -0.3, 0.2]) + rng.normal(0, 0.12, 3) for _ in places]
            pose.hands[:, arm] += share[:, None] * (visits(t, marks, places) - pose.hands[:, arm])
    pose.yaw = pose.yaw + share * aimless(t, 0.4, rng)
    pose.look = pose.look + share * aimless(t, 0.6, rng)
    take.add(person, pose)


def _play(take: Take, person: Person, stops: list[Stop]) -> None:
    speed = _speed(take, stops)
    spare = take.seconds - duration(stops, speed)
    late = take.rng.uniform(0, max(0.3 * spare, 0.0)) if spare > 0 else 0.0
    pose = walking(person, stops, speed, np.maximum(take.t - late, 0.0), take.rng)
    if take.rng.random() < 0.25:
        pose = busy(pose, take.t, take.rng, ("both",))
    take.add(person, pose)


def _speed(take: Take, stops: list[Stop]) -> float:
    """A pace of people, quicker where the take would end before they are out of view."""
    pauses = sum(stop.pause_s for stop in stops)
    length = duration(stops, 1.0) - pauses
    return max(float(take.rng.uniform(0.6, 1.7)), length / max(take.seconds - pauses - 0.1, 0.2))


def _beyond(take: Take, z: float) -> float:
    """So far to the side that nothing of a person is in view, whichever way the camera moves."""
    lens = take.stage.lens
    return (max(128 - lens.centre_x, lens.centre_x) + 30) * max(z, 0.4) / lens.focal + 0.75


def _visits_view(take: Take, z: float, size: float) -> tuple[Any, Any]:
    """A path (T, 3) from outside through two to five places in view and out again, and where it comes from (3,)."""
    rng, lens = take.rng, take.stage.lens
    angle = rng.choice([np.pi / 2, 0.0, np.pi, rng.uniform(0, TURN)], p=[0.5, 0.15, 0.15, 0.2])  # mostly from below
    reach = (64 + 30) * z / lens.focal * 1.4 + size
    middle = np.array([(64 - lens.centre_x) * z / lens.focal, lens.height + (lens.centre_y - 64) * z / lens.focal, z])
    entry = middle + reach * np.array([np.cos(angle), -np.sin(angle), 0.0])
    n = int(rng.integers(2, 6))
    spread = 40 * z / lens.focal
    inside = middle + np.stack([*rng.uniform(-spread, spread, (2, n)), z * rng.uniform(-0.12, 0.3, n)], axis=1)
    marks = np.linspace(0.05, take.seconds - 1.0, n + 1)
    path = visits(take.t, marks, [entry, *inside, entry], 0.4)
    return path + 0.01 * z * np.stack([aimless(take.t, 1.0, rng) for _ in range(3)], axis=1), entry


def _hand(sketch: Sketch, take: Take, path: Any, entry: Any, *, holds: bool) -> None:
    """Forearm from the edge, palm, and four fingers and a thumb; closed around a thing or open."""
    rng = take.rng
    skin, sleeve = Paint(rng.uniform(0.14, 0.62)), surface(rng)
    middle = path.mean(0)
    outward = (entry - middle) / max(float(np.linalg.norm(entry - middle)), 1e-6)
    elbow = path + 0.28 * outward + 0.3 * (entry - path) * np.array([1, 1, 0]) * 0.3
    direction = path - elbow
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    aside = np.stack([-direction[:, 1], direction[:, 0], 0 * direction[:, 0]], axis=1)
    sketch.capsule((elbow + 0.25 * outward, path - 0.07 * direction), (0.05, 0.032), skin, 0.04)
    if rng.random() < 0.7:
        sketch.capsule((elbow + 0.25 * outward, path - 0.14 * direction), (0.058, 0.044), sleeve, 0.045)
    sketch.capsule((path - 0.06 * direction, path), (0.038, 0.042), Paint(skin.light * 1.05), 0.06)
    long = 0.045 if holds else 0.085
    curl = 0.02 * aimless(take.t, 1.0, rng, 3.0)
    for finger in range(5):
        offset = (-0.055 if finger == 4 else 0.022 * (finger - 1.5)) * aside
        tip = (
            path
            + offset * 1.15
            + ((0.4 if finger == 4 else 1.0) * long + curl * rng.uniform(0, 1))[:, None] * direction
        )
        sketch.capsule((path + offset * 0.8, tip), (0.011, 0.009), skin, 0.08)
