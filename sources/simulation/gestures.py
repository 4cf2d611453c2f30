"""Drawn gestures: a person performs the eleven classes of DVS128 Gesture before a simulated DVS128.

A counterpart of the data set of Amir et al. (CVPR 2017), not the data set: no real person was recorded. What
varies, and by how much, was fixed in docs/adr/0007-drawn-gestures.md before any network was trained on it.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, Frame, SensorSize
from spikecut.pipeline.files.atomic_files import new_file, write_text
from spikecut.pipeline.filters.base import Filtered
from spikecut.pipeline.protocols import EventSource
from spikecut.sources.datasets.base import FrameSpec, in_part
from spikecut.sources.datasets.frames import binner_for
from spikecut.sources.datasets.gesture_labels import GESTURES, GestureSpan, Movement, text_of
from spikecut.sources.datasets.parts import Part, drawn_part
from spikecut.sources.datasets.segments import cut
from spikecut.sources.formats.aedat3 import write_aedat3
from spikecut.sources.simulation.choreography import NAMES, TURN, Manner, fidget, lifted, perform
from spikecut.sources.simulation.company import Other
from spikecut.sources.simulation.conditions import AS_DRAWN, Condition, placed
from spikecut.sources.simulation.figure import HEIGHT, MARGIN, WIDTH, Body, limbs, wall
from spikecut.sources.simulation.figure_kernels import draw
from spikecut.sources.simulation.pixel import DvsSpec, see

VERSION = 1  # of the drawings; another version is another data set
SENSOR = SensorSize(WIDTH, HEIGHT)
LIGHTINGS = ("fluorescent", "fluorescent_led", "lab", "led", "natural")
ORDER = (0, 1, 2, 4, 3, 5, 6, 7, 7, 8, 9, 10)  # as in the genuine user01_natural
IMAGE_US = 2_500
FLICKER = {  # depth of the light's modulation, and its frequencies in Hz
    "fluorescent": ((0.02, 0.07), (100, 120)),
    "fluorescent_led": ((0.01, 0.05), (100, 120)),
    "lab": ((0.0, 0.03), (100, 120)),
    "led": ((0.0, 0.02), (100, 120)),
    "natural": ((0.0, 0.0), (100,)),
}
BRIGHT = {"fluorescent": 0.5, "fluorescent_led": 0.7, "lab": 0.4, "led": 0.6, "natural": 1.0}


class OneUser:
    """What is called after one user under one light, as the genuine recordings are."""

    __slots__ = ()
    user: int
    lighting: str

    @property
    def sensor(self) -> SensorSize:
        return SENSOR

    @property
    def name(self) -> str:
        """As the genuine files are named."""
        return f"user{self.user:02d}_{self.lighting}"

    @property
    def path(self) -> Path:
        """Its name: nothing of it lies in a file."""
        return Path(self.name)


@dataclass(frozen=True, slots=True)
class DrawnSession(OneUser):
    """One person under one light, performing the classes of `order` in turn; an `EventSource`.

    An `order` of `None` goes on for ever, in random order: a live source. A `quick` session has gestures
    of at most 3 s and short pauses: for training, where only the beginnings of gestures count.
    """

    user: int
    lighting: str
    seed: int = 0
    order: tuple[int, ...] | None = ORDER
    quick: bool = False

    def __post_init__(self) -> None:
        if self.lighting not in LIGHTINGS:
            raise ConfigError(f"lighting {self.lighting!r}; expected one of {', '.join(LIGHTINGS)}")
        if self.order is not None and not set(self.order) <= NAMES.keys():
            raise ConfigError(f"order {self.order}; expected some of {', '.join(map(str, NAMES))}")

    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of all that it follows from."""
        return hashlib.sha256(repr((VERSION, self)).encode()).hexdigest()[:16]

    def streams(self, view: FrameSpec) -> Iterator[Iterator[Frame]]:
        """The frames of every gesture, in the order of `spans`; drawn in one pass."""
        source = Filtered(self, view.reading.filters) if view.reading.filters else self
        for _, batch in cut(source, list(self.spans())):
            yield binner_for(batch.sensor, view, self.name).bins([batch])

    def spans(self) -> Iterator[GestureSpan]:
        """When which gesture is performed, by the clock of the events."""
        for label, start_us, end_us in self._acts():
            if label is not None:
                yield GestureSpan(label, start_us, end_us)

    def movements(self) -> Iterator[Movement]:
        """None: in this version nothing else moves."""
        return iter(())

    def __iter__(self) -> Iterator[EventBatch]:
        return self.events()

    def events(self, condition: Condition = AS_DRAWN) -> Iterator[EventBatch]:
        """Its events under a condition; gestures and their times are the same under all."""
        camera = _camera(BRIGHT[self.lighting] * condition.light, self._rng("camera"))
        camera = replace(camera, shot_noise_hz=camera.shot_noise_hz * condition.noise)
        return see(self._images(condition), camera, self._rng("noise"))

    def _rng(self, purpose: str) -> np.random.Generator:
        """Randomness of its own for everything that varies; a person is the same under every light."""
        who = [VERSION, self.seed, self.user]
        if purpose != "person":
            who += [LIGHTINGS.index(self.lighting), *purpose.encode()]
        return np.random.default_rng(who)

    def _acts(self) -> Iterator[tuple[int | None, int, int]]:
        """Pauses (`None`) and gestures in turn, tiling time on the grid of the images."""
        rng = self._rng("acts")
        t = round(rng.uniform(1, 60) * 1e6 / IMAGE_US) * IMAGE_US
        labels: Iterator[int] = (
            iter(self.order) if self.order is not None else (int(rng.integers(len(GESTURES))) for _ in repeat(None))
        )
        for label in labels:
            for what, seconds in ((None, pause_s(rng)), (label, gesture_s(rng))):
                if self.quick:
                    seconds = min(seconds, 0.4 if what is None else 3.0)
                end = t + round(seconds * 1e6 / IMAGE_US) * IMAGE_US
                yield what, t, end
                t = end
        yield None, t, t + round(pause_s(rng) * 1e6 / IMAGE_US) * IMAGE_US

    def _images(self, condition: Condition = AS_DRAWN) -> Iterator[tuple[int, Float32[ndarray, "H W"]]]:
        person, rng = self._rng("person"), self._rng("scene")
        background, mean = wall(rng)
        manner = Manner.of(person)
        manner = replace(manner, tempo=manner.tempo * condition.tempo)
        body = Body.of(person, mean)
        scale, blur = rng.uniform(76, 104), rng.uniform(1.0, 1.8)
        stand = np.array([64 + rng.normal(0, 5), rng.uniform(36, 50)])
        sway = [Sway.of(amount, rng) for amount in (0.9, 0.35)]
        shake = [Sway.of(rng.choice([0.0, 0.0, 0.15, 0.3]), rng, quick=3.0) for _ in range(2)]
        nods = Sway.of(0.008, rng)
        (least, most), frequencies = FLICKER[self.lighting]
        flicker, flicker_hz = rng.uniform(least, most), float(rng.choice(frequencies))
        light = BRIGHT[self.lighting] * rng.uniform(0.7, 1.4) * condition.light
        background, zoom = condition.on_sensor(background, MARGIN), condition.zoom
        other = Other.of(condition.company, self._rng("company"), mean, scale, stand) if condition.company else None
        for label, start_us, end_us in self._acts():
            times_us = np.arange(start_us, end_us, IMAGE_US)
            t = times_us * 1e-6
            since, seconds = t - t[0], (end_us - start_us) * 1e-6
            if label is None:
                hands = fidget(since, seconds, rng)
            else:
                hands = lifted(perform(label, since, manner, rng), since, seconds, rng)
            trembling = np.stack([sway.at(t) for sway in shake], axis=1) + condition.shaken(t, self._rng("shake"))
            recoil = 0.03 * scale * (hands[:, :, 0] * [-1, 1]).sum(1)  # the trunk answers the arms
            neck = stand + np.stack([sway[0].at(t) - recoil, sway[1].at(t)], axis=1) - trembling
            parts = placed(limbs(body, hands, neck, nods.at(t), scale), *condition.about(neck))
            if other is not None:
                behind = other.rows(t, since, gesture=label is not None, rng=self._rng(f"company {start_us}"))
                parts = np.concatenate([placed(behind, 1.0, -trembling), parts], axis=1)
            parts = placed(parts, zoom, condition.origin)
            glow = light * (1 + flicker * np.sin(TURN * flicker_hz * t))
            for k, time_us in enumerate(times_us.tolist()):
                image = np.empty((condition.sensor.height, condition.sensor.width), np.float32)
                draw(image, background, zoom * trembling[k, 0], zoom * trembling[k, 1], parts[k], glow[k], zoom * blur)
                yield time_us, image


@dataclass(frozen=True, slots=True)
class Sway:
    """A slow, aimless movement: three sines."""

    amount: float
    hz: Float64[ndarray, " 3"]
    phase: Float64[ndarray, " 3"]

    @classmethod
    def of(cls, amount: float, rng: np.random.Generator, quick: float = 1.0) -> "Sway":
        return cls(float(amount) * rng.uniform(0.5, 1.5), quick * rng.uniform(0.12, 0.8, 3), rng.uniform(0, TURN, 3))

    def at(self, t: Float64[ndarray, " T"]) -> Float64[ndarray, " T"]:
        return np.asarray(self.amount * np.sin(TURN * t[:, None] * self.hz + self.phase).mean(1))


def gesture_s(rng: np.random.Generator) -> float:
    return float(np.clip(6.2 * np.exp(rng.normal(0, 0.28)), 3.5, 18.5))


def pause_s(rng: np.random.Generator) -> float:
    return float(np.clip(1.3 * np.exp(rng.normal(0, 0.7)), 0.3, 6.0))


def _camera(bright: float, rng: np.random.Generator) -> DvsSpec:
    """A DVS128 with biases drawn at random; in dim light it is slower and noisier."""
    dim = 1 - bright
    threshold = rng.uniform(0.10, 0.20)
    tilt = np.exp(rng.normal(0, 0.08))
    return DvsSpec(
        threshold_on=float(threshold * tilt),
        threshold_off=float(threshold / tilt),
        mismatch=float(rng.uniform(0.02, 0.05)),
        shot_noise_hz=float(rng.uniform(0.02, 0.25) * (1 + 2 * dim)),
        leak_hz=float(rng.uniform(0.02, 0.15)),
        bandwidth_hz=float(rng.uniform(150, 400) * (1 - 0.5 * dim)),
        refractory_us=int(rng.uniform(200, 1000)),
        hot_pixels=float(rng.uniform(0, 0.0005)),
        hot_hz=float(rng.uniform(20, 150)),
    )


def drawn_users(n_users: int, part: Part) -> list[int]:
    """The users 1 to `n_users` of one part."""
    return [user for user in range(1, n_users + 1) if in_part(part, drawn_part(user))]


def drawn_session(user: int, seed: int = 0, *, quick: bool = False) -> DrawnSession:
    """A user's one session; the lights are dealt in turn."""
    return DrawnSession(user, LIGHTINGS[user % len(LIGHTINGS)], seed, quick=quick)


class Drawn(EventSource, Protocol):
    """A drawn session of any version."""

    @property
    def user(self) -> int: ...

    @property
    def name(self) -> str: ...

    def spans(self) -> Iterator[GestureSpan]: ...

    def movements(self) -> Iterator[Movement]: ...


def write_session(folder: Path, session: Drawn) -> Path:
    """Writes `NAME.aedat` and `NAME_labels.csv`, whole or not at all; returns the recording's path.

    Movement that is no gesture is labelled, too, in a column of its own (`gesture_labels`).
    """
    target = folder / f"{session.name}.aedat"
    with new_file(target, overwrite=True) as partial:
        write_aedat3(partial, session)
        write_text(folder / f"{session.name}_labels.csv", text_of(session.spans(), session.movements()), overwrite=True)
    return target


def write_lists(folder: Path, sessions: Iterable[Drawn], version: int = VERSION) -> None:
    """Writes what else the genuine folder holds: the trial lists and the mapping; and a word on its origin."""
    names = {session.user: f"{session.name}.aedat\n" for session in sessions}
    for file, parts in (("trials_to_train.txt", ("train", "calibration")), ("trials_to_test.txt", ("test",))):
        text = "".join(name for user, name in names.items() if drawn_part(user) in parts)
        write_text(folder / file, text, overwrite=True)
    mapping = "".join(f"{name.replace(' ', '_')},{label}\n" for label, name in enumerate(GESTURES, start=1))
    write_text(folder / "gesture_mapping.csv", "action,label\n" + mapping, overwrite=True)
    about = (
        "Drawn gestures in the layout of DVS128 Gesture, made by spikecut simulate gestures: a drawn figure before a\n"
        f"simulated camera, drawing version {version}. No real person was recorded, and this is not the data set of\n"
        "Amir et al., A low power, fully event-based gesture recognition system, CVPR 2017.\n"
    )
    write_text(folder / "README.txt", about, overwrite=True)
