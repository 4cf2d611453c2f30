"""Truths about the icons of classes: they show the side and the sense that the name says, and differ when small."""

from itertools import combinations

import numpy as np
import pytest
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.sources.simulation.scenes.session import CLASSES
from spikecut.tools.views.canvas import Box, Canvas
from spikecut.tools.views.icons import ICONS, SIDE, SMALLEST_PIXELS, Line, icon_of
from spikecut.tools.views.icons import draw_icon as draw
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.palette import PALETTES
from spikecut.tools.views.web.state import beginning

WHITE = (255, 255, 255)


def small(name: str) -> UInt8[ndarray, "h w 3"]:
    """An icon in one colour, as small as it gets."""
    canvas = Canvas(np.zeros((int(SMALLEST_PIXELS), int(SMALLEST_PIXELS), 3), np.uint8), 1.0)
    draw(canvas, ICONS[name], Box(0, 0, SMALLEST_PIXELS, SMALLEST_PIXELS), WHITE, WHITE)
    return canvas.image


def turn(line: Line) -> float:
    """Twice the area inside: positive is clockwise where y runs down."""
    x, y = np.array(line).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def test_every_gesture_has_an_icon_and_other_classes_have_none() -> None:
    assert set(CLASSES) == set(ICONS)
    assert [icon_of(name) for name in ("7", "clap twice", "")] == [None] * 3


@pytest.mark.parametrize("name", ICONS)
def test_icons_stay_within_their_square(name: str) -> None:
    points = np.array([point for lines in ICONS[name] for line in lines for point in line])
    assert points.min() >= 0.5
    assert points.max() <= SIDE - 0.5


def test_no_two_icons_look_alike_where_they_are_small() -> None:
    images = {name: small(name).astype(int) for name in ICONS}
    for one, other in combinations(images.values(), 2):
        assert (np.abs(one - other).max(2) > 100).sum() >= 16
    for image in images.values():
        assert (image.max(2) > 100).sum() >= 16


@pytest.mark.parametrize("name", [name for name in ICONS if name.endswith("clockwise")])
def test_an_arm_turns_as_its_name_says_on_the_side_where_the_sensor_sees_it(name: str) -> None:
    arc = max(ICONS[name].motion, key=len)
    assert (turn(arc) > 0) is ("counter" not in name)
    assert (np.mean([x for x, _ in arc]) < SIDE / 2) == name.startswith("right"), (
        "who faces the camera has right on the left"
    )


def test_a_left_hand_waves_as_a_right_one_in_a_mirror() -> None:
    pairs = zip(ICONS["left hand wave"].mirrored(), ICONS["right hand wave"], strict=True)
    assert all(np.allclose(one, other) for left, right in pairs for one, other in zip(left, right, strict=True))
    assert max(x for line in ICONS["right hand wave"].motion for x, _ in line) < SIDE / 2


@pytest.mark.parametrize("palette", PALETTES)
def test_bars_have_icons_in_every_palette_and_a_network_without_has_the_layout_without(palette: str) -> None:
    """A class of one's own beside gestures has a gap in its place."""

    def bars(*names: str) -> UInt8[ndarray, "h w 3"]:
        overlay = Overlay(names, horizon=20, step_us=20_000, style=PALETTES[palette])
        return overlay.draw(overlay.begin())[90:350, 420:475]

    ground = PALETTES[palette].ground[::-1]
    own, both = bars("a salute", "b"), bars("a salute", "air drums")
    assert (both[:30, 20:] == ground).all(), "the name of the first begins further right"
    assert (own[:30, 20:] != ground).any()
    assert (both[40:, 20:] != ground).any()


def test_a_page_is_sent_the_same_lines() -> None:
    first, second = beginning(Overlay(("arm roll", "7"), horizon=20, step_us=20_000))["icons"]
    assert second is None
    assert np.allclose(first[0][0], ICONS["arm roll"].figure[0], atol=0.01)
    assert [len(lines) for lines in first] == [len(lines) for lines in ICONS["arm roll"]]
