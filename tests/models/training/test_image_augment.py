"""Variations of pictures: each operation on a picture worked by hand, against Pillow, and what no draw may change."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spikecut.models.training.image_augment import _CIFAR10_POLICY, PictureAugmentation, augment_pictures
from spikecut.models.training.image_operations import MEAN_COLOUR, OPERATIONS
from spikecut.pipeline.errors import ConfigError

NOTHING = PictureAugmentation(crop=0, flipped=False)
MEAN = torch.tensor(MEAN_COLOUR, dtype=torch.uint8)[:, None, None]
LABELS = torch.arange(1000)


def noise(n: int, side: int = 32, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=generator)


def varied(pictures: Tensor, how: PictureAugmentation, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    out, labels = augment_pictures(pictures, LABELS[: len(pictures)], how, generator)
    assert (out.dtype, out.shape) == (torch.uint8, pictures.shape)
    assert torch.equal(labels, LABELS[: len(pictures)])
    return out


def done(name: str, picture: Any, strength: float = 1.0, sign: float = 1.0) -> Tensor:
    """One operation on one picture: three colours, or one that stands for all."""
    pixels = torch.as_tensor(picture, dtype=torch.uint8)
    pixels = pixels.expand(3, *pixels.shape[-2:])
    return OPERATIONS[name](pixels[None].clone(), torch.tensor([strength]), torch.tensor([sign]))[0]


@pytest.mark.parametrize(
    "how",
    [
        PictureAugmentation(),
        PictureAugmentation(policy="autoaugment", cutout=16),
        PictureAugmentation(policy="randaugment", operations=3, magnitude=10),
    ],
)
def test_the_same_seed_draws_the_same_and_another_does_not(how: PictureAugmentation) -> None:
    pictures = noise(64)
    before = pictures.clone()
    assert torch.equal(varied(pictures, how), varied(pictures, how))
    assert not torch.equal(varied(pictures, how), varied(pictures, how, seed=1))
    assert torch.equal(pictures, before)


def test_without_any_variation_pictures_are_what_they_are_and_nothing_is_drawn() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    pictures = noise(8)
    assert augment_pictures(pictures, LABELS[:8], NOTHING, generator)[0] is pictures
    assert torch.equal(generator.get_state(), before)


@given(st.integers(1, 6), st.integers(2, 12), st.integers(0, 2**31))
def test_a_cropped_picture_is_the_picture_pushed_aside(padding: int, side: int, seed: int) -> None:
    pictures = noise(4, side, seed)
    around = MEAN.expand(4, 3, side + 2 * padding, side + 2 * padding).clone()
    around[:, :, padding:-padding, padding:-padding] = pictures
    out = varied(pictures, PictureAugmentation(crop=padding, flipped=False), seed)
    for i in range(4):
        places = [
            around[i, :, y : y + side, x : x + side] for y in range(2 * padding + 1) for x in range(2 * padding + 1)
        ]
        assert any(torch.equal(out[i], place) for place in places)


def test_every_crop_is_as_likely_as_any_other() -> None:
    dot = torch.zeros(1000, 3, 3, 3, dtype=torch.uint8)
    dot[:, :, 1, 1] = 255
    out = varied(dot, PictureAugmentation(crop=1, flipped=False))
    counts = Counter(tuple((one[0] == 255).nonzero()[0].tolist()) for one in out)
    assert set(counts) == {(y, x) for y in range(3) for x in range(3)}
    assert all(abs(n - 1000 / 9) < 4 * (1000 * 8 / 81) ** 0.5 for n in counts.values())


def test_half_of_the_pictures_are_mirrored() -> None:
    pictures = noise(1000, 4)
    out = varied(pictures, PictureAugmentation(crop=0))
    mirrored = (out == pictures.flip(3)).flatten(1).all(1)
    assert ((out == pictures).flatten(1).all(1) ^ mirrored).all()
    assert abs(int(mirrored.sum()) - 500) < 64


@given(st.integers(1, 20), st.integers(0, 2**31))
def test_cutout_is_one_square_about_a_middle_inside_the_picture(side: int, seed: int) -> None:
    pictures = (noise(8, 10, seed) // 2 * 2) + (1 - MEAN % 2)  # no colour of which is the mean's
    out = varied(pictures, PictureAugmentation(crop=0, flipped=False, cutout=side), seed)
    hole = (out == MEAN).all(1)
    assert torch.equal(torch.where(hole[:, None], pictures, out), pictures)
    for one in hole:
        rows, columns = one.any(1).nonzero().flatten(), one.any(0).nonzero().flatten()
        assert one.sum() == len(rows) * len(columns) > 0
        for places in (rows, columns):
            first, last = int(places[0]), int(places[-1])
            assert last - first + 1 <= side
            assert last - first + 1 == side or first == 0 or last == 9
            assert last - first + 1 >= min(10, side // 2)


def test_identity_and_strength_zero_change_nothing() -> None:
    picture = noise(1)[0]
    for name in OPERATIONS:
        if name not in ("autocontrast", "equalize", "invert"):
            for sign in (1.0, -1.0):
                assert torch.equal(done(name, picture, 0.0, sign), picture), name
    assert torch.equal(done("identity", picture), picture)


def test_brightness_by_hand() -> None:
    assert done("brightness", [[10, 100, 200]])[0].tolist() == [[19, 190, 255]]  # 1.9 times
    assert done("brightness", [[10, 100, 200]], sign=-1.0)[0].tolist() == [[1, 10, 20]]  # 0.1 times: not black
    assert done("brightness", [[10, 100, 200]], strength=1 / 9)[0].tolist() == [[11, 110, 220]]


def test_contrast_by_hand() -> None:
    assert done("contrast", [[60, 140]], strength=5 / 9)[0].tolist() == [[40, 160]]  # 1.5 times as far from 100
    assert done("contrast", [[60, 140]], strength=5 / 9, sign=-1.0)[0].tolist() == [[80, 120]]


def test_colour_by_hand() -> None:
    red = [[[100]], [[0]], [[0]]]  # as grey, 29.9
    assert done("color", red, strength=5 / 9).flatten().tolist() == [135, 0, 0]
    assert done("color", red, strength=5 / 9, sign=-1.0).flatten().tolist() == [65, 15, 15]


def test_sharpness_by_hand() -> None:
    dot = torch.zeros(5, 5)
    dot[2, 2] = 130  # smoothed: 50, and 10 around it
    out = done("sharpness", dot, strength=5 / 9, sign=-1.0)[0]
    assert out[1:4, 1:4].tolist() == [[5, 5, 5], [5, 90, 5], [5, 5, 5]]
    assert done("sharpness", dot, strength=5 / 9)[0, 2, 2] == 170
    corner = torch.zeros(5, 5)
    corner[0, 0] = 130
    assert done("sharpness", corner, sign=-1.0)[0, 0, 0] == 130


def test_posterize_by_hand() -> None:
    assert done("posterize", [[0b10110111]])[0, 0, 0] == 0b10110000
    assert done("posterize", [[0b10110111]], strength=0.25)[0, 0, 0] == 0b10110110


def test_solarize_by_hand() -> None:
    assert done("solarize", [[127, 128, 200]], strength=0.5)[0].tolist() == [[127, 127, 55]]
    assert done("solarize", [[0, 200]])[0].tolist() == [[255, 55]]


def test_invert_autocontrast_and_equalize_by_hand() -> None:
    assert done("invert", [[0, 55, 255]])[0].tolist() == [[255, 200, 0]]
    assert done("autocontrast", [[50, 101, 152]])[0].tolist() == [[0, 127, 255]]
    assert done("autocontrast", [[7, 7]])[0].tolist() == [[7, 7]]
    few = torch.tensor([10] * 256 + [11] * 256 + [12] * 256 + [13]).view(1, -1)  # steps of 768 // 255 = 3
    assert done("equalize", few)[0, 0, [0, 256, 512, 768]].tolist() == [0, 85, 171, 255]
    assert done("equalize", [[7, 7], [7, 7]])[0].tolist() == [[7, 7], [7, 7]]


def test_translating_by_hand() -> None:
    picture = torch.arange(1, 11).repeat(3, 10, 1)  # 150 / 331 of 10 pixels are 4.5; of strength 0.5, 2
    right = done("translate_x", picture, strength=0.5)
    assert right[:, 5].tolist() == [[c, c, 1, 2, 3, 4, 5, 6, 7, 8] for c in MEAN_COLOUR]
    assert done("translate_x", picture, 0.5, -1.0)[0, 5].tolist() == [3, 4, 5, 6, 7, 8, 9, 10, 125, 125]
    down = done("translate_y", picture.transpose(1, 2), strength=0.5)
    assert torch.equal(down, right.transpose(1, 2))


def test_shearing_by_hand() -> None:
    upright = torch.zeros(5, 5)
    upright[:, 2] = 200
    leaning = done("shear_x", upright)[0]  # 0.3 a row from the middle: two rows away, 0.6, which is one pixel
    assert [(row == 200).nonzero().flatten().tolist() for row in leaning] == [[3], [2], [2], [2], [1]]
    other = done("shear_x", upright, sign=-1.0)[0]
    assert [(row == 200).nonzero().flatten().tolist() for row in other] == [[1], [2], [2], [2], [3]]
    assert torch.equal(done("shear_y", upright.T)[0], leaning.T)


def test_rotating_by_hand() -> None:
    line = torch.zeros(21, 21)
    line[10] = 200
    turned = done("rotate", line)[0]
    for x, y in ((10, 10), (16, 10 + round(6 * np.tan(np.pi / 6))), (4, 10 - round(6 * np.tan(np.pi / 6)))):
        assert turned[y, x] == 200
    back = done("rotate", line, sign=-1.0)[0]
    assert torch.equal(back, turned.flip(1))


@pytest.mark.parametrize(
    "name",
    [
        "brightness", "contrast", "color", "sharpness", "posterize", "solarize", "invert", "autocontrast", "equalize",
    ],
)  # fmt: skip
def test_colours_are_changed_as_pillow_does_it(name: str) -> None:
    """But for a product that falls just short of a whole number in one and not in the other."""
    image, enhance, ops = (pytest.importorskip(f"PIL.{one}") for one in ("Image", "ImageEnhance", "ImageOps"))
    for seed in range(4):
        pixels = noise(1, seed=seed)[0] // (1 + seed) + 20 * seed
        for ninths in (0, 1, 4, 9):
            for sign in (1, -1):
                strength, factor = ninths / 9, 1 + sign * ninths / 10
                picture = image.fromarray(pixels.permute(1, 2, 0).numpy())
                expected = {
                    "brightness": lambda: enhance.Brightness(picture).enhance(factor),  # noqa: B023
                    "contrast": lambda: enhance.Contrast(picture).enhance(factor),  # noqa: B023
                    "color": lambda: enhance.Color(picture).enhance(factor),  # noqa: B023
                    "sharpness": lambda: enhance.Sharpness(picture).enhance(factor),  # noqa: B023
                    "posterize": lambda: ops.posterize(picture, 8 - round(4 * strength)),  # noqa: B023
                    "solarize": lambda: ops.solarize(picture, round(256 * (1 - strength))),  # noqa: B023
                    "invert": lambda: ops.invert(picture),  # noqa: B023
                    "autocontrast": lambda: ops.autocontrast(picture),  # noqa: B023
                    "equalize": lambda: ops.equalize(picture),  # noqa: B023
                }[name]()
                out = done(name, pixels, strength, float(sign)).permute(1, 2, 0).numpy()
                apart = np.abs(out.astype(int) - np.asarray(expected).astype(int))
                assert apart.max() <= 1
                assert (apart == 0).mean() > 0.9


def test_operations_are_done_to_each_picture_as_if_it_were_alone() -> None:
    pictures, strength = noise(5), torch.tensor([0.0, 0.2, 0.5, 0.8, 1.0])
    sign = torch.tensor([1.0, -1.0, 1.0, -1.0, -1.0])
    for name, change in OPERATIONS.items():
        together = change(pictures, strength, sign)
        for i in range(5):
            assert torch.equal(together[i], change(pictures[i : i + 1], strength[i : i + 1], sign[i : i + 1])[0]), name


def test_the_policy_found_for_cifar_10_is_whole() -> None:
    """25 pairs of known operations, with probabilities in tenths and strengths in ninths."""
    assert len(_CIFAR10_POLICY) == 25
    for pair in _CIFAR10_POLICY:
        for name, chance, ninths in pair:
            assert name in OPERATIONS
            assert round(10 * chance) == pytest.approx(10 * chance)
            assert 0 <= ninths <= 9
    done_to = Counter(name for pair in _CIFAR10_POLICY for name, _, _ in pair)
    assert done_to["equalize"] == 9
    assert done_to["autocontrast"] == 7
    assert sum(done_to.values()) == 50


def test_an_operation_is_done_as_often_as_its_probability_says() -> None:
    """Inverting: 0.1 of the first pair of 25, after which contrast may follow, and 0.1 of the last but one."""
    grey = torch.full((4000, 3, 4, 4), 200, dtype=torch.uint8)  # which neither equalize nor contrast changes
    out, _ = augment_pictures(
        grey,
        torch.zeros(4000, dtype=torch.long),
        PictureAugmentation(crop=0, flipped=False, policy="autoaugment"),
        torch.Generator().manual_seed(0),
    )
    share = float((out[:, 0, 1, 1] == 55).float().mean())
    solarized = (0.5 + 0.4 + 0.2 + 0.8) / 25  # 200 is above all four thresholds: 199, 114, 28 and 171
    expected = 0.2 / 25 + solarized
    assert abs(share - expected) < 4 * (expected * (1 - expected) / 4000) ** 0.5


def test_randaugment_does_each_of_its_fourteen_alike() -> None:
    how = PictureAugmentation(crop=0, flipped=False, policy="randaugment", operations=1, magnitude=10)
    picture = noise(1)[0] // 2 + 20
    signs = (1.0, -1.0)
    made = {name: [done(name, picture, 1.0, sign) for sign in signs] for name in OPERATIONS if name != "invert"}
    out = varied(picture.expand(1000, -1, -1, -1), how)
    counts = Counter(
        next(name for name, ways in made.items() if any(torch.equal(one, way) for way in ways)) for one in out
    )
    assert set(counts) == set(made)
    assert all(abs(n - 1000 / 14) < 4 * (1000 * 13 / 196) ** 0.5 for n in counts.values())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"crop": -1}, "crop is -1; expected 0 or more"),
        ({"cutout": -1}, "cutout is -1"),
        ({"operations": 0}, "operations is 0; expected 1 or more"),
        ({"magnitude": 11.0}, "magnitude is 11.0; expected 0 to 10"),
        ({"policy": "autoagument"}, "policy 'autoagument'; expected autoaugment, randaugment or none"),
    ],
)
def test_a_variation_that_cannot_be_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        PictureAugmentation(**fields)
