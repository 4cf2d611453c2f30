"""Where things of a scene lie in the image: metres before the camera to pixels, and shapes as rows of numbers.

X runs right, Y up from the floor, Z away from the camera, in metres. `Sketch` collects the shapes of a scene over time;
`scene_kernels.draw_shapes` says what a row means.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from spikecut.sources.simulation.scenes.scene_kernels import BOX, CAPSULE, ELLIPSE, SHADOW

Points = Float64[ndarray, "T 3"]
Rows = Float32[ndarray, "T _P 13"]
NEAREST = 0.3  # metres; what is nearer is not drawn


@dataclass(frozen=True, slots=True)
class Lens:
    """A camera `height` m above the floor that looks level: `focal` in px, and where the line of sight meets."""

    focal: float
    height: float
    centre_x: float
    centre_y: float

    def project(self, points: Points) -> tuple[Float64[ndarray, "T 2"], Float64[ndarray, " T"]]:
        """Pixels, and how many of them a metre has there."""
        scale = self.focal / np.maximum(points[:, 2], NEAREST)
        xy = np.stack([self.centre_x + scale * points[:, 0], self.centre_y - scale * (points[:, 1] - self.height)], 1)
        return xy, scale

    def edge(self, distance: float) -> float:
        """How far right of the line of sight the image ends at that distance, in metres."""
        return (128 - self.centre_x) * distance / self.focal


@dataclass(frozen=True, slots=True)
class Paint:
    """How a surface looks: light, and a pattern whose dark fields are `depth` darker, so many along and across.

    `soft` is the width of its edge in pixels beyond the blur of the lens.
    """

    light: float
    depth: float = 0.0
    along: float = 0.0
    across: float = 0.0
    soft: float = 0.0


@dataclass(slots=True)
class Sketch:
    """Shapes collected over the moments of a take, as rows."""

    lens: Lens
    n: int
    parts: list[Any] = field(default_factory=list)

    def capsule(self, ends: tuple[Points, Points], radii: tuple[Any, Any], paint: Paint, nearer: float = 0.0) -> None:
        """A rounded limb; radii in metres. `nearer` moves it forward in the order of drawing only."""
        a, scale_a = self.lens.project(ends[0])
        b, scale_b = self.lens.project(ends[1])
        row = self._row(CAPSULE, paint, (ends[0][:, 2] + ends[1][:, 2]) / 2, nearer)
        row[:, 1:3], row[:, 3:5], row[:, 5], row[:, 6] = a, b, radii[0] * scale_a, radii[1] * scale_b

    def box(self, centre: Points, axes: tuple[Any, Any], paint: Paint, nearer: float = 0.0, kind: int = BOX) -> None:
        """A flat thing with two half axes in metres, each (3,) or (T, 3)."""
        middle, scale = self.lens.project(centre)
        row = self._row(kind, paint, centre[:, 2], nearer)
        row[:, 1:3] = middle
        for at, axis in ((3, axes[0]), (5, axes[1])):
            row[:, at], row[:, at + 1] = scale * np.asarray(axis)[..., 0], -scale * np.asarray(axis)[..., 1]

    def ellipse(self, centre: Points, axes: tuple[Any, Any], paint: Paint, nearer: float = 0.0) -> None:
        self.box(centre, axes, paint, nearer, ELLIPSE)

    def shadow(self, centre: Points, axes: tuple[Any, Any], paint: Paint) -> None:
        """Darkens by the factor `paint.light` what is farther away."""
        self.box(centre, axes, paint, 0.0, SHADOW)

    def flat(self, centre: Any, axes: tuple[Any, Any], paint: Paint, *, light: Any = None) -> None:
        """A box given in pixels, behind everything: on the wall."""
        row = self._row(BOX, paint, np.full(self.n, 99.0 - 1e-3 * len(self.parts)), 0.0)
        row[:, 1:3] = centre
        for at, axis in ((3, axes[0]), (5, axes[1])):
            row[:, at : at + 2] = axis
        if light is not None:
            row[:, 7] = light

    def rows(self) -> Rows:
        return np.stack(self.parts, axis=1) if self.parts else np.zeros((self.n, 0, 13), np.float32)

    def _row(self, kind: int, paint: Paint, distance: Float64[ndarray, " T"], nearer: float) -> Any:
        row = np.empty((self.n, 13), np.float32)
        row[:, 0] = kind
        row[:, 7:12] = paint.light, paint.depth, paint.along, paint.across, paint.soft
        row[:, 12] = distance - nearer
        row[distance < NEAREST, 7] = 0
        self.parts.append(row)
        return row


def together(parts: Sequence[Rows]) -> tuple[Rows, ndarray[Any, np.dtype[np.int64]]]:
    """All shapes, and the order (T, P) in which they are drawn: the farthest first."""
    rows = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
    return rows, np.argsort(-rows[:, :, 12], axis=1, kind="stable")
