"""What moves without anybody: camera, shadows, light, things on the wall, and noise where nothing moves."""

import numpy as np

from spikecut.sources.simulation.choreography import TURN
from spikecut.sources.simulation.scenes.lens import Paint
from spikecut.sources.simulation.scenes.poses import aimless, eased
from spikecut.sources.simulation.scenes.stage import Take


def shake_camera(take: Take) -> None:
    """A knock that dies away, a camera in the hand, or one that is turned aside and back."""
    t, rng = take.t, take.rng
    up = eased(t / 0.15) * eased((take.seconds - t) / 0.3)
    way = int(rng.integers(3))
    for axis in (0, 1):
        if way == 0:
            knock = np.maximum(t - rng.uniform(0.05, 0.3), 0)
            swing = (
                rng.uniform(1, 7) * np.exp(-knock / rng.uniform(0.1, 0.5)) * np.sin(TURN * rng.uniform(4, 16) * knock)
            )
            take.shake[:, axis] += swing * up
        elif way == 1:
            take.shake[:, axis] += up * aimless(t, rng.uniform(2, 9), rng, rng.uniform(0.8, 3.0))
        else:
            aside = eased((t - 0.1) / (0.4 * take.seconds)) - eased((t - 0.55 * take.seconds) / (0.35 * take.seconds))
            take.shake[:, axis] += rng.uniform(-22, 22) * aside
    np.clip(take.shake, -36, 36, out=take.shake)


def shadow(take: Take) -> None:
    """One or two soft shadows cross the wall, and sometimes who stands before it."""
    t, rng = take.t, take.rng
    sketch = take.sketch()
    for _ in range(rng.integers(1, 3)):
        z = 9.0 if take.pose is None or rng.random() < 0.5 else 0.5
        metre = z / take.stage.lens.focal  # a pixel, in metres
        wide, high, angle = rng.uniform(12, 60) * metre, rng.uniform(40, 160) * metre, rng.uniform(-0.6, 0.6)
        reach, side = (64 + 40) * metre + 1.3 * (wide + high * abs(np.sin(angle))), rng.choice([-1, 1])
        share = (t / take.seconds) + 0.05 * np.sin(TURN * t / take.seconds)
        centre = np.tile([0.0, take.stage.lens.height - rng.uniform(-20, 20) * metre, z], (len(t), 1))
        centre[:, 0] = side * reach * (2 * share - 1) + (64 - take.stage.lens.centre_x) * metre
        axes = np.array([np.cos(angle), np.sin(angle), 0]) * wide, np.array([-np.sin(angle), np.cos(angle), 0]) * high
        sketch.shadow(centre, axes, Paint(rng.uniform(0.45, 0.85), soft=rng.uniform(2, 16)))
    take.shapes.append(sketch.rows())


def flicker(take: Take) -> None:
    """The light goes off and on, dims as under clouds, flickers with the mains, or starts like an old lamp."""
    t, rng = take.t, take.rng
    up = eased(t / 0.1) * eased((take.seconds - t) / 0.1)
    way = int(rng.integers(4))
    if way == 0:
        off, lasts, edge = rng.uniform(0.2, 0.5), rng.uniform(0.3, 0.6) * take.seconds, rng.uniform(0.01, 0.08)
        take.glow *= 1 - rng.uniform(0.2, 0.7) * (eased((t - off) / edge) - eased((t - off - lasts) / edge))
    elif way == 1:
        take.glow *= np.exp(up * aimless(t, rng.uniform(0.4, 1.2), rng))
    elif way == 2:
        take.glow *= 1 + up * rng.uniform(0.04, 0.10) * np.sin(TURN * rng.choice([100, 120]) * t)
    else:
        blinks = np.repeat(rng.random(len(t) // 24 + 1) < 0.4, 24)[: len(t)]
        take.glow *= 1 - up * rng.uniform(0.1, 0.35) * blinks


def on_the_wall(take: Take) -> None:
    """A gust in the curtain, a livelier screen, or a door that opens and closes behind."""
    t, rng, stage = take.t, take.rng, take.stage
    up = eased(t / 0.4) * eased((take.seconds - t) / 0.4)
    if (stage.curtain or stage.screen) and rng.random() < 0.6:
        take.lively += 4 * up
        return
    opened = eased((t - 0.2) / (0.35 * take.seconds)) - eased((t - 0.6 * take.seconds) / (0.3 * take.seconds))
    left, top, wide = rng.uniform(0, 100), rng.uniform(-20, 40), rng.uniform(12, 50)
    sketch = take.sketch()
    half = opened * wide / 2 + 0.05
    centre = np.stack([left + half, np.full_like(t, top + 60)], axis=1)
    axes = np.stack([half, 0 * t], axis=1), np.array([0.0, 60.0])
    sketch.flat(centre, axes, Paint(rng.uniform(0.03, 0.9)), light=None)
    take.shapes.append(sketch.rows())


def noise(take: Take) -> None:
    """Nothing moves; the camera is noisier than usual (`Act.noise_hz`)."""
