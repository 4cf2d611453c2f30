"""Truths about the colours: every palette can be read, and by people who see fewer colours as well."""

from itertools import combinations

import numpy as np
import pytest
from jaxtyping import Float64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.tools.views.canvas import Colour
from spikecut.tools.views.palette import PALETTES, OverlayStyle

every_palette = pytest.mark.parametrize("style", PALETTES.values(), ids=PALETTES)
# Machado et al., "A physiologically-based model for simulation of color vision deficiency" (2009), severity 1
SEEN_BY = {
    "all cones": np.eye(3),
    "no red cones": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "no green cones": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]),
}  # fmt: skip


def linear(colour: Colour) -> Float64[ndarray, "3"]:
    values = np.array(colour) / 255
    return np.asarray(np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4))


def luminance(colour: Colour) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(one: Colour, other: Colour) -> float:
    """WCAG 2, 1.4.3."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@every_palette
def test_text_has_the_contrast_that_reading_needs(style: OverlayStyle) -> None:
    for ground in (style.ground, style.panel):
        assert contrast(style.text, ground) >= 7
        for colour in (style.muted, style.accent, style.right, style.warning):
            assert contrast(colour, ground) >= 4


@every_palette
@pytest.mark.parametrize("matrix", SEEN_BY.values(), ids=SEEN_BY)
def test_colours_that_mean_different_things_look_different(
    style: OverlayStyle, matrix: Float64[ndarray, "3 3"]
) -> None:
    def looks(colour: Colour) -> Float64[ndarray, "3"]:
        return np.asarray(np.clip(matrix @ linear(colour), 0, 1) ** (1 / 2.2))

    for one, other in (*combinations((style.on, style.off, style.panel), 2), (style.right, style.warning)):
        assert np.linalg.norm(looks(one) - looks(other)) > 0.2


def test_a_pane_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no pane 'bar'") as error:
        OverlayStyle(panes=("picture", "bar"))
    assert error.value.hint == "did you mean 'bars'?"
