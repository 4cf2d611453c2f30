"""Somebody else in view in version 1 of the drawing, who makes no gesture: beside the person, or passing behind."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from spikecut.sources.simulation.choreography import REST, TURN, Hands
from spikecut.sources.simulation.conditions import Company
from spikecut.sources.simulation.figure import Body, Limbs, limbs

Times = Float64[ndarray, " T"]


@dataclass(frozen=True, slots=True)
class Other:
    """A second person under one light. Beside: 36 to 46 px away, 0.8 to 1 of the size, shifting and moving the hands.

    Passing: 0.6 to 0.8 of the size, from one side to the other within 2 to 3 s of the beginning of every gesture.
    """

    kind: Company
    body: Body
    scale: float
    place: Float64[ndarray, " 2"]
    hz: Float64[ndarray, "2 3"]
    phase: Float64[ndarray, "2 3"]

    @classmethod
    def of(
        cls, kind: Company, rng: np.random.Generator, wall: float, scale: float, stand: Float64[ndarray, " 2"]
    ) -> "Other":
        """At random, before a wall of that light; the person stands at `stand`, at `scale` px a metre."""
        body, side = Body.of(rng, wall), rng.choice([-1, 1])
        size = scale * (rng.uniform(0.8, 1.0) if kind == "beside" else rng.uniform(0.6, 0.8))
        place = stand + np.array([side * rng.uniform(36, 46), rng.uniform(-4, 6)])
        return cls(kind, body, float(size), place, rng.uniform(0.12, 0.8, (2, 3)), rng.uniform(0, TURN, (2, 3)))

    def rows(self, t: Times, since: Times, *, gesture: bool, rng: np.random.Generator) -> Limbs:
        """The limbs at times `t` (s), `since` the beginning of a pause or a gesture; none where nobody is in view."""
        if self.kind == "beside":
            wave = np.sin(TURN * t[:, None, None] * self.hz + self.phase).mean(2)
            neck = self.place + 0.9 * wave
            hands = np.empty((len(t), 2, 2))
            for arm in (0, 1):
                lifted = 0.10 * np.maximum(wave[:, arm], 0)
                hands[:, arm] = np.stack([REST[0] + 0.4 * lifted, REST[1] + lifted], axis=1)
            return limbs(self.body, hands, neck, 0.008 * wave[:, 0], self.scale)
        if not gesture:
            return limbs(self.body, np.empty((len(t), 2, 2)), np.empty((len(t), 2)), since, self.scale)[:, :0]
        hands, neck = self._walk(since, rng)
        return limbs(self.body, hands, neck, np.zeros(len(t)), self.scale)

    def _walk(self, since: Times, rng: np.random.Generator) -> tuple[Hands, Float64[ndarray, "T 2"]]:
        """From outside one edge of the image to outside the other."""
        crosses, side = rng.uniform(2.0, 3.0), rng.choice([-1, 1])
        beyond = 64 + 0.45 * self.scale
        x = 64 + side * beyond * (2 * since / crosses - 1)
        phase = TURN * rng.uniform(0.8, 1.1) * since + rng.uniform(0, TURN)  # of two steps
        neck = np.stack([x, self.place[1] - 0.015 * self.scale * np.cos(2 * phase)], axis=1)
        swing = rng.uniform(0.08, 0.2) * np.sin(phase)
        hands = np.empty((len(since), 2, 2))
        for arm in (0, 1):  # away from the body is left for the one and right for the other, so both swing in turn
            hands[:, arm] = np.stack([REST[0] + swing, REST[1] + 0.5 * swing**2], axis=1)
        return hands, neck
