"""Things that people hold, carry or move by hand: blocks, rods and balls of the size of real ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from spikecut.sources.simulation.scenes.lens import Paint, Points, Sketch

Turned = Float64[ndarray, "T 3 3"]  # columns: where the thing's own x, y and z axes point


@dataclass(frozen=True, slots=True)
class Thing:
    """A block of `size` (m), a rod of that length (y) and thickness (x), or a ball of that diameter (x).

    Additional parts, if any, are placed in the thing's own frame: (thing, offset).
    """

    shape: str
    size: tuple[float, float, float]
    more: tuple[tuple["Thing", tuple[float, float, float]], ...] = ()


_HANDLE = Thing("rod", (0.014, 0.05, 0.0))
_BLADE = Thing("rod", (0.016, 0.17, 0.0))
_RING = Thing("ball", (0.05, 0.0, 0.0))
THINGS = {
    "box": Thing("block", (0.32, 0.22, 0.22)),
    "small box": Thing("block", (0.14, 0.09, 0.06)),
    "book": Thing("block", (0.17, 0.24, 0.03)),
    "paper": Thing("block", (0.21, 0.297, 0.002)),
    "phone": Thing("block", (0.075, 0.155, 0.01)),
    "laptop": Thing("block", (0.33, 0.02, 0.23)),
    "mouse": Thing("block", (0.062, 0.036, 0.11)),
    "mug": Thing("rod", (0.085, 0.06, 0.0), ((_HANDLE, (0.06, 0.0, 0.0)),)),
    "bottle": Thing("rod", (0.07, 0.17, 0.0), ((Thing("rod", (0.03, 0.06, 0.0)), (0.0, 0.14, 0.0)),)),
    "pencil": Thing("rod", (0.010, 0.18, 0.0)),
    "knife": Thing("rod", (0.022, 0.15, 0.0), ((Thing("rod", (0.03, 0.09, 0.0)), (0.0, -0.11, 0.0)),)),
    "scissors": Thing("rod", (0.016, 0.17, 0.0), ((_BLADE, (0.03, 0.01, 0.0)), (_RING, (0.03, -0.11, 0.0)))),
    "umbrella": Thing("rod", (0.05, 0.75, 0.0)),
    "ball": Thing("ball", (0.2, 0.0, 0.0)),
    "chair": Thing("block", (0.42, 0.05, 0.42), ((Thing("block", (0.42, 0.4, 0.04)), (0.0, 0.25, 0.19)),)),
}


@dataclass(frozen=True, slots=True)
class Held:
    """A thing in a hand (0 right, 1 left), `grown` from 0 to 1: it comes out of a pocket or from behind the body."""

    arm: int
    thing: Thing
    paint: Paint
    turned: Turned
    grown: Float64[ndarray, " T"]
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def sketch(self, sketch: Sketch, hand: Points) -> None:
        draw_thing(
            sketch, self.thing, self.paint, hand + np.asarray(self.offset), self.turned * self.grown[:, None, None]
        )


def turned(yaw: Any, pitch: Any, roll: Any) -> Turned:
    """The axes of a thing turned about the vertical, then nodded, then rolled about the line of sight."""
    cy, sy, cp, sp, cr, sr = (f(np.asarray(a, np.float64)) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y, about_x = _matrix(cy, 0, sy, 0, 1, 0, -sy, 0, cy), _matrix(1, 0, 0, 0, cp, -sp, 0, sp, cp)
    about_z = _matrix(cr, -sr, 0, sr, cr, 0, 0, 0, 1)
    return np.asarray(about_z @ about_x @ about_y)


def _matrix(*entries: Any) -> Turned:
    """Nine entries (T,) as matrices, row by row."""
    return np.stack(np.broadcast_arrays(*entries), axis=-1).reshape(-1, 3, 3)


def still(n: int, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Turned:
    return turned(np.full(n, yaw), pitch, roll)


def draw_thing(sketch: Sketch, thing: Thing, paint: Paint, centre: Points, axes: Turned) -> None:
    """Of a block the three faces towards the camera, each with its own light."""
    x, y, z = (axes[:, :, k] * thing.size[k] / 2 for k in range(3))
    if thing.shape == "block":
        for light, normal, u, v in ((1.0, z, x, y), (0.75, x, z, y), (1.25, y, x, z)):
            towards = np.where(normal[:, 2:] < 0, 1.0, -1.0)
            face = Paint(min(paint.light * light, 1.0), paint.depth, paint.along, paint.across)
            sketch.box(centre + towards * normal, (u, v), face, 0.05)
    elif thing.shape == "rod":
        size = np.linalg.norm(axes[:, :, 1], axis=1)
        sketch.capsule((centre - y, centre + y), (thing.size[0] / 2 * size, thing.size[0] / 2 * size), paint, 0.05)
    else:
        size = np.linalg.norm(axes[:, :, 0], axis=1)
        sketch.capsule((centre, centre + 0.001), (thing.size[0] / 2 * size, thing.size[0] / 2 * size), paint, 0.05)
    for part, offset in thing.more:
        draw_thing(sketch, part, paint, centre + axes @ np.asarray(offset), axes)


def surface(rng: np.random.Generator) -> Paint:
    """A thing's light, often with print or a pattern on it."""
    light = rng.uniform(0.04, 0.9)
    if rng.random() < 0.5:
        return Paint(light)
    return Paint(light, rng.uniform(0.2, 0.7), float(rng.integers(1, 7)), float(rng.integers(0, 6)))
