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
from spikecut.tools.reports.page.tables import (
    FULL_WINDOW,
    PLANNED_COLUMNS,
    RULE_COLUMNS,
    default_rule,
    planned_rows,
    rule_rows,
    sentence,
)
from spikecut.tools.reports.rendering import render
from spikecut.tools.reports.run_results import evaluation_of
from spikecut.tools.time_unit import pace_in

if TYPE_CHECKING:
    from spikecut.tools.commands.measure.report import Report
    from spikecut.tools.reports.page.wrong import Wrong, WrongAnswers

EARLY = (
    "Early recognition as others draw it: the share of answers that are right by observed time, and, of more than five "
    "classes, how often the true one is among the first five. Bands are 95 % intervals; the numbers are in early.csv."
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot of the page: its caption, and the PNG in base64."""

    text: str
    data: str


@dataclass(frozen=True, slots=True)
class ShownMistake:
    """A wrong answer on the page: its caption, the file that `spikecut why` would draw, and both pictures in base64."""

    wrong: "Wrong"
    time: str
    file: str
    small: str
    why: str


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
    """The page as text; every plot and the picture of every wrong answer shown is also written into `folder`."""
    from spikecut.tools.reports.page.wrong import wrong_answers  # it opens networks, which takes a while

    unit, main = pace_in(evaluation), default_rule(evaluation)
    heads = RULE_COLUMNS if any(row["coverage"] for row in evaluation["rules"]) else RULE_COLUMNS[:-1]
    rows = {name: row[: len(heads)] for name, row in rule_rows(evaluation).items()}
    first = [rows.pop(name) for name in (FULL_WINDOW, main) if name is not None]
    wrong = wrong_answers(run, evaluation, main) if main else None
    return render(
        "report.html",
        evaluation=evaluation,
        sentence=sentence(evaluation),
        main=main,
        promises={row["name"]: row["promise"] for row in evaluation["rules"]},
        data_name=_data_name(evaluation),
        things=unit.things,
        window=_window(evaluation),
        heads=heads,
        first=first,
        others=list(rows.values()),
        planned_heads=PLANNED_COLUMNS,
        planned=planned_rows(evaluation),
        figures=_figures(evaluation, folder),
        wrong=wrong,
        pictures=_wrong_pictures(wrong, evaluation, folder) if wrong else [],
        command=command,
        version=spikecut.__version__,
        run=str(run),
    )


def _wrong_pictures(wrong: "WrongAnswers", evaluation: dict[str, Any], folder: Path) -> list[ShownMistake]:
    """The pictures of wrong answers; those of `spikecut why` are written beside the page, too."""
    unit, pictures = pace_in(evaluation), []
    for number, one in enumerate(wrong.pictures, start=1):
        file = f"{_safe(f'wrong_{number:02}_{Path(one.wrong.recording).stem}')}.png"
        write_bytes(folder / file, one.why, overwrite=True)
        small, why = (base64.b64encode(image).decode() for image in (one.small, one.why))
        pictures.append(ShownMistake(one.wrong, unit.whole(one.wrong.steps), file, small, why))
    return pictures


def _data_name(evaluation: dict[str, Any]) -> str:
    """The name of the data, and of an unfinished run how far it is."""
    name, part = Path(evaluation["data"]).name, evaluation.get("unfinished")
    return f"{name} (unfinished: {part['n_done']} of {part['n_items']} recordings)" if part else name


def _figures(evaluation: dict[str, Any], folder: Path) -> dict[str, list[Figure]]:
    """The plots of each section of the page."""
    plotted = partial(_figure, evaluation, folder)
    names, main = [row["name"] for row in evaluation["rules"]], default_rule(evaluation)
    answers = {name: (f"decisions_{name}", plots.decisions(name), f"When {name} answers.") for name in names}
    return {
        "main": [plotted(*answers.pop(main))] if main else [],
        "others": [plotted(*one) for one in answers.values()],
        "time": [
            plotted("trade", plots.trade, "Right answers against the mean time of the decision. Lines: one score swept "
                    "over all thresholds, and every constant; points: the fitted rules. Bands and bars are 95 % "
                    "intervals."),
            plotted("anytime", plots.by_time, "What is known after each step: accuracy if every recording stopped "
                    "there, and how far confidence is from accuracy."),
            *([plotted("early", plots.early, EARLY)] if "early" in evaluation else []),
        ],
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


def _figure(evaluation: dict[str, Any], folder: Path, name: str, draw: plots.Plot, text: str) -> Figure:
    """Draws one plot and writes its PNG."""
    image = plots.png(draw, evaluation)
    write_bytes(folder / f"{_safe(name)}.png", image, overwrite=True)
    return Figure(text, base64.b64encode(image).decode())


def _safe(name: str) -> str:
    """A file's name without signs that mean something elsewhere."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
