"""The eleven gestures of version 1 in depth: hands come forward, planes tilt, the trunk turns."""

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from spikecut.sources.simulation.choreography import NAMES, Hands, perform
from spikecut.sources.simulation.scenes.moves_of_others import pass_by
from spikecut.sources.simulation.scenes.moves_of_the_room import shadow
from spikecut.sources.simulation.scenes.poses import aimless, eased
from spikecut.sources.simulation.scenes.stage import Take

MOST_TURNED = np.deg2rad(35.0)
_FORWARD = {  # how far before the shoulder the hands are, in metres, and how far the plane of movement may tilt
    "hand clapping": (0.10, 0.28, 0.2),
    "arm roll": (0.12, 0.28, 0.3),
    "air drums": (0.08, 0.26, 0.4),
    "air guitar": (0.05, 0.18, 0.2),
    "other gestures": (-0.02, 0.22, 0.5),
    "right hand beckon": (0.12, 0.34, 0.5),
}
_BESIDE = (-0.02, 0.14, 0.25)  # waves and circles are made beside the body, nearly in its plane


def play_gesture(take: Take, label: int) -> None:
    """Performs one gesture from hanging arms and back, as version 1 does: the person reacts, lifts, performs, lowers.

    From the label on nothing is earlier than there: 0 to 0.12 s until the person reacts, 0.12 to 0.4 s for the lift.
    """
    pose, rng, t = take.pose, take.rng, take.t
    assert pose is not None
    begin, lift, lower = rng.uniform(0.0, 0.12), rng.uniform(0.12, 0.4), rng.uniform(0.25, 0.5)
    share = eased((t - begin) / lift) * eased((take.seconds - t) / lower)
    hands = in_depth(label, perform(label, t, take.stage.user.manner, rng), rng)
    pose.hands += share[:, None, None] * (hands - pose.hands)
    slow = eased((t - begin) / 0.8) * eased((take.seconds - t) / 0.8)
    turned = pose.yaw + slow * (rng.normal(0, np.deg2rad(9)) + aimless(t, np.deg2rad(5), rng))
    pose.yaw = turned.clip(-MOST_TURNED, MOST_TURNED)
    recoil = 0.03 * share[:, None] * (pose.hands[:, :, :2] - [0.05, -0.545]).sum(1)
    pose.root[:, 0] += slow * aimless(t, 0.012, rng) - 0.6 * recoil[:, 0]
    pose.root[:, 2] += slow * aimless(t, rng.choice([0.01, 0.01, 0.01, 0.15]), rng)
    pose.lean += slow * rng.uniform(-0.05, 0.12)
    if rng.random() < 0.12 and take.seconds > 2.5:
        pass_by(take)
    elif rng.random() < 0.06:
        shadow(take)


def in_depth(label: int, hands: Hands, rng: np.random.Generator) -> Float64[ndarray, "T 2 3"]:
    """Hands as (out, up, forward): the flat gesture in a plane before the body that is tilted at random.

    Of the roll one hand is ahead while the other is behind. A tilt shears the picture and never mirrors it, so what
    is clockwise stays so.
    """
    name = NAMES[label]
    low, high, tilt = _FORWARD.get(name, _BESIDE)
    base = rng.uniform(low, high)
    deep = np.empty((*hands.shape[:2], 3))
    deep[:, :, :2] = hands
    slopes = rng.uniform(-tilt, tilt, 2)
    for arm in (0, 1):
        flat = hands[:, arm]
        still = np.ptp(flat[:, 1]) < 0.02 and np.ptp(flat[:, 0]) < 0.05  # a hand that hangs
        middle = flat.mean(0)
        deep[:, arm, 2] = 0.03 if still else base + (flat - middle) @ slopes
        if name == "arm roll":
            across, up = (float(np.std(flat[:, k])) for k in (0, 1))
            deep[:, arm, 2] = base + (flat[:, 0] - middle[0]) * (up / max(across, 1e-3)) * rng.uniform(0.7, 1.1)
    return deep
