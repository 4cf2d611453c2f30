"""The page of `spikecut report`: its first sentence, the colours of rules, and where its time axes end."""

import re
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from numpy import ndarray

from spikecut.pipeline.rules import RULES
from spikecut.tools.reports import plots
from spikecut.tools.reports.page.colours import RULE_COLOURS, colour_of, kind_of, line_of, mark_of
from spikecut.tools.reports.page.tables import default_rule, rule_rows, sentence

STEPS = 40
NAMES = ("ltt-1pt", "ltt-2pt", "fixed-1pt", "topk-1pt", "confidence-1pt", "my_own-1pt")


def rule(name: str, steps: float, accuracy: float) -> dict[str, Any]:
    """A rule that answers all 200 recordings within six steps around the mean."""
    right = [0] * STEPS
    right[round(steps) - 3 : round(steps) + 3] = [30, 30, 40, 40, 30, 20]
    wrong = [0] * STEPS
    wrong[round(steps)] = 10
    return {
        "name": name,
        "promise": f"what {name} promises",
        "accuracy": [accuracy, accuracy - 0.02, accuracy + 0.01],
        "mean_steps": [steps, steps - 0.5, steps + 0.5],
        "earlier_than_full": [STEPS / steps, STEPS / steps - 0.1, STEPS / steps + 0.1],
        "fixed_steps": round(steps) + 2,
        "early_loss_by_step": [None] * 5 + [0.01] * (STEPS - 5),
        "right_by_step": right,
        "wrong_by_step": wrong,
    }


def evaluation_of(**changes: Any) -> dict[str, Any]:
    accuracy = [[min(0.97, 0.1 * t), min(0.97, 0.1 * t) - 0.02, min(0.97, 0.1 * t) + 0.01] for t in range(1, STEPS + 1)]
    curve = {"mean_steps": [[5.0, 4.5, 5.5], [9.0, 8.5, 9.5]], "accuracy": [[0.9, 0.88, 0.92], [0.96, 0.95, 0.97]]}
    return {
        "model": "mine",
        "n": 200,
        "step_us": 10_000,
        "unit": "ms",
        "horizon": STEPS,
        "default_rule": "confidence-1pt",
        "anytime": {"accuracy": accuracy, "calibration_error": [0.05] * STEPS, "floor": 3.0},
        "curves": [{"score": score, **curve} for score in ("top2_gap", "confidence", "entropy")],
        "rules": [rule(name, 7.0 + i / 8, 0.955 - i / 100) for i, name in enumerate(NAMES)],
        **changes,
    }


def test_the_first_sentence_has_the_figures_of_the_evaluation() -> None:
    evaluation = evaluation_of()
    row = evaluation["rules"][4]
    expected = [100 * row["accuracy"][0], 200, 95, *(100 * one for one in row["accuracy"][1:])]
    expected += [10 * one for one in row["mean_steps"]]
    expected += [row["earlier_than_full"][0], 10 * STEPS, 97, 95, 98]
    words = sentence(evaluation)
    assert words.startswith("With confidence-1pt, mine names ")
    figures = [float(one) for one in re.findall(r"\d+(?:\.\d+)?", words.removeprefix("With confidence-1pt"))]
    assert len(figures) == len(expected)
    for shown, true in zip(figures, expected, strict=True):
        assert shown == pytest.approx(true, abs=0.51 if true > 60 and shown == round(shown) else 0.051)


def test_without_a_rule_the_sentence_is_about_the_full_window_and_pictures_have_steps() -> None:
    words = sentence(evaluation_of(rules=[]))
    assert (
        words
        == "After the full window of 400 ms, mine names 97.0 % of 200 recordings right (95 % interval 95.0 to 98.0 %)."
    )
    assert " ms" not in sentence(evaluation_of(unit="steps"))
    assert "of 200 pictures right" in sentence(evaluation_of(unit="steps"))


def test_the_default_rule_is_the_networks_else_one_with_a_promise_else_the_first() -> None:
    assert default_rule(evaluation_of()) == "confidence-1pt"
    assert default_rule(evaluation_of(default_rule="gone-1pt")) == "ltt-1pt"
    old = evaluation_of(rules=[rule("topk-1pt", 8, 0.9)])
    del old["default_rule"]
    assert default_rule(old) == "topk-1pt"
    assert default_rule(evaluation_of(rules=[])) is None


def drawn(draw: plots.Plot, evaluation: dict[str, Any]) -> Axes:
    axes = Figure().subplots()
    draw(axes, evaluation)
    return axes


def colours_in(axes: Axes) -> dict[str, str]:
    """The colour of every entry of a legend, by its text."""
    handles, labels = axes.get_legend_handles_labels()
    colours = {}
    for handle, label in zip(handles, labels, strict=True):
        artist: Any = handle[0] if isinstance(handle, tuple) else handle
        colours[label] = to_hex(artist.get_facecolor() if hasattr(artist, "get_facecolor") else artist.get_color())
    return colours


def test_a_rule_has_one_colour_in_all_plots_and_in_the_table() -> None:
    evaluation = evaluation_of()
    rows = rule_rows({**evaluation, "rules": [{**row, **_UNUSED} for row in evaluation["rules"]]})
    trade, early = (colours_in(drawn(draw, evaluation)) for draw in (plots.trade, plots.early_loss))
    for name in NAMES:
        colours = {trade[name], early[name], colours_in(drawn(plots.decisions(name), evaluation))["right"]}
        assert colours == {colour_of(name)} == {rows[name][0].colour}
    assert trade["confidence, swept"] == colour_of("confidence-1pt")
    assert trade["Top-K gap, swept"] == colour_of("topk-0.5pt")
    fewer = evaluation_of(rules=evaluation["rules"][3:])
    assert colours_in(drawn(plots.trade, fewer))["topk-1pt"] == trade["topk-1pt"]


_UNUSED = dict.fromkeys(("loss", "earlier_than_fixed", "early_loss", "agreement", "coverage"))


def test_rules_of_one_kind_share_the_colour_and_differ_in_line_and_mark() -> None:
    names = ["ltt-0.5pt", "ltt-1pt", "ltt-2pt", "fixed-1pt"]
    assert len({colour_of(name) for name in names[:3]}) == 1
    for style in (line_of, mark_of):
        assert len({style(name, names) for name in names[:3]}) == 3


def test_every_rule_has_a_colour_of_its_own() -> None:
    assert set(RULES) <= set(RULE_COLOURS)
    assert len(set(RULE_COLOURS.values())) == len(RULE_COLOURS)
    assert all(kind_of(f"{name}-0.5pt") == name for name in RULES)
    assert colour_of("my_own-1pt") == colour_of("my_own-5pt")


# Machado, Oliveira, Fernandes, IEEE TVCG 15:1291 (2009): on linear RGB, severity 1.
_BLIND = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "none": np.eye(3).tolist(),
}
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_HUE_TURNED = np.array([[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]])  # CSS, by 180 degrees


def lab(rgb: Float64[ndarray, " 3"], sight: str) -> Float64[ndarray, " 3"]:
    """CIE L*a*b* of a colour as a person sees it."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(_BLIND[sight]) @ linear, 0, 1)
    xyz = _TO_XYZ @ linear / (_TO_XYZ @ np.ones(3))
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", _BLIND)
@pytest.mark.parametrize("ground", ["light", "dark"])
def test_the_rules_that_ship_are_told_apart_by_people_who_see_fewer_colours(sight: str, ground: str) -> None:
    """On a dark ground as the page's filter makes them. A distance of 2.3 is just noticed."""
    kinds = ("ltt", "confidence", "topk", "fixed", "entropy")
    seen_as = {}
    for kind in kinds:
        rgb = np.array(to_rgb(colour_of(kind)))
        rgb = np.clip(_HUE_TURNED @ (1 - rgb), 0, 1) if ground == "dark" else rgb
        seen_as[kind] = lab(rgb, sight)
    for one, other in combinations(kinds, 2):
        assert np.linalg.norm(seen_as[one] - seen_as[other]) > 15, (one, other)


def test_time_axes_end_where_nothing_more_happens_all_at_the_same_place() -> None:
    evaluation = evaluation_of()
    shown = plots.shown_steps(evaluation)
    assert 12 <= shown <= 16  # the answers end at step 11, the accuracy stays from 10 on
    for draw in (plots.trade, plots.by_time, plots.early_loss, *map(plots.decisions, NAMES)):
        axes = drawn(draw, evaluation)
        assert axes.get_xlim() == (0, 10 * (shown + 0.5))
        assert axes.get_xlabel().endswith("(the window goes on to 400)")


def test_an_axis_shows_nearly_all_answers_and_says_how_many_come_later() -> None:
    late = rule("confidence-1pt", 8, 0.95)
    late["right_by_step"][-1] = 1
    evaluation = evaluation_of(rules=[late])
    assert plots.shown_steps(evaluation) < 20
    assert "1 later" in drawn(plots.decisions("confidence-1pt"), evaluation).get_legend_handles_labels()[1]
    late["right_by_step"][-1] = 40
    assert plots.shown_steps(evaluation) == STEPS
    axes = drawn(plots.decisions("confidence-1pt"), evaluation)
    assert axes.get_xlabel() == "decision time of confidence-1pt, ms"


def test_the_early_curve_is_drawn_over_the_whole_window_in_per_cent_and_ms() -> None:
    """As others draw it: it does not end where nothing more happens. Top-5 is drawn where there is one."""
    right = [[t / STEPS, t / STEPS, t / STEPS] for t in range(1, STEPS + 1)]
    early = {"share": [t / STEPS for t in range(1, STEPS + 1)], "ms": [10.0 * t for t in range(1, STEPS + 1)]}
    figure = Figure()
    axes = figure.subplots()
    plots.early(axes, evaluation_of(early={**early, "top1": right, "top5": right}))
    assert axes.get_xlim() == (0, 100)
    assert list(colours_in(axes)) == ["Top-1", "Top-5"]
    (above,) = axes.child_axes
    figure.draw_without_rendering()
    assert above.get_xlim() == pytest.approx((0, 10 * STEPS))
    line = axes.get_lines()[0]
    for ends in (line.get_xdata(), line.get_ydata()):
        assert np.array(ends).tolist() == pytest.approx([100 * t / STEPS for t in range(1, STEPS + 1)])
    axes = drawn(plots.early, evaluation_of(early={**early, "ms": None, "top1": right, "top5": None}))
    assert list(colours_in(axes)) == ["Top-1"]
    assert axes.child_axes == []
