"""The picture of `spikecut why`: nothing overlaps, every rule stands where it stops, and it looks as it did.

`python tests/tools/reports/test_why_picture.py FOLDER` writes the pictures, and prints the digests of `GOLDEN`.
"""

import hashlib
import sys
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.models.card import ModelCard
from spikecut.models.files.checkpoint import read_card
from spikecut.models.files.opening import SHIPPED
from spikecut.pipeline.events import Frame
from spikecut.pipeline.recorded import RecordedOutputs
from spikecut.pipeline.rules.cutoff_file import FittedCutoff, load_cutoff
from spikecut.sources.datasets.gesture_labels import GestureSpan
from spikecut.tools.reports.why import explained
from spikecut.tools.reports.why_picture import MOST_NAMED, lines_of, picture, spread
from spikecut.tools.reports.why_thumbnails import moments
from spikecut.tools.reports.why_window import Explanation, Window, labelled
from spikecut.tools.views.canvas import Box, Canvas, Font
from spikecut.tools.views.palette import OverlayStyle

OPENCV = "5.0.0"


def card_of(name: str) -> ModelCard:
    return read_card(SHIPPED / f"{name}.json")


def rules_of(name: str) -> dict[str, FittedCutoff]:
    files = sorted(SHIPPED.glob(f"{name}.*-*pt.json"))
    return {path.name.removeprefix(f"{name}.").removesuffix(".json"): load_cutoff(path) for path in files}


def frames(card: ModelCard, start_us: int = 5_000_000) -> tuple[Frame, ...]:
    """Events of a bar that moves to the right."""
    step_us, height, width = card.spec.step_us, card.sensor.height, card.sensor.width
    made = []
    for t in range(card.horizon):
        pixels = np.zeros((2, height, width), np.uint8)
        pixels[
            t % 2, height // 4 : -height // 4, t * (width - 8) // card.horizon : t * (width - 8) // card.horizon + 6
        ] = 2
        made.append(Frame(t, 0, start_us + t * step_us, start_us + (t + 1) * step_us, pixels, int(pixels.sum())))
    return tuple(made)


def outputs(card: ModelCard, winner: int, early: int) -> RecordedOutputs:
    """Outputs of a network for which `early` leads in the first third, `winner` afterwards."""
    values = np.random.default_rng(3).normal(0, 0.1, (1, card.horizon, len(card.classes))).astype(np.float32)
    third = card.horizon // 3
    values[0, :third, early] += 0.6
    values[0, third:, winner] += 1.0
    return RecordedOutputs(values, np.zeros(1, np.int64))


def explanation_of(name: str, spans: tuple[GestureSpan, ...] = (), truth: int | None = None) -> Explanation:
    card = card_of(name)
    window = replace(labelled(frames(card), f"a_recording_of_{name}.aedat from 12.5 s", spans), truth=truth)
    return explained(window, outputs(card, 2, 1), card, rules_of(name))


def long_names() -> Explanation:
    """101 classes with long names, their order of size changed."""
    one = explanation_of("ncaltech101", truth=77)
    names = tuple(f"a rather long name of the class {k}" for k in range(101))
    return replace(one, card=replace(one.card, classes=names))


def explanations() -> dict[str, Explanation]:
    spans = (GestureSpan(2, 4_000_000, 5_700_000), GestureSpan(5, 5_750_000, 7_000_000))
    digit = card_of("nmnist")
    return {
        "a gesture": explanation_of("gestures", spans, truth=2),
        "nothing labelled": explanation_of("gestures"),
        "a digit": explanation_of("nmnist", truth=1),
        "101 classes": long_names(),
        "no rule": explained(Window(frames(digit), "seven.bin from 0 s", 7), outputs(digit, 7, 1), digit, {}),
        "few steps": explained(
            Window(frames(digit)[:3], "short.bin from 0 s"),
            RecordedOutputs(outputs(digit, 7, 1).outputs[:, :3], np.zeros(1, np.int64)),
            digit,
            rules_of("nmnist"),
        ),
    }


NAMES = tuple(explanations())
GOLDEN: dict[str, str] = {
    "a gesture": "340e1d1fca4e7886",
    "nothing labelled": "44f3924951f9f58d",
    "a digit": "fc760b0eb8113b9f",
    "101 classes": "8c1b274bd19ee007",
    "no rule": "e80285e91b4b45e9",
    "few steps": "9fb4439a079f5f9f",
}


@pytest.mark.parametrize("name", NAMES)
def test_no_text_overlaps_another_or_leaves_the_page(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes: list[tuple[str, Box]] = []
    sizes: list[tuple[float, float]] = []
    write = Canvas.text

    def text(
        self: Canvas, text: str, x: float, middle: float, font: Font, *, room: float, right: bool = False
    ) -> float:
        width = write(self, text, x, middle, font, room=room, right=right)
        if text:
            boxes.append((text, Box(x - width * right, middle - font.size * 0.6, width, font.size * 1.2)))
        sizes.append((self.image.shape[1] / self.scale, self.image.shape[0] / self.scale))
        return width

    monkeypatch.setattr(Canvas, "text", text)
    picture(explanations()[name])
    assert len(boxes) > 20
    width, height = sizes[0]
    for words, box in boxes:
        assert box.width > 0, words
        assert box.x >= 0, words
        assert box.y >= 0, words
        assert box.right <= width, words
        assert box.bottom <= height, words
    for (words, one), (others, other) in combinations(boxes, 2):
        apart = one.right <= other.x or other.right <= one.x or one.bottom <= other.y or other.bottom <= one.y
        assert apart, (words, others)


def image_of(explanation: Explanation) -> UInt8[ndarray, "h w 3"]:
    image = cv2.imdecode(np.frombuffer(picture(explanation), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, np.uint8)


def test_every_rule_has_a_row_whose_stop_is_at_its_time_on_the_axis() -> None:
    """Bars are read back from the pixels: in each row the last column that is not the colour of an empty bar."""
    explanation, style = explanation_of("gestures", truth=2), OverlayStyle()
    image = image_of(explanation)
    scale = image.shape[1] / 960
    worked = (image == style.worked[::-1]).all(axis=2)
    rows = [y for y in range(image.shape[0]) if worked[y].sum() > 20 * scale]
    bars = np.split(np.array(rows), np.flatnonzero(np.diff(rows) > 1) + 1)
    assert len(bars) == len(explanation.answers)
    for answer, bar in zip(explanation.answers, bars, strict=True):
        line = np.flatnonzero(worked[bar[0]])
        share = (line[-1] - line[0]) / (574 * scale)
        assert share == pytest.approx(answer.steps / len(explanation.totals), abs=0.006), answer.rule


def test_of_many_classes_the_leading_few_the_answers_and_the_truth_are_drawn() -> None:
    explanation = long_names()
    probability = np.exp(explanation.totals) / np.exp(explanation.totals).sum(axis=1, keepdims=True)
    lines = lines_of(explanation, probability, OverlayStyle())
    shown = [line.label for line in lines]
    assert len(shown) == MOST_NAMED == len(set(shown)) == len({line.colour for line in lines})
    leading = np.argsort(-probability.max(axis=0))[:2].tolist()
    assert {explanation.main.label, explanation.answers[0].label, 77, *leading} <= set(shown)


@given(st.lists(st.floats(0, 200), min_size=1, max_size=9))
def test_names_beside_lines_keep_their_order_and_their_distance(wanted: list[float]) -> None:
    placed = spread(wanted, 17, 8, 192)
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    assert all(placed[b] - placed[a] >= 17 - 1e-6 for a, b in pairwise(order))
    assert min(placed) >= 8 - 1e-6
    assert max(placed) <= 192 + 1e-6
    if all(8 <= one <= 192 for one in wanted) and all(wanted[b] - wanted[a] >= 17 for a, b in pairwise(order)):
        assert placed == pytest.approx(wanted)


@given(st.integers(1, 300), st.data())
def test_the_moments_shown_hold_the_stop_and_the_end(n_steps: int, data: st.DataObject) -> None:
    stop = data.draw(st.integers(1, n_steps))
    shown = moments(n_steps, stop)
    assert {stop, n_steps} <= set(shown)
    assert shown == sorted(set(shown))
    assert 1 <= shown[0] <= shown[-1] == n_steps
    assert len(shown) <= 6


def test_the_truth_of_a_window_is_what_is_labelled_longest_in_it() -> None:
    card = card_of("gestures")
    spans = (GestureSpan(0, 0, 5_200_000), GestureSpan(4, 5_300_000, 9_000_000), GestureSpan(8, 9_000_000, 9_500_000))
    window = labelled(frames(card), "one", spans)
    assert window.truth == 4
    assert [one.label for one in window.spans] == [0, 4]
    assert labelled(frames(card), "one", spans[2:]).truth is None


@pytest.mark.skipif(cv2.__version__ != OPENCV, reason=f"the digests are of the letters of OpenCV {OPENCV}")
@pytest.mark.parametrize("name", NAMES)
def test_the_picture_looks_as_it_did(name: str) -> None:
    assert digest(explanations()[name]) == GOLDEN[name]


def digest(explanation: Explanation) -> str:
    return hashlib.sha256(image_of(explanation).tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    for name, explanation in explanations().items():
        print(f'    "{name}": "{digest(explanation)}",')
        (Path(sys.argv[1]) / f"{name}.png").write_bytes(picture(explanation))
