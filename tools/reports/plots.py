"""The plots of a report: one function a plot, from `evaluation.json` to a PNG."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spikecut.tools.time_unit import pace_in

Evaluation = dict[str, Any]
_NAMES = {"top2_gap": "Top-K gap, swept", "confidence": "confidence, swept", "entropy": "entropy, swept"}
_COLOURS = (
    "#0b6e99",
    "#c65d00",
    "#3c7d2f",
    "#7b4fa3",
    "#a8324a",
    "#5b6770",
    "#00857c",
    "#946b00",
    "#44508f",
    "#8c564b",
)
_RIGHT, _WRONG, _GREY = "#3c7d2f", "#c65d00", "#5b6770"


def png(draw: Callable[[Axes, Evaluation], None], evaluation: Evaluation, width: float = 7.2) -> bytes:
    """One picture, 4.2 inches high at 130 dots an inch."""
    figure = Figure(figsize=(width, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes, evaluation)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    return file.getvalue()


def trade(axes: Axes, evaluation: Evaluation) -> None:
    """Accuracy against mean time: scores swept over thresholds, constants, and every fitted rule as a point."""
    pace = pace_in(evaluation)
    ms = pace.factor
    by_step = np.array(evaluation["anytime"]["accuracy"], float) * 100
    times = ms * np.arange(1, len(by_step) + 1)
    axes.plot(times, by_step[:, 0], color=_GREY, label="fixed, every constant", linewidth=1.4)
    axes.fill_between(times, by_step[:, 1], by_step[:, 2], color=_GREY, alpha=0.12, linewidth=0)
    for one, colour in zip(evaluation["curves"], _COLOURS, strict=False):
        steps, accuracy = ms * np.array(one["mean_steps"]), 100 * np.array(one["accuracy"])
        axes.plot(steps[:, 0], accuracy[:, 0], color=colour, linewidth=1.2, label=_NAMES[one["score"]])
        axes.fill_between(steps[:, 0], accuracy[:, 1], accuracy[:, 2], color=colour, alpha=0.08, linewidth=0)
    for i, row in enumerate(evaluation["rules"]):
        colour, marker = _COLOURS[3 + i % 7], "osD^vP*X"[i // 7 % 8]
        (x, *x_ends), (y, *y_ends) = (np.array(row[name]) for name in ("mean_steps", "accuracy"))
        x_error, y_error = [[x - x_ends[0]], [x_ends[1] - x]], [[y - y_ends[0]], [y_ends[1] - y]]
        axes.errorbar(
            ms * x, 100 * y, 100 * np.array(y_error), ms * np.array(x_error),
            fmt=marker, ms=5, color=colour, elinewidth=0.9, label=row["name"],
        )  # fmt: skip
    floor = ms * evaluation["anytime"]["floor"]
    axes.axvline(floor, color=_GREY, linestyle=":", linewidth=1, label="zero-loss floor (knows the truth)")
    axes.set_xlabel(f"mean decision time, {pace.unit}")
    axes.set_ylabel("right, %")
    full = by_step[-1, 0]
    axes.set_ylim(max(0.0, full - 25), min(101.0, full + 4))
    axes.set_xlim(left=0)
    axes.legend(fontsize=7, loc="lower right", ncols=2)


def by_time(axes: Axes, evaluation: Evaluation) -> None:
    """The anytime curve: accuracy if all recordings were stopped after each step, and the calibration error."""
    pace = pace_in(evaluation)
    ms = pace.factor
    accuracy = 100 * np.array(evaluation["anytime"]["accuracy"])
    times = ms * np.arange(1, len(accuracy) + 1)
    axes.plot(times, accuracy[:, 0], color=_COLOURS[0], label="right, %")
    axes.fill_between(times, accuracy[:, 1], accuracy[:, 2], color=_COLOURS[0], alpha=0.15, linewidth=0)
    error = 100 * np.array(evaluation["anytime"]["calibration_error"])
    axes.plot(times, error, color=_COLOURS[1], linestyle="--", label="calibration error, points")
    axes.set_xlabel(f"time since the beginning, {pace.unit}")
    axes.set_ylim(0, 101)
    axes.legend(fontsize=8)


def decisions(name: str) -> Callable[[Axes, Evaluation], None]:
    """Histogram of one rule's decision times, right and wrong."""

    def draw(axes: Axes, evaluation: Evaluation) -> None:
        pace = pace_in(evaluation)
        ms = pace.factor
        row = next(row for row in evaluation["rules"] if row["name"] == name)
        right, wrong = np.array(row["right_by_step"]), np.array(row["wrong_by_step"])
        times = ms * np.arange(1, len(right) + 1)
        axes.bar(times, right, width=0.9 * ms, color=_RIGHT, label="right")
        axes.bar(times, wrong, width=0.9 * ms, bottom=right, color=_WRONG, label="wrong")
        axes.axvline(ms * row["mean_steps"][0], color="black", linewidth=1, label="mean")
        if row["fixed_steps"]:
            label = "constant of equal calibrated loss"
            axes.axvline(ms * row["fixed_steps"], color=_GREY, linestyle="--", linewidth=1, label=label)
        axes.set_xlabel(f"decision time, {pace.unit}")
        axes.set_ylabel(pace.things)
        axes.legend(fontsize=8)

    return draw


def early_loss(axes: Axes, evaluation: Evaluation) -> None:
    """Of the answers given by each time, the share that turned from right to wrong."""
    pace = pace_in(evaluation)
    ms = pace.factor
    for row, colour in zip(evaluation["rules"], _COLOURS * 3, strict=False):
        shares = np.array([np.nan if share is None else 100 * share for share in row["early_loss_by_step"]], float)
        axes.plot(ms * np.arange(1, len(shares) + 1), shares, color=colour, linewidth=1.2, label=row["name"])
    axes.set_xlabel(f"answers given by, {pace.unit}")
    axes.set_ylabel("right at the end, wrong now, %")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7, ncols=2)


def risk(axes: Axes, evaluation: Evaluation) -> None:
    """Risk against coverage: the error of the most confident answers of the full window."""
    risk_curve = evaluation["risk_coverage"]
    axes.plot(100 * np.array(risk_curve["coverage"]), 100 * np.array(risk_curve["risk"]), color=_COLOURS[0])
    axes.set_xlabel("answers given, % (the most confident first)")
    axes.set_ylabel("of these wrong, %")
    axes.set_ylim(bottom=0)


def confusion(name: str) -> Callable[[Axes, Evaluation], None]:
    """The confusion matrix at the decision, in per cent of the recordings of each true class."""

    def draw(axes: Axes, evaluation: Evaluation) -> None:
        counts = np.array(evaluation["confusion"][name], float)
        shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.grid(visible=False)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
        classes = [one if len(one) <= 22 else one[:21] + "…" for one in evaluation["classes"]]
        places = range(len(classes))
        if len(classes) <= 40:
            axes.set_xticks(places, classes, rotation=90, fontsize=7)
            axes.set_yticks(places, classes, fontsize=7)
        if len(classes) <= 15:
            for i in places:
                for j in places:
                    if counts[i, j]:
                        colour = "white" if shares[i, j] > 50 else "black"
                        axes.text(j, i, f"{shares[i, j]:.0f}", ha="center", va="center", fontsize=7, color=colour)
        axes.set_xlabel("answer")
        axes.set_ylabel("truth")

    return draw
