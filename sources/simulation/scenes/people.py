"""Who stands before the camera: a body, what it wears and carries, and the shapes of both in a pose.

The proportions are those of version 1 (`figure.Body`); here the body has depth, legs and clothes. Every number
drawn here is listed in docs/adr/0031-drawn-gestures-in-depth.md.
"""

from dataclasses import dataclass

import numpy as np

from spikecut.sources.simulation.choreography import Manner
from spikecut.sources.simulation.figure import Body
from spikecut.sources.simulation.scenes.lens import Lens, Paint, Points, Rows, Sketch
from spikecut.sources.simulation.scenes.poses import Pose, bent

DOWN = np.array([0.0, -1.0, 0.0])
BAGS = ("", "", "", "shoulder bag", "rucksack", "handbag")


@dataclass(frozen=True, slots=True)
class Clothes:
    """What one person wears beyond a shirt; lights between 0 and 1, widths in metres."""

    top: Paint
    jacket: Paint | None  # open in front, over the top
    skirt: Paint | None
    skirt_long: float
    legs: Paint
    shoes: float
    hair_long: float  # metres below the neck; 0 is short
    hat: Paint | None
    bag: str
    bag_light: Paint
    bag_side: int

    @classmethod
    def of(cls, body: Body, rng: np.random.Generator) -> "Clothes":
        """Clothes at random; the top has the light of the body's shirt, which differs from the wall."""
        return cls(
            top=_cloth(body.shirt, rng),
            jacket=_cloth(rng.uniform(0.04, 0.6), rng, plain=0.8) if rng.random() < 0.3 else None,
            skirt=_cloth(rng.uniform(0.05, 0.7), rng) if rng.random() < 0.2 else None,
            skirt_long=rng.uniform(0.3, 0.75),
            legs=_cloth(body.trousers, rng, plain=0.85),
            shoes=rng.uniform(0.04, 0.7),
            hair_long=float(rng.choice([0.0, 0.0, 0.12, 0.22])),
            hat=_cloth(rng.uniform(0.04, 0.8), rng) if rng.random() < 0.12 else None,
            bag=str(rng.choice(BAGS)),
            bag_light=_cloth(rng.uniform(0.04, 0.6), rng, plain=0.8),
            bag_side=int(rng.choice([-1, 1])),
        )


@dataclass(frozen=True, slots=True)
class Person:
    """A body, its clothes, and how it moves."""

    body: Body
    clothes: Clothes
    manner: Manner

    @classmethod
    def of(cls, rng: np.random.Generator, wall: float) -> "Person":
        """A person at random before a wall of that light."""
        manner, body = Manner.of(rng), Body.of(rng, wall)
        return cls(body, Clothes.of(body, rng), manner)

    @property
    def legs(self) -> float:
        """From the floor to the hips, in metres."""
        return 3.2 * self.body.upper_arm

    @property
    def neck(self) -> float:
        """From the floor to where the shoulders meet."""
        return self.legs + self.body.torso


def shapes_of(person: Person, pose: Pose, lens: Lens) -> Rows:
    """The shapes of a person over the moments of a pose, (T, P, 13)."""
    sketch = Sketch(lens, len(pose.root))
    axes = pose.axes()
    hips, neck = pose.root, pose.root + person.body.torso * axes.spine
    _legs(sketch, person, pose, hips)
    _trunk(sketch, person, pose, (hips, neck))
    _head(sketch, person, pose, neck)
    for arm, side in ((0, -1), (1, 1)):
        _arm(sketch, person, pose, neck, (arm, side))
    _bag(sketch, person, pose, (hips, neck))
    return sketch.rows()


def _legs(sketch: Sketch, person: Person, pose: Pose, hips: Points) -> None:
    axes, body, clothes = pose.axes(), person.body, person.clothes
    stout = body.stout**0.5
    bare = Paint(body.skin * 0.9) if clothes.skirt else clothes.legs
    for leg, side in ((0, -1), (1, 1)):
        joint = hips + side * 0.09 * axes.across - 0.02 * axes.spine
        foot = hips + pose.in_world(pose.feet[:, leg], side, axes)
        foot[:, 1] = pose.feet[:, leg, 1] + 0.08
        knee, ankle = bent(foot - joint, (person.legs * 0.5, person.legs * 0.5), axes.forward)
        sketch.capsule(
            (joint, joint + knee), (0.085 * stout, 0.06 * stout), clothes.legs if not clothes.skirt else bare
        )
        sketch.capsule((joint + knee, joint + ankle), (0.055 * stout, 0.042), bare)
        toe = joint + ankle + 0.15 * axes.forward - np.array([0, 0.03, 0])
        sketch.capsule((joint + ankle - np.array([0, 0.03, 0]), toe), (0.045, 0.035), Paint(clothes.shoes))
    if clothes.skirt:
        half = hips + clothes.skirt_long * 0.5 * (DOWN + (pose.knees_forward(hips))[:, None] * axes.forward)
        sketch.capsule((hips, half), (0.15 * stout, 0.15 * stout + 0.12 * clothes.skirt_long), clothes.skirt, 0.12)


def _trunk(sketch: Sketch, person: Person, pose: Pose, ends: tuple[Points, Points]) -> None:
    """Wider than deep: the radius follows the turn."""
    axes, body, clothes = pose.axes(), person.body, person.clothes
    hips, neck = ends
    turned = np.hypot(axes.across[:, 0], 0.75 * axes.across[:, 2])
    girth = 0.135 * body.stout * turned
    sketch.capsule((hips, hips + 0.06 * axes.spine), (girth * 1.08, girth), clothes.skirt or clothes.legs, 0.01)
    over = clothes.jacket or clothes.top
    low = 0.05 if not clothes.jacket else -0.05
    chest = neck - 0.12 * axes.spine
    sketch.capsule((chest, hips + low * axes.spine), (girth * 1.08, girth), over, 0.02)
    if clothes.jacket:
        front = 0.09 * axes.forward
        sketch.capsule((neck - 0.09 * axes.spine + front, hips + 0.06 * axes.spine + front), (0.035, 0.07), clothes.top)
    across = (body.half_shoulders - 0.03) * axes.across
    shoulders = neck - 0.045 * axes.spine
    sketch.capsule((shoulders - across, shoulders + across), (0.058, 0.058), Paint(over.light), 0.02)


def _head(sketch: Sketch, person: Person, pose: Pose, neck: Points) -> None:
    body, clothes, facing = person.body, person.clothes, pose.facing()
    spine = pose.axes().spine
    middle = neck + 0.19 * spine + pose.nod[:, None] * 0.12 * facing
    sketch.capsule((neck - 0.02 * spine, middle - 0.06 * spine), (0.052, 0.05), Paint(body.skin * 0.85), 0.01)
    back = middle - 0.02 * facing
    sketch.capsule((back + 0.03 * spine, back - 0.01 * spine), (body.head * 0.98, body.head * 0.93), Paint(body.hair))
    front = middle + 0.045 * facing - pose.nod[:, None] * 0.03 * spine
    sketch.capsule(
        (front - 0.005 * spine, front - 0.05 * spine), (body.head * 0.78, body.head * 0.68), Paint(body.skin), 0.02
    )
    if clothes.hair_long:
        behind = middle - 0.05 * facing
        sketch.capsule((behind, behind - (0.15 + clothes.hair_long) * spine), (0.10, 0.08), Paint(body.hair), -0.02)
    if clothes.hat:
        sketch.capsule((middle + 0.06 * spine, middle + 0.10 * spine), (0.115, 0.09), clothes.hat, 0.05)


def _arm(sketch: Sketch, person: Person, pose: Pose, neck: Points, which: tuple[int, int]) -> None:
    """Foreshortened where the hand comes forward: elbow and hand are joints in depth."""
    (arm, side), axes, body, clothes = which, pose.axes(), person.body, person.clothes
    shoulder = neck + side * body.half_shoulders * axes.across - 0.045 * axes.spine
    wish = pose.in_world(pose.hands[:, arm], side, axes)
    pole = side * 0.5 * axes.across + 0.8 * DOWN - 0.35 * axes.forward
    elbow, hand = bent(wish, (body.upper_arm, body.forearm), pole)
    elbow, hand = shoulder + elbow, shoulder + hand
    sleeve = clothes.jacket or clothes.top
    covered = 1.0 if clothes.jacket else body.sleeves
    cloth = 0.006 if clothes.jacket else 0.0
    near = 0.03
    sketch.capsule((shoulder, elbow), (0.052 * body.stout**0.5 + cloth, 0.044 + cloth), Paint(sleeve.light), near)
    sketch.capsule((elbow, hand), (0.038, 0.030), Paint(body.skin), near)
    if covered:
        cuff = elbow + (hand - elbow) * covered * 0.85
        sketch.capsule((elbow, cuff), (0.043 + cloth, 0.040 + cloth), Paint(sleeve.light), near + 0.005)
    beyond = hand - elbow
    beyond /= np.maximum(np.linalg.norm(beyond, axis=1, keepdims=True), 1e-6)
    sketch.capsule((hand, hand + 0.04 * beyond), (0.047, 0.042), Paint(body.skin * 1.05), near + 0.01)
    if pose.thing is not None and pose.thing.arm == arm:
        pose.thing.sketch(sketch, hand + 0.03 * beyond)


def _bag(sketch: Sketch, person: Person, pose: Pose, ends: tuple[Points, Points]) -> None:
    axes, clothes = pose.axes(), person.clothes
    _, neck = ends
    side = clothes.bag_side
    if clothes.bag == "rucksack":
        middle = neck - 0.24 * axes.spine - 0.20 * axes.forward
        sketch.capsule((middle + 0.1 * axes.spine, middle - 0.12 * axes.spine), (0.13, 0.15), clothes.bag_light)
        for strap in (-1, 1):
            top = neck + strap * 0.12 * axes.across + 0.02 * axes.spine
            low = top - 0.22 * axes.spine + 0.1 * axes.forward
            sketch.capsule((top, low), (0.018, 0.018), Paint(clothes.bag_light.light), 0.03)
    elif clothes.bag:
        long = 0.42 if clothes.bag == "shoulder bag" else 0.28
        shoulder = neck + side * 0.15 * axes.across
        middle = neck - long * axes.spine + side * 0.26 * axes.across + 0.02 * axes.forward
        swing = 0.02 * np.sin(3.0 * np.cumsum(np.r_[0.0, np.linalg.norm(np.diff(pose.root, axis=0), axis=1)]))
        middle = middle + swing[:, None] * axes.across
        sketch.capsule((shoulder, middle), (0.016, 0.016), Paint(clothes.bag_light.light), 0.04)
        wide = 0.14 * (0.6 * axes.forward + 0.8 * axes.across)
        sketch.box(middle, (wide, np.array([0.0, 0.11, 0.0])), clothes.bag_light, 0.02)


def _cloth(light: float, rng: np.random.Generator, plain: float = 0.4) -> Paint:
    """Plain, striped across or along, or checked."""
    kind = rng.random()
    depth = rng.uniform(0.15, 0.6)
    if kind < plain:
        return Paint(light)
    along, across = float(rng.integers(4, 14)), float(rng.integers(3, 9))
    share = (kind - plain) / (1 - plain)
    return Paint(light, depth, along if share < 0.7 else 0.0, across if share > 0.4 else 0.0)
