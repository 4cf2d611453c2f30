"""What a movement is played on: the stage of a session, and one take of it that movements write into."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from spikecut.sources.simulation.scenes.lens import Lens, Paint, Rows, Sketch
from spikecut.sources.simulation.scenes.people import Person, shapes_of
from spikecut.sources.simulation.scenes.poses import SEAT, Pose, Times, standing
from spikecut.sources.simulation.scenes.rooms import background, moving_wall
from spikecut.sources.simulation.scenes.things import THINGS, draw_thing, still, surface

Place = tuple[float, float, float]  # x and z in metres, and a turn in radians


@dataclass(frozen=True, slots=True)
class Stage:
    """What stays the same in a session: camera, room, its user and where they stand; what moves on the wall."""

    lens: Lens
    wall: float
    background: Float32[ndarray, "h w"]
    user: Person
    home: Place
    chair: Paint | None
    curtain: bool
    screen: bool
    seed: int  # of what moves on the wall

    @classmethod
    def of(cls, person: np.random.Generator, rng: np.random.Generator, *, performs: bool) -> "Stage":
        """A room at random, and a person from their own randomness; one who performs stands where arms are in view."""
        image, wall = background(rng)
        user = Person.of(person, wall)
        low, high = (52, 118) if performs else (28, 130)  # px a metre where the user stands
        scale, focal = np.exp(rng.uniform(np.log(low), np.log(high))), np.exp(rng.uniform(np.log(140), np.log(320)))
        centre = 64 + rng.normal(0, 4), rng.uniform(50, 78)
        neck_row = rng.uniform(30, 56)
        lens = Lens(focal, user.neck - (centre[1] - neck_row) / scale, *centre)
        z = float(focal / scale)
        x = float((64 + rng.normal(0, 8 if performs else 16) - centre[0]) / scale)
        yaw = float(
            np.deg2rad(rng.normal(0, 12 if performs else 40)).clip(-0.45 if performs else -2, 0.45 if performs else 2)
        )
        return cls(
            lens=lens,
            wall=wall,
            background=image,
            user=user,
            home=(x, z, yaw),
            chair=surface(rng) if rng.random() < 0.4 else None,
            curtain=bool(rng.random() < 0.15),
            screen=bool(rng.random() < 0.15),
            seed=int(rng.integers(1 << 31)),
        )


@dataclass(slots=True)
class Take:
    """One stretch of a session, whose first moment is 0 s; movements write poses, shapes, shake (px) and light to it.

    `place` is where the user is afterwards; without a user in view `pose` is None.
    """

    stage: Stage
    t: Times
    seconds: float
    rng: np.random.Generator
    place: Place
    pose: Pose | None
    start_s: float = 0.0  # when the take begins, by the clock of the session
    shapes: list[Rows] = field(default_factory=list)
    shake: Float64[ndarray, "T 2"] = field(init=False)
    glow: Times = field(init=False)
    lively: Times = field(init=False)  # how much what hangs on the wall moves

    def __post_init__(self) -> None:
        self.shake, self.glow = np.zeros((len(self.t), 2)), np.ones(len(self.t))
        self.lively = np.ones(len(self.t))

    def sketch(self) -> Sketch:
        return Sketch(self.stage.lens, len(self.t))

    def add(self, person: Person, pose: Pose) -> None:
        """Somebody else."""
        self.shapes.append(shapes_of(person, pose, self.stage.lens))

    def somebody(self) -> Person:
        """The user, or somebody else."""
        return self.stage.user if self.pose is None and self.rng.random() < 0.4 else self.stranger()

    def stranger(self) -> Person:
        """Somebody else; every second one need not stand out from the wall."""
        return Person.of(self.rng, self.stage.wall if self.rng.random() < 0.5 else self.rng.uniform(0.12, 0.7))

    def finish(self) -> None:
        """Adds the user, the chair and what hangs on the wall to the shapes."""
        if self.pose is not None:
            self.add(self.stage.user, self.pose)
        sketch = self.sketch()
        if self.stage.chair is not None:
            x, z, _ = self.stage.home
            centre = np.tile([x, SEAT - 0.12, z + 0.3], (len(self.t), 1))
            draw_thing(sketch, THINGS["chair"], self.stage.chair, centre, still(len(self.t)))
        self.shapes.append(sketch.rows())
        if self.stage.curtain or self.stage.screen:
            wall = moving_wall(
                self.stage.lens,
                self.stage.seed,
                self.start_s + self.t,
                self.lively,
                curtain=self.stage.curtain,
                screen=self.stage.screen,
            )
            self.shapes.append(wall)


def at_rest(stage: Stage, place: Place, seated: bool, t: Times, rng: np.random.Generator) -> Pose:
    """The user between movements."""
    pose = standing(stage.user.legs, place, t, rng)
    if seated:
        sit(pose, stage.user, np.ones(len(t)))
    return pose


def sit(pose: Pose, person: Person, share: Times) -> None:
    """Lowers a standing pose onto a seat behind it, by that share of the way."""
    axes = pose.axes()
    pose.root[:, 1] -= share * (person.legs - SEAT)
    pose.root -= 0.25 * share[:, None] * axes.forward
    pose.feet[:, :, 2] += 0.38 * share[:, None]
    pose.hands += share[:, None, None] * (np.array([-0.02, -0.36, 0.26]) - pose.hands)
    pose.lean += 0.55 * np.sin(np.pi * share) + 0.04 * share
