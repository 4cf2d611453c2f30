"""Drawn sessions, version 2: a person in depth performs gestures, and what is no gesture happens before the camera.

What varies, and by how much, was fixed in docs/adr/0031-drawn-gestures-in-depth.md before any network saw it.
"""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, Frame
from spikecut.pipeline.filters.base import Filtered
from spikecut.sources.datasets.base import FrameSpec
from spikecut.sources.datasets.frames import binner_for
from spikecut.sources.datasets.gesture_labels import GESTURES, GestureSpan, Movement
from spikecut.sources.datasets.segments import cut
from spikecut.sources.simulation.choreography import NAMES, TURN
from spikecut.sources.simulation.conditions import AS_DRAWN, Condition
from spikecut.sources.simulation.gestures import BRIGHT, FLICKER, IMAGE_US, LIGHTINGS, ORDER, OneUser, Sway
from spikecut.sources.simulation.pixel import see
from spikecut.sources.simulation.scenes.acting import Act, acts_of, take_of
from spikecut.sources.simulation.scenes.camera import Echo, camera, unruly
from spikecut.sources.simulation.scenes.company import accompany, hurried, on_sensor
from spikecut.sources.simulation.scenes.lens import together
from spikecut.sources.simulation.scenes.movements import IN_COMPANY, MOVEMENTS
from spikecut.sources.simulation.scenes.scene_kernels import MARGIN, draw_shapes, fill
from spikecut.sources.simulation.scenes.stage import Stage

VERSION = 2  # of the drawings; another version is another data set
NO_GESTURE = len(GESTURES)  # the class of a window in which no gesture is performed
CLASSES = (*GESTURES, "no gesture")


@dataclass(frozen=True, slots=True)
class DrawnScene(OneUser):
    """One person under one light, and all that happens before one camera; an `EventSource`.

    `order` holds classes of gestures and names of `MOVEMENTS`. They are played once in this order, or, with `seconds`,
    shuffled again and again for at least that long (`math.inf`: for ever). Where somebody must come, sit down, stand up
    or go in between, this is played, too. `quick` is as in `DrawnSession`.
    """

    user: int
    lighting: str
    seed: int = 0
    order: tuple[int | str, ...] = ORDER
    seconds: float | None = None
    quick: bool = False

    def __post_init__(self) -> None:
        if self.lighting not in LIGHTINGS:
            raise ConfigError(f"lighting {self.lighting!r}; expected one of {', '.join(LIGHTINGS)}")
        for one in self.order:
            if one not in MOVEMENTS and one not in NAMES:
                raise ConfigError(
                    f"order: found {one!r}; expected one of {', '.join(map(str, NAMES))}, or a movement",
                    hint=f"movements are {', '.join(MOVEMENTS)}",
                )
        if not self.order or (self.seconds is not None and not self.seconds > 0):
            raise ConfigError(f"order {self.order}, seconds {self.seconds}: nothing to draw")

    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of all that it follows from."""
        return hashlib.sha256(repr((VERSION, self)).encode()).hexdigest()[:16]

    def acts(self) -> Iterator[Act]:
        """Gestures, movements and pauses, tiling time on the grid of the images."""
        start_us = round(self._rng("start").uniform(1, 60) * 1e6 / IMAGE_US) * IMAGE_US
        return acts_of(self.order, self.seconds, start_us, self._rng("acts"), quick=self.quick)

    def spans(self) -> Iterator[GestureSpan]:
        """When which gesture is performed, by the clock of the events."""
        return (GestureSpan(act.label, act.start_us, act.end_us) for act in self.acts() if act.label is not None)

    def movements(self) -> Iterator[Movement]:
        """When what moves that is no gesture."""
        return (Movement(act.kind, act.start_us, act.end_us) for act in self.acts() if act.kind in MOVEMENTS)

    def windows(self, length_us: int, *, pauses: bool = False) -> Iterator[Act]:
        """Stretches to train on: each gesture from its onset, each movement from its beginning and on, one by one.

        None is longer than `length_us`. The label of movements is `NO_GESTURE`. With `pauses` these come, too. What is
        left of a movement behind its last full window is left out, unless it is the only one.
        """
        for act in self.acts():
            if act.label is not None:
                yield Act(act.kind, act.label, act.start_us, min(act.end_us, act.start_us + length_us))
            elif act.kind in MOVEMENTS or pauses:
                n = max(1, (act.end_us - act.start_us) // length_us)
                for start in range(act.start_us, act.start_us + n * length_us, length_us):
                    yield Act(act.kind, NO_GESTURE, start, min(act.end_us, start + length_us))

    def streams(self, view: FrameSpec) -> Iterator[Iterator[Frame]]:
        """The frames of every gesture, in the order of `spans`; drawn in one pass."""
        return (frames for _, frames in self._cut(list(self.spans()), view))

    def window_streams(
        self, view: FrameSpec, length_us: int, *, pauses: bool = False
    ) -> Iterator[tuple[Act, Iterator[Frame]]]:
        """Every one of `windows` with its frames; drawn in one pass."""
        windows = list(self.windows(length_us, pauses=pauses))
        spans = [GestureSpan(NO_GESTURE if w.label is None else w.label, w.start_us, w.end_us) for w in windows]
        return ((act, frames) for act, (_, frames) in zip(windows, self._cut(spans, view), strict=True))

    def __iter__(self) -> Iterator[EventBatch]:
        return self.events()

    def events(self, condition: Condition = AS_DRAWN) -> Iterator[EventBatch]:
        """Its events under a condition; gestures, movements and their times are the same under all."""
        setup, noisy = self._rng("camera"), _Bursts(self.acts())
        spec, echo = camera(BRIGHT[self.lighting] * condition.light, setup), Echo.of(setup)
        spec = replace(spec, shot_noise_hz=spec.shot_noise_hz * condition.noise)
        return unruly(see(self._images(condition), spec, self._rng("noise")), echo, noisy.hz_at, self._rng("echoes"))

    def _images(self, condition: Condition = AS_DRAWN) -> Iterator[tuple[int, Float32[ndarray, "H W"]]]:
        rng, performs = self._rng("scene"), any(isinstance(one, int) for one in self.order)
        stage = hurried(Stage.of(self._rng("person"), rng, performs=performs), condition.tempo)
        blur, place = rng.uniform(0.9, 2.4), stage.home
        trembling = [Sway.of(rng.choice([0.0, 0.0, 0.15, 0.3]), rng, quick=3.0) for _ in range(2)]
        (least, most), frequencies = FLICKER[self.lighting]
        flicker, flicker_hz = rng.uniform(least, most), float(rng.choice(frequencies))
        light, start_us = BRIGHT[self.lighting] * rng.uniform(0.7, 1.4) * condition.light, None
        background, zoom = condition.on_sensor(stage.background, MARGIN), condition.zoom
        for number, act in enumerate(self.acts()):
            start_us = act.start_us if start_us is None else start_us
            take = take_of(stage, act, place, start_us, self._rng("act", number))
            place = take.place
            accompany(take, condition, self._rng("company"), gesture=act.label is not None)
            times_us = np.arange(act.start_us, act.end_us, IMAGE_US)
            t = times_us * 1e-6
            shake = take.shake + np.stack([sway.at(t) for sway in trembling], axis=1)
            shake = zoom * (shake + condition.shaken(t, self._rng("shake")))
            glow = take.glow * light * (1 + flicker * np.sin(TURN * flicker_hz * t))
            rows, order = together(take.shapes)
            rows = on_sensor(rows, condition, stage)
            for k, time_us in enumerate(times_us.tolist()):
                image = np.empty((condition.sensor.height, condition.sensor.width), np.float32)
                fill(image, background, shake[k, 0], shake[k, 1], glow[k])
                draw_shapes(image, rows[k], order[k], shake[k, 0], shake[k, 1], glow[k], zoom * blur)
                yield time_us, image

    def _cut(self, spans: list[GestureSpan], view: FrameSpec) -> Iterator[tuple[GestureSpan, Iterator[Frame]]]:
        source = Filtered(self, view.reading.filters) if view.reading.filters else self
        for span, batch in cut(source, spans):
            yield span, binner_for(batch.sensor, view, self.name).bins([batch])

    def _rng(self, purpose: str, number: int = 0) -> np.random.Generator:
        """Randomness of its own for everything that varies; a person is the same under every light, in every order."""
        who = [VERSION, self.seed, self.user]
        if purpose != "person":
            what = zlib.crc32(repr((self.order, self.seconds is None)).encode())  # other rooms for other things to do
            who += [LIGHTINGS.index(self.lighting), what, number, *purpose.encode()]
        return np.random.default_rng(who)


def gesture_scene(user: int, seed: int = 0, *, quick: bool = False) -> DrawnScene:
    """A user's session of all gestures, in the genuine order; the lights are dealt in turn."""
    return DrawnScene(user, LIGHTINGS[user % len(LIGHTINGS)], seed, quick=quick)


def movement_scene(user: int, seconds: float = 60.0, seed: int = 0) -> DrawnScene:
    """A session of at least so many seconds in which all `MOVEMENTS` happen in turn, and no gesture."""
    return DrawnScene(user, LIGHTINGS[user % len(LIGHTINGS)], seed, tuple(MOVEMENTS), seconds)


def mixed_scene(user: int, seconds: float = 60.0, seed: int = 0, *, quick: bool = False) -> DrawnScene:
    """A session of gestures and movements of the same person, in equal numbers, and of others in the room."""
    order = (*range(len(GESTURES)), *range(len(GESTURES)), *IN_COMPANY)
    return DrawnScene(user, LIGHTINGS[user % len(LIGHTINGS)], seed, order, seconds, quick)


@dataclass(slots=True)
class _Bursts:
    """Looks up the additional noise of acts; times are asked for in order."""

    acts: Iterator[Act]
    current: Act | None = None

    def hz_at(self, time_us: int) -> float:
        while self.current is None or time_us >= self.current.end_us:
            following = next(self.acts, None)
            if following is None:
                return 0.0
            self.current = following
        return self.current.noise_hz
