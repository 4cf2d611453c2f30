"""The plots of a report: one function a plot, from `evaluation.json` to a PNG.

Every rule has its colour (`page.colours`) in all of them. Time axes begin at 0 and end where nothing more happens
(`shown_steps`), the same in all plots of a page.
"""

import io
from collections.abc import Callable
from math import ceil
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spikecut.tools.reports.page.colours import GRID, MUTED, TEXT, colour_of, line_of, mark_of
from spikecut.tools.time_unit import pace_in

Evaluation = dict[str, Any]
Plot = Callable[[Axes, Evaluation], None]
_SWEPT = {
    "top2_gap": ("topk", "Top-K gap"),
    "confidence": ("confidence", "confidence"),
    "entropy": ("entropy", "entropy"),
}
_MOST_ANSWERED = 0.99  # of a rule's answers lie on the axis


def png(draw: Plot, evaluation: Evaluation, width: float = 7.2) -> bytes:
    """One picture, 4.2 inches high at 130 dots an inch."""
    figure = Figure(figsize=(width, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.grid(color=GRID, alpha=0.6, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=TEXT)
    axes.xaxis.label.set_color(TEXT)
    axes.yaxis.label.set_color(TEXT)
    axes.set_axisbelow(True)
    draw(axes, evaluation)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    return file.getvalue()


def shown_steps(evaluation: Evaluation) -> int:
    """How many steps the time axes show: to where 99 % of every rule's answers are given, and the accuracy stays.

    The means of all rules, the constants of equal loss and the zero-loss floor lie on the axis, too.
    """
    horizon = int(evaluation["horizon"])
    accuracy = np.array(evaluation["anytime"]["accuracy"], float)[:, 0]
    apart = np.flatnonzero(np.abs(accuracy - accuracy[-1]) > 0.01)
    ends = [float(apart[-1] + 2) if len(apart) else 1.0, float(evaluation["anytime"]["floor"])]
    for row in evaluation["rules"]:
        answered = np.cumsum(np.add(row["right_by_step"], row["wrong_by_step"]))
        ends.append(float(np.searchsorted(answered, _MOST_ANSWERED * answered[-1]) + 1))
        ends += [row["mean_steps"][2], float(row["fixed_steps"])]
    return min(horizon, max(2, ceil(1.1 * max(ends))))


def trade(axes: Axes, evaluation: Evaluation) -> None:
    """Accuracy against mean time: scores swept over thresholds, constants, and every fitted rule as a point."""
    pace = pace_in(evaluation)
    ms = pace.factor
    by_step = np.array(evaluation["anytime"]["accuracy"], float) * 100
    times = ms * np.arange(1, len(by_step) + 1)
    colour = colour_of("fixed")
    axes.plot(times, by_step[:, 0], color=colour, label="every constant", linewidth=1.4)
    axes.fill_between(times, by_step[:, 1], by_step[:, 2], color=colour, alpha=0.14, linewidth=0)
    for one in evaluation["curves"]:
        rule, name = _SWEPT[one["score"]]
        colour = colour_of(rule)
        steps, accuracy = ms * np.array(one["mean_steps"]), 100 * np.array(one["accuracy"])
        axes.plot(steps[:, 0], accuracy[:, 0], color=colour, linewidth=1.2, label=f"{name}, swept")
        axes.fill_between(steps[:, 0], accuracy[:, 1], accuracy[:, 2], color=colour, alpha=0.1, linewidth=0)
    names = [row["name"] for row in evaluation["rules"]]
    for row in evaluation["rules"]:
        (x, *x_ends), (y, *y_ends) = (np.array(row[name]) for name in ("mean_steps", "accuracy"))
        x_error, y_error = [[x - x_ends[0]], [x_ends[1] - x]], [[y - y_ends[0]], [y_ends[1] - y]]
        axes.errorbar(
            ms * x, 100 * y, 100 * np.array(y_error), ms * np.array(x_error), fmt=mark_of(row["name"], names), ms=6,
            color=colour_of(row["name"]), mec="white", mew=0.7, elinewidth=0.9, label=row["name"],
        )  # fmt: skip
    full = by_step[-1, 0]
    label = f"full window: {full:.1f} % at {pace.whole(evaluation['horizon'])}"
    axes.axhline(full, color=TEXT, linestyle=(0, (1, 2)), linewidth=1, label=label)
    floor = ms * evaluation["anytime"]["floor"]
    axes.axvline(floor, color=MUTED, linestyle=":", linewidth=1, label="zero-loss floor (knows the truth)")
    lows = [100 * row["accuracy"][1] for row in evaluation["rules"]]
    low = max(0.0, min([full - 10, *(one - 3 for one in lows)]))
    axes.set_ylim(low, min(101.0, max(full, *by_step[:, 0]) + 3))
    axes.set_ylabel("right, %")
    _time_axis(axes, evaluation, f"mean decision time, {pace.unit}")
    _legend(axes, loc="lower right", ncols=2)


def by_time(axes: Axes, evaluation: Evaluation) -> None:
    """The anytime curve: accuracy if all recordings were stopped after each step, and the calibration error."""
    pace = pace_in(evaluation)
    accuracy = 100 * np.array(evaluation["anytime"]["accuracy"])
    times = pace.factor * np.arange(1, len(accuracy) + 1)
    colour = colour_of("fixed")
    axes.plot(times, accuracy[:, 0], color=colour, label="right, %")
    axes.fill_between(times, accuracy[:, 1], accuracy[:, 2], color=colour, alpha=0.18, linewidth=0)
    error = 100 * np.array(evaluation["anytime"]["calibration_error"])
    axes.plot(times, error, color=TEXT, linestyle="--", linewidth=1.2, label="calibration error, points")
    axes.set_ylim(0, 101)
    _time_axis(axes, evaluation, f"time since the beginning, {pace.unit}")
    _legend(axes, loc="center right")


def early(axes: Axes, evaluation: Evaluation) -> None:
    """Top-1 and Top-5 against the observed share of the window, all of it; above, the time where a step has one."""
    curve = evaluation["early"]
    share = 100 * np.array(curve["share"])
    styles = {"top1": ("Top-1", colour_of("fixed"), "-"), "top5": ("Top-5", TEXT, "--")}
    for name, (label, colour, line) in styles.items():
        if curve[name] is not None:
            right = 100 * np.array(curve[name], float)
            axes.plot(share, right[:, 0], color=colour, linestyle=line, label=label)
            axes.fill_between(share, right[:, 1], right[:, 2], color=colour, alpha=0.14, linewidth=0)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 101)
    axes.set_xlabel("observed, % of the window")
    axes.set_ylabel("right, %")
    if curve["ms"] is not None:
        factor = curve["ms"][-1] / 100
        above = axes.secondary_xaxis("top", functions=(lambda part: part * factor, lambda ms: ms / factor))
        above.set_xlabel("observed, ms", color=TEXT)
        above.tick_params(colors=TEXT)
    _legend(axes, loc="lower right")


def decisions(name: str) -> Plot:
    """Histogram of one rule's decision times, right ones in its colour, and wrong."""

    def draw(axes: Axes, evaluation: Evaluation) -> None:
        pace = pace_in(evaluation)
        ms = pace.factor
        row = next(row for row in evaluation["rules"] if row["name"] == name)
        right, wrong = np.array(row["right_by_step"]), np.array(row["wrong_by_step"])
        times = ms * np.arange(1, len(right) + 1)
        axes.bar(times, right, width=0.9 * ms, color=colour_of(name), label="right")
        axes.bar(times, wrong, width=0.9 * ms, bottom=right, color=TEXT, label="wrong")
        mean = f"mean, {pace.text(row['mean_steps'][0])}"
        axes.axvline(ms * row["mean_steps"][0], color=MUTED, linewidth=1.4, label=mean)
        if row["fixed_steps"]:
            label = "constant of equal calibrated loss"
            axes.axvline(ms * row["fixed_steps"], color=MUTED, linestyle="--", linewidth=1.2, label=label)
        n_later = int((right + wrong)[shown_steps(evaluation) :].sum())
        if n_later:
            axes.plot([], [], linestyle="", label=f"{n_later} later")
        axes.set_ylabel(pace.things)
        axes.set_ylim(0, 1.06 * max(1, int((right + wrong).max())))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        _time_axis(axes, evaluation, f"decision time of {name}, {pace.unit}")
        _legend(axes, loc="upper right")

    return draw


def early_loss(axes: Axes, evaluation: Evaluation) -> None:
    """Of the answers given by each time, the share that turned from right to wrong."""
    pace = pace_in(evaluation)
    names = [row["name"] for row in evaluation["rules"]]
    for row in evaluation["rules"]:
        name = row["name"]
        shares = np.array([np.nan if share is None else 100 * share for share in row["early_loss_by_step"]], float)
        axes.plot(
            pace.factor * np.arange(1, len(shares) + 1), shares,
            color=colour_of(name), linestyle=line_of(name, names), linewidth=1.5, label=name,
        )  # fmt: skip
    axes.set_ylabel("right at the end, wrong now, %")
    axes.set_ylim(bottom=0)
    _time_axis(axes, evaluation, f"answers given by, {pace.unit}")
    _legend(axes, loc="upper right", ncols=2)


def risk(axes: Axes, evaluation: Evaluation) -> None:
    """Risk against coverage: the error of the most confident answers of the full window."""
    risk_curve = evaluation["risk_coverage"]
    axes.plot(100 * np.array(risk_curve["coverage"]), 100 * np.array(risk_curve["risk"]), color=TEXT)
    axes.set_xlabel("answers given, % (the most confident first)")
    axes.set_ylabel("of these wrong, %")
    axes.set_ylim(bottom=0)


def confusion(name: str) -> Plot:
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


def _time_axis(axes: Axes, evaluation: Evaluation, label: str) -> None:
    """From 0 to `shown_steps`; where the window is longer, its length is in the label."""
    pace, n_steps = pace_in(evaluation), shown_steps(evaluation)
    axes.set_xlim(0, pace.factor * (n_steps + 0.5))
    whole = n_steps == evaluation["horizon"]
    axes.set_xlabel(label if whole else f"{label} (the window goes on to {evaluation['horizon'] * pace.factor:g})")


_Place = Literal["lower right", "center right", "upper right"]


def _legend(axes: Axes, *, loc: _Place, ncols: int = 1) -> None:
    """At a given place: the best one is searched for, and on a busy machine matplotlib warns that it takes long."""
    axes.legend(loc=loc, fontsize=7.5, labelcolor=TEXT, facecolor="white", edgecolor=GRID, ncols=ncols)
