"""How the hands move in the eleven gestures of DVS128 Gesture: positions in metres, nothing about light.

Hands are given relative to their own shoulder as `(out, up)`: away from the body, and upwards. Arm 0 is the
performer's right arm, at the left of the image, for the camera faces the person. Clockwise is meant as the
camera sees it. Every number drawn here is listed in docs/adr/0007-drawn-gestures.md.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from spikecut.sources.datasets.gesture_labels import GESTURES

Seconds = Float64[ndarray, " T"]
Path = Float64[ndarray, "T 2"]  # (out, up) of one hand
Hands = Float64[ndarray, "T 2 2"]  # arm, then (out, up)

BECKON = 12  # a gesture that nobody else has: what a user may teach a network; 11 is "no gesture" (`scenes`)
NAMES = dict(enumerate(GESTURES)) | {BECKON: "right hand beckon"}
REST = (0.05, -0.545)
TURN = 2 * np.pi


@dataclass(frozen=True, slots=True)
class Manner:
    """How one person moves: `tempo` and `size` are factors, `lead` says which hand is ahead and larger."""

    tempo: float
    size: float
    lead: float

    @classmethod
    def of(cls, rng: np.random.Generator) -> "Manner":
        return cls(float(np.exp(rng.normal(0, 0.2))), float(np.exp(rng.normal(0, 0.18))), float(rng.uniform(-1, 1)))


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A phase that runs like a person's: the tempo wanders, one half of the stroke is quicker than the other."""

    hz: float
    start: float
    unevenness: float
    wander: float
    wander_phase: float

    @classmethod
    def of(cls, hz: float, manner: Manner, rng: np.random.Generator) -> "Rhythm":
        return cls(
            hz * manner.tempo * float(np.exp(rng.normal(0, 0.12))),
            rng.uniform(0, TURN),
            rng.uniform(-0.4, 0.4),
            rng.uniform(0.0, 0.15),
            rng.uniform(0, TURN),
        )

    def at(self, t: Seconds) -> Seconds:
        """The phase in radians after `t` seconds."""
        steady = self.start + TURN * self.hz * t + self.wander * TURN * np.sin(TURN * 0.37 * t + self.wander_phase)
        return np.asarray(steady + self.unevenness * np.sin(steady))


def perform(label: int, t: Seconds, manner: Manner, rng: np.random.Generator) -> Hands:
    """Where both hands are at the times `t` of a gesture that goes on for ever; see `lifted` for its ends."""
    hands = np.empty((len(t), 2, 2))
    for arm in (0, 1):
        hands[:, arm] = _hanging(t, rng)
    name = NAMES[label]
    size = manner.size * (1 + 0.12 * np.sin(TURN * 0.31 * t + rng.uniform(0, TURN)))
    if name == "hand clapping":
        _clap(hands, t, size, manner, rng)
    elif name.endswith("hand wave"):
        hands[:, _arm(name)] = _wave(t, size, manner, rng)
    elif label == BECKON:
        hands[:, 0] = _beckon(t, size, manner, rng)
    elif name.endswith("clockwise"):
        arm, turn = _arm(name), -1 if "counter" in name else 1
        hands[:, arm] = _circle(t, turn if arm == 1 else -turn, size, manner, rng)
    elif name == "arm roll":
        _roll(hands, t, size, manner, rng)
    elif name == "air drums":
        _drums(hands, t, size, manner, rng)
    elif name == "air guitar":
        _guitar(hands, t, size, manner, rng)
    else:
        _other(hands, t, size, manner, rng)
    return hands


def lifted(hands: Hands, t: Seconds, duration_s: float, rng: np.random.Generator) -> Hands:
    """The same, from hanging arms and back to them: the person reacts, lifts, performs, lowers."""
    begin, lift, lower = rng.uniform(0.0, 0.12), rng.uniform(0.12, 0.4), rng.uniform(0.25, 0.5)
    share = _eased((t - begin) / lift) * _eased((duration_s - t) / lower)
    rest = np.stack([_hanging(t, rng), _hanging(t, rng)], axis=1)
    return np.asarray(rest + share[:, None, None] * (hands - rest))


def fidget(t: Seconds, duration_s: float, rng: np.random.Generator) -> Hands:
    """Hanging arms between two gestures; now and then a hand does something that means nothing."""
    hands = np.stack([_hanging(t, rng), _hanging(t, rng)], axis=1)
    if rng.random() < 0.25 and duration_s > 1:
        middle, width = rng.uniform(0.3, 0.7) * duration_s, rng.uniform(0.15, 0.3)
        there = np.array([rng.uniform(-0.15, 0.1), rng.uniform(-0.35, 0.0)]) * rng.uniform(0.2, 0.6)
        bump = np.exp(-(((t - middle) / width) ** 2)) * _eased(t / 0.2) * _eased((duration_s - t) / 0.2)
        hands[:, rng.integers(2)] += bump[:, None] * there
    return hands


def _arm(name: str) -> int:
    return 0 if name.startswith("right") else 1


def _eased(share: Seconds) -> Seconds:
    x = share.clip(0, 1)
    return np.asarray(x * x * (3 - 2 * x))


def _hanging(t: Seconds, rng: np.random.Generator) -> Path:
    swing = 0.008 * np.sin(TURN * rng.uniform(0.2, 0.5) * t + rng.uniform(0, TURN))
    return np.stack([REST[0] + swing, np.full_like(t, REST[1])], axis=1)


def _clap(hands: Hands, t: Seconds, size: Seconds, manner: Manner, rng: np.random.Generator) -> None:
    phase = Rhythm.of(2.0, manner, rng).at(t)
    apart = 0.02 + rng.uniform(0.10, 0.22) * size * (0.5 - 0.5 * np.cos(phase))
    level = rng.uniform(-0.34, -0.10) + rng.uniform(-0.3, 0.3) * apart
    slip = 0.03 * manner.lead
    for arm, side in ((0, -1), (1, 1)):
        hands[:, arm] = np.stack([apart - 0.19 + side * slip, level + side * 0.02], axis=1)


def _wave(t: Seconds, size: Seconds, manner: Manner, rng: np.random.Generator) -> Path:
    """A hand that swings to and fro: about the elbow, or with the whole arm."""
    phase = Rhythm.of(1.6, manner, rng).at(t)
    whole = rng.random() < 0.35
    angle = rng.uniform(-0.2, 0.5) + (0.35 if whole else 0.0)
    reach = rng.uniform(0.42, 0.55) if whole else rng.uniform(0.24, 0.32)
    swing = rng.uniform(0.3, 0.75) * size * np.sin(phase)
    pivot = np.array([0.0, 0.0]) if whole else np.array([rng.uniform(0.05, 0.22), rng.uniform(-0.22, -0.02)])
    nod = rng.uniform(-0.03, 0.03) * np.cos(phase)  # the hand leans into the turn
    return np.stack([pivot[0] + reach * np.sin(angle + swing), pivot[1] + reach * np.cos(angle + swing) + nod], axis=1)


def _circle(t: Seconds, turn: int, size: Seconds, manner: Manner, rng: np.random.Generator) -> Path:
    """`turn` is 1 where `out` then `up` lead by a quarter: against the clock in the frame of the arm."""
    phase = -turn * Rhythm.of(1.05, manner, rng).at(t)
    radius = rng.uniform(0.13, 0.30) * size
    shape = rng.uniform(0.7, 1.3)
    centre = rng.uniform(0.10, 0.32), rng.uniform(-0.18, 0.14)
    return np.stack([centre[0] + radius * shape * np.cos(phase), centre[1] + radius * np.sin(phase)], axis=1)


def _beckon(t: Seconds, size: Seconds, manner: Manner, rng: np.random.Generator) -> Path:
    """ "Come here": the hand is drawn from below and outside towards the shoulder, and goes back more slowly."""
    rhythm = Rhythm.of(1.3, manner, rng)
    pull = (0.5 - 0.5 * np.cos(rhythm.at(t))) ** rng.uniform(0.8, 1.6)
    far = np.array([rng.uniform(0.08, 0.26), rng.uniform(-0.36, -0.18)])
    near = np.array([rng.uniform(-0.08, 0.10), rng.uniform(-0.08, 0.04)])
    way, bow = near - far, rng.uniform(-0.06, 0.06)
    across = np.array([-way[1], way[0]]) / np.hypot(*way)
    share = (rng.uniform(0.6, 1.0) * size * pull).clip(0, 1.2)
    return np.asarray(far + share[:, None] * way + (bow * np.sin(np.pi * pull))[:, None] * across)


def _roll(hands: Hands, t: Seconds, size: Seconds, manner: Manner, rng: np.random.Generator) -> None:
    phase = Rhythm.of(1.6, manner, rng).at(t) * rng.choice([-1, 1])
    radius, flat = rng.uniform(0.06, 0.14) * size, rng.uniform(0.15, 0.6)
    level, across = rng.uniform(-0.32, -0.10), rng.uniform(0.02, 0.12)
    for arm, half in ((0, 0.0), (1, np.pi)):
        out = -0.19 + across + flat * radius * np.cos(phase + half) * (1 if arm else -1)
        hands[:, arm] = np.stack([out, level + radius * np.sin(phase + half)], axis=1)


def _drums(hands: Hands, t: Seconds, size: Seconds, manner: Manner, rng: np.random.Generator) -> None:
    rhythm, together = Rhythm.of(2.0, manner, rng), rng.random() < 0.2
    level, height = rng.uniform(-0.40, -0.24), rng.uniform(0.08, 0.20)
    for arm, side in ((0, -1), (1, 1)):
        phase = rhythm.at(t) + (0 if together else np.pi * arm) + rng.normal(0, 0.2)
        stroke = (0.5 + 0.5 * np.sin(phase)) ** rng.uniform(1.0, 2.5)
        drum = rng.uniform(-0.12, 0.12) + 0.08 * np.sin(TURN * rng.uniform(0.15, 0.5) * t + rng.uniform(0, TURN))
        share = 1 + 0.3 * side * manner.lead
        hands[:, arm] = np.stack([drum, level + height * size * share * stroke], axis=1)


def _guitar(hands: Hands, t: Seconds, size: Seconds, manner: Manner, rng: np.random.Generator) -> None:
    strumming = 0 if rng.random() < 0.85 else 1
    phase = Rhythm.of(2.1, manner, rng).at(t)
    stroke = rng.uniform(0.05, 0.15) * size * np.sin(phase)
    middle = rng.uniform(-0.26, -0.10), rng.uniform(-0.48, -0.32)
    lean = rng.uniform(-0.4, 0.4)
    hands[:, strumming] = np.stack([middle[0] + lean * stroke, middle[1] + stroke], axis=1)
    slide = rng.uniform(0.01, 0.06) * np.sin(TURN * rng.uniform(0.2, 0.8) * t + rng.uniform(0, TURN))
    neck = rng.uniform(0.16, 0.36), rng.uniform(-0.28, -0.04)
    hands[:, 1 - strumming] = np.stack([neck[0] + slide, neck[1] + 0.5 * slide], axis=1)


def _other(hands: Hands, t: Seconds, size: Seconds, manner: Manner, rng: np.random.Generator) -> None:
    """The free gesture ("other"), which each volunteer invented: one of five inventions."""
    rhythm = Rhythm.of(rng.uniform(0.9, 1.8), manner, rng)
    phase = rhythm.at(t)
    invention = rng.integers(5)
    if invention == 0:  # both arms wave overhead
        for arm, side in ((0, -1), (1, 1)):
            angle = 0.2 + rng.uniform(0.2, 0.5) * size * np.sin(phase + (0 if manner.lead > 0 else np.pi * arm))
            hands[:, arm] = 0.52 * np.stack([np.sin(angle), np.cos(angle)], axis=1) + side * 0.01
    elif invention == 1:  # wings: both arms up and down at the sides
        angle = rng.uniform(-0.3, 0.3) + rng.uniform(0.4, 0.8) * size * np.sin(phase)
        for arm in (0, 1):
            hands[:, arm] = 0.54 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    elif invention == 2:  # boxing: the hands come forward in turn, which looks like a shift inwards and up
        for arm in (0, 1):
            reach = (0.5 + 0.5 * np.sin(phase + np.pi * arm)) ** 2 * size
            hands[:, arm] = np.stack([0.02 - 0.16 * reach, -0.22 + 0.16 * reach], axis=1)
    elif invention == 3:  # an eight, written with one hand
        arm, wide = int(rng.integers(2)), rng.uniform(0.12, 0.25)
        hands[:, arm] = np.stack(
            [0.15 + wide * size * np.sin(phase), -0.02 + 0.6 * wide * size * np.sin(2 * phase)], axis=1
        )
    else:  # both arms circle together
        turn = rng.choice([-1, 1])
        radius = rng.uniform(0.12, 0.26) * size
        for arm in (0, 1):
            hands[:, arm] = np.stack([0.18 + radius * np.cos(turn * phase), radius * np.sin(turn * phase)], axis=1)
