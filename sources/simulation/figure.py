"""A person from the hips up, drawn as rounded limbs before a still background: images of light.

Made for speed: every limb touches only the pixels around it. Light is linear, larger than 0, and 1 is white.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from spikecut.sources.simulation.choreography import Hands

WIDTH = HEIGHT = 128
MARGIN = 4  # the background is larger than the image, for the camera shakes

Limbs = Float32[ndarray, "T P 9"]  # x0 y0 x1 y1 (px), radius at both ends (px), light, stripes' depth and number
Places = Float64[ndarray, "T 2"]


@dataclass(frozen=True, slots=True)
class Body:
    """One person and what they wear. Lengths in metres, light between 0 and 1."""

    half_shoulders: float
    upper_arm: float
    forearm: float
    torso: float
    stout: float
    head: float
    skin: float
    hair: float
    shirt: float
    trousers: float
    sleeves: float  # the share of the forearm that cloth covers
    stripes: float  # how much darker every other stripe of the shirt is
    n_stripes: int

    @classmethod
    def of(cls, rng: np.random.Generator, wall: float) -> "Body":
        """A person whose arms are darker or brighter than a wall of that light."""
        tall = rng.normal(1.0, 0.06)
        return cls(
            half_shoulders=0.185 * tall * rng.uniform(0.9, 1.12),
            upper_arm=0.285 * tall,
            forearm=0.295 * tall,
            torso=0.50 * tall,
            stout=rng.uniform(0.85, 1.25),
            head=0.105 * rng.uniform(0.92, 1.08),
            skin=_unlike(wall, 0.14, 0.62, rng),
            hair=rng.uniform(0.04, 0.35),
            shirt=_unlike(wall, 0.06, 0.85, rng),
            trousers=rng.uniform(0.05, 0.5),
            sleeves=float(rng.choice([0.0, 0.0, 0.5, 1.0])),
            stripes=float(rng.choice([0.0, 0.0, 0.25, 0.5])),
            n_stripes=int(rng.integers(4, 9)),
        )


def wall(rng: np.random.Generator) -> tuple[Float32[ndarray, "h w"], float]:
    """A room: a wall brighter at one side, some furniture; and the wall's mean light."""
    height, width = HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN
    mean = rng.uniform(0.12, 0.7)
    y, x = np.mgrid[0:height, 0:width]
    slope = rng.uniform(-0.3, 0.3, 2)
    image = mean * (1 + slope[0] * (x / width - 0.5) + slope[1] * (y / height - 0.5))
    for _ in range(rng.integers(0, 5)):
        left, top = rng.integers(0, width - 8), rng.integers(0, height - 8)
        wide, high = rng.integers(6, 50), rng.integers(6, 60)
        image[top : top + high, left : left + wide] *= rng.uniform(0.45, 1.5)
    soft = sum(np.roll(image, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 9
    return np.clip(soft, 0.02, 1.0).astype(np.float32), mean


def limbs(body: Body, hands: Hands, neck: Places, nod: Float64[ndarray, " T"], scale: float) -> Limbs:
    """The limbs for every moment, back to front. `neck` is where the shoulders meet, in px; `scale` in px/m."""
    n = len(hands)
    parts: list[Any] = []

    def part(a: Any, b: Any, r0: float, r1: float, light: float, stripes: float = 0.0, number: int = 0) -> None:
        row = np.empty((n, 9))
        row[:, 0:2], row[:, 2:4] = a, b
        row[:, 4:] = (r0 * scale, r1 * scale, light, stripes, number)
        parts.append(row)

    down = np.array([0.0, scale])
    hips = neck + body.torso * down
    girth = 0.135 * body.stout
    part(hips - 0.02 * down, hips + 0.6 * down, girth * 1.12, girth * 1.1, body.trousers)
    part(neck + 0.09 * down, hips - 0.05 * down, girth * 1.08, girth, body.shirt, body.stripes, body.n_stripes)
    across = np.array([(body.half_shoulders - 0.03) * scale, 0.0])
    part(neck - across + 0.035 * down, neck + across + 0.035 * down, 0.058, 0.058, body.shirt)
    crown = neck - 0.19 * down + np.stack([nod, np.zeros(n)], axis=1) * scale
    part(neck, crown + 0.08 * down, 0.05, 0.05, body.skin * 0.85)
    part(crown - 0.03 * down, crown - 0.01 * down, body.head * 0.98, body.head * 0.98, body.hair)
    part(crown + 0.02 * down, crown + 0.045 * down, body.head * 0.86, body.head * 0.72, body.skin)
    for arm, side in ((0, -1), (1, 1)):
        shoulder = neck + np.array([side * body.half_shoulders * scale, 0.04 * scale])
        wish = np.stack([side * hands[:, arm, 0], -hands[:, arm, 1]], axis=1) * scale
        elbow, hand = _bent(wish, body.upper_arm * scale, body.forearm * scale, side)
        elbow, hand = shoulder + elbow, shoulder + hand
        cuff = elbow + (hand - elbow) * max(body.sleeves, 0.02) * 0.85
        part(shoulder, elbow, 0.052 * body.stout**0.5, 0.042, body.shirt)
        part(elbow, hand, 0.038, 0.030, body.skin)
        if body.sleeves:
            part(elbow, cuff, 0.043, 0.040, body.shirt)
        part(hand, hand, 0.052, 0.052, body.skin * 1.05)
    return np.stack(parts, axis=1).astype(np.float32)


def _unlike(wall: float, low: float, high: float, rng: np.random.Generator) -> float:
    """A light that differs from the wall's by a factor of 1.6 at least."""
    while True:
        light = float(rng.uniform(low, high))
        if abs(np.log(light / wall)) > 0.5:
            return light


def _bent(wish: Places, upper: float, fore: float, side: int) -> tuple[Places, Places]:
    """Elbow and hand, relative to the shoulder, for a hand that wants to be at `wish`.

    The elbow points out and down. Where that would make it jump to the other side it passes through the
    plane of the arm instead, which looks shorter, as an arm that points towards the camera does.
    """
    distance = np.linalg.norm(wish, axis=1, keepdims=True)
    reached = distance.clip(abs(upper - fore) + 0.05 * upper, 0.995 * (upper + fore))
    direction = wish / np.maximum(distance, 1e-6)
    along = (reached**2 + upper**2 - fore**2) / (2 * reached)
    aside = np.sqrt(np.maximum(upper**2 - along**2, 0))
    normal = np.stack([-direction[:, 1], direction[:, 0]], axis=1)
    bend = np.tanh(4 * (normal @ np.array([side * 0.6, 0.8])))[:, None]
    return along * direction + aside * bend * normal, np.minimum(distance, reached) * direction
