"""The texts and tables of a page: the sentence that says the result, the rows of the rules."""

from dataclasses import dataclass
from typing import Any

from spikecut.tools.reports.page.colours import colour_of
from spikecut.tools.time_unit import pace_in

FULL_WINDOW = "full window"
RULE_COLUMNS = (
    "rule",
    "right",
    "loss, points",
    "mean time",
    "earlier than the full window",
    "constant of equal calibrated loss",
    "earlier than that",
    "early loss",
    "same as full",
    "sets that hold the truth",
)
PLANNED_COLUMNS = ("rule", "steps + policy", "cost", "right", "cost of confidence", "right", "gain, points")


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of a table as text, its interval where it has one, and of a rule's name its colour."""

    value: str
    interval: str = ""
    colour: str = ""


def default_rule(evaluation: dict[str, Any]) -> str | None:
    """The rule that a page shows first: the network's default, else one with a promise, else the first."""
    names: list[str] = [row["name"] for row in evaluation["rules"]]
    default = evaluation.get("default_rule")
    if default in names:
        return str(default)
    return next((name for name in names if name.startswith("ltt-")), next(iter(names), None))


def sentence(evaluation: dict[str, Any]) -> str:
    """The result in plain words: how many answers are right, with n and interval, and after which time."""
    unit, n, name = pace_in(evaluation), evaluation["n"], default_rule(evaluation)
    full = evaluation["anytime"]["accuracy"][-1]
    window = f"the full window of {unit.whole(evaluation['horizon'])}"
    things = unit.things if n != 1 else unit.things.removesuffix("s")
    if name is None:
        return f"After {window}, {evaluation['model']} names {_share(full)} of {n} {things} right ({_interval(full)})."
    row = next(one for one in evaluation["rules"] if one["name"] == name)
    steps, low, high = row["mean_steps"]
    factor, form = unit.factor, unit.form
    span = "" if low == high else f" ({low * factor:{form}} to {high * factor:{form}})"
    return (
        f"With {name}, {evaluation['model']} names {_share(row['accuracy'])} of {n} {things} right "
        f"({_interval(row['accuracy'])}) after {unit.text(steps)} on average{span}, {row['earlier_than_full'][0]:.1f} "
        f"times earlier than {window}, which names {_share(full)} right ({_interval(full, short=True)})."
    )


def _share(triple: Any) -> str:
    return f"{100 * triple[0]:.1f} %"


def _interval(triple: Any, *, short: bool = False) -> str:
    low, high = 100 * triple[1], 100 * triple[2]
    return f"{low:.1f} to {high:.1f}" if short else f"95 % interval {low:.1f} to {high:.1f} %"


def rule_rows(evaluation: dict[str, Any]) -> dict[str, list[Cell]]:
    """One row for the full window, one for each rule, by its name."""
    unit = pace_in(evaluation)
    full = _cell(evaluation["anytime"]["accuracy"][-1], 100, ".1f", " %")
    whole = Cell(unit.whole(evaluation["horizon"]))
    rows = {FULL_WINDOW: [Cell(FULL_WINDOW), full, Cell(""), whole, *[Cell("")] * 6]}
    for row in evaluation["rules"]:
        rows[row["name"]] = [
            Cell(row["name"], colour=colour_of(row["name"])),
            _cell(row["accuracy"], 100, ".1f", " %"),
            _cell(row["loss"], 1, ".1f"),
            _cell(row["mean_steps"], unit.factor, unit.form, f" {unit.unit}"),
            _cell(row["earlier_than_full"], 1, ".2f", "x"),
            Cell(unit.whole(row["fixed_steps"]) if row["fixed_steps"] else ""),
            _cell(row["earlier_than_fixed"], 1, ".2f", "x"),
            _cell(row["early_loss"], 1, ".1f", " %"),
            _cell(row["agreement"], 100, ".1f", " %"),
            _cell(row["coverage"], 100, ".1f", " %"),
        ]
    return rows


def planned_rows(evaluation: dict[str, Any]) -> list[list[Cell]]:
    """The computing cost of planned rules, their policy included, beside SEENN-I at the same cost."""
    rows = []
    for row in evaluation["rules"]:
        if same := row.get("equal_cost"):
            rows.append(
                [
                    Cell(row["name"]),
                    Cell(f"{row['mean_steps'][0]:.2f} + {row.get('policy_cost', 0.0):.2f}"),
                    _cell(same["cost"], 1, ".2f"),
                    _cell(same["accuracy"], 100, ".1f", " %"),
                    _cell(same["other_cost"], 1, ".2f"),
                    _cell(same["other_accuracy"], 100, ".1f", " %"),
                    _cell(same["gain"], 1, "+.1f"),
                ]
            )
    return rows


def _cell(triple: Any, factor: float, form: str, unit: str = "") -> Cell:
    """A value with its interval `(value, low, high)`; empty for none."""
    if triple is None:
        return Cell("")
    value, low, high = (factor * one for one in triple)
    return Cell(f"{value:{form}}{unit}", "" if low == high else f"{low:{form}} to {high:{form}}")
