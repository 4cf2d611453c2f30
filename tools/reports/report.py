"""`spikecut report`: one self-contained page from an evaluation, pictures beside it; or two evaluations, paired."""

import base64
import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import spikecut
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.atomic_files import claimed, refuse_existing, write_bytes, write_text
from spikecut.sources.formats.reading.files import check_name
from spikecut.tools.reports import plots
from spikecut.tools.reports.comparison import compared
from spikecut.tools.reports.evaluation_file import check_shown
from spikecut.tools.reports.rendering import render
from spikecut.tools.reports.run_results import evaluation_of
from spikecut.tools.time_unit import pace_in

if TYPE_CHECKING:
    from spikecut.tools.commands.measure.report import Report

_RULE_COLUMNS = (
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
_PLANNED_COLUMNS = ("rule", "steps + policy", "cost", "right", "cost of confidence", "right", "gain, points")


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of a table as text, and its interval where it has one."""

    value: str
    interval: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot of the page: its caption, and the PNG in base64."""

    text: str
    data: str


def run_report(options: "Report") -> int:
    """The command: writes `report.html` and its PNGs beside the evaluation, or prints two evaluations' differences.

    Raises:
        ConfigError: if neither or both are given, or the page exists already.
        ModelError: if a folder holds no evaluation.
    """
    run, out = options.run_, options.out
    if (run is None) == (options.compare is None):
        raise ConfigError("report on one run, or --compare two", hint="spikecut report RUN, or --compare A B")
    if options.compare is not None:
        print(compared(*options.compare, options.seed))
        return 0
    assert run is not None
    check_name(run)
    target = out or run / "report.html"
    refuse_existing(target, overwrite=options.overwrite)
    evaluation = evaluation_of(run, options.seed)
    check_shown(run, evaluation)
    command = ["spikecut", "report", str(run), *(["--out", str(out)] if out else [])]
    with claimed(target):
        text = page(evaluation, run, target.parent, shlex.join(command))
        write_text(target, text, overwrite=options.overwrite)
    print(target)
    return 0


def page(evaluation: dict[str, Any], run: Path, folder: Path, command: str) -> str:
    """The page as text; every plot is also written into `folder` as a PNG."""
    unit = pace_in(evaluation)
    heads = _RULE_COLUMNS if any(row["coverage"] for row in evaluation["rules"]) else _RULE_COLUMNS[:-1]
    return render(
        "report.html",
        evaluation=evaluation,
        data_name=_data_name(evaluation),
        things=unit.things,
        window=_window(evaluation),
        heads=heads,
        rows=[row[: len(heads)] for row in _rule_rows(evaluation)],
        planned_heads=_PLANNED_COLUMNS,
        planned=_planned_rows(evaluation),
        figures=_figures(evaluation, folder),
        command=command,
        version=spikecut.__version__,
        run=str(run),
    )


def _data_name(evaluation: dict[str, Any]) -> str:
    """The name of the data, and of an unfinished run how far it is."""
    name, part = Path(evaluation["data"]).name, evaluation.get("unfinished")
    return f"{name} (unfinished: {part['n_done']} of {part['n_items']} recordings)" if part else name


def _figures(evaluation: dict[str, Any], folder: Path) -> dict[str, list[Figure]]:
    """The plots of each section of the page."""
    plotted = partial(_figure, evaluation, folder)
    names, main = [row["name"] for row in evaluation["rules"]], _main_rule(evaluation)
    return {
        "time": [
            plotted("trade", plots.trade, "Right answers against the mean time of the decision. Lines: one score swept "
                    "over all thresholds, and every constant; points: the fitted rules. Bands and bars are 95 % "
                    "intervals."),
            plotted("anytime", plots.by_time, "What is known after each step: accuracy if every recording stopped "
                    "there, and how far confidence is from accuracy."),
        ],
        "decisions": [plotted(f"decisions_{name}", plots.decisions(name), f"When {name} answers.") for name in names],
        "cost": [
            plotted("early_loss", plots.early_loss, "What early answers cost: of those given by a time, the share that "
                    "would have been right at the end of the window and is wrong."),
            plotted("risk", plots.risk, "If the network kept silent when it is least confident, at the end of the "
                    "window."),
        ],
        "classes": [
            plotted(f"confusion_{main}", plots.confusion(main), f"Truth and answer of {main}, per cent of each class.")
        ] if main else [],
    }  # fmt: skip


def _window(evaluation: dict[str, Any]) -> str:
    pace = pace_in(evaluation)
    steps = "" if pace.unit == "steps" else f"steps of {pace.factor:g} ms, "
    return f"{steps}window of {evaluation['horizon']} steps"


def _main_rule(evaluation: dict[str, Any]) -> str | None:
    names: list[str] = [row["name"] for row in evaluation["rules"]]
    promised = [name for name in names if name.startswith("ltt-")]
    return next(iter(promised or names), None)


def _figure(evaluation: dict[str, Any], folder: Path, name: str, draw: Any, text: str) -> Figure:
    """Draws one plot and writes its PNG."""
    image = plots.png(draw, evaluation)
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
    write_bytes(folder / f"{safe}.png", image, overwrite=True)
    return Figure(text, base64.b64encode(image).decode())


def _rule_rows(evaluation: dict[str, Any]) -> list[list[Cell]]:
    """One row for the full window, one for each rule."""
    unit = pace_in(evaluation)
    full = _cell(evaluation["anytime"]["accuracy"][-1], 100, ".1f", " %")
    rows = [[Cell("full window"), full, Cell(""), Cell(unit.whole(evaluation["horizon"])), *[Cell("")] * 6]]
    for row in evaluation["rules"]:
        rows.append(
            [
                Cell(row["name"]),
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
        )
    return rows


def _planned_rows(evaluation: dict[str, Any]) -> list[list[Cell]]:
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
