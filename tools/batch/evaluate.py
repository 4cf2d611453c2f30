"""`spikecut evaluate`: all fitted rules on one pass of recorded outputs; a folder of results that `report` reads."""

import json
import shlex
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from spikecut.models.files import opening
from spikecut.pipeline.files.atomic_files import claimed, refuse_existing
from spikecut.pipeline.metrics.early_curve import EarlyCurve
from spikecut.pipeline.metrics.intervals import Estimate
from spikecut.sources.datasets import is_dataset
from spikecut.sources.formats.reading.files import check_name
from spikecut.tools.batch.evaluation import Evaluated, evaluated
from spikecut.tools.batch.evaluation_files import write_evaluation
from spikecut.tools.batch.executors import executor_of
from spikecut.tools.batch.gathered import Gathered, overlap_text
from spikecut.tools.batch.network_choice import network_for_data, shown_name
from spikecut.tools.batch.outputs import Named, Passing, gather
from spikecut.tools.batch.run_folder.folder import CARD, LOG, QUARANTINE, Opening, remove_run
from spikecut.tools.cutoff_lookup import cutoffs_for, shared_policy, warn_of_fits, with_equal_cost
from spikecut.tools.flags import command_line
from spikecut.tools.reading_options import read_options
from spikecut.tools.time_unit import pace_of

if TYPE_CHECKING:
    from spikecut.tools.commands.measure.evaluate import Evaluate


def run_evaluate(options: "Evaluate") -> int:
    """The command: prints the table, and writes `evaluation.json`, `outputs.npz` and CSV files into a folder.

    Until then the folder keeps the outputs as a run, which the same command goes on with (where pyarrow is installed).

    Raises:
        ConfigError: if the folder holds an evaluation already.
    """
    assert options.out is not None  # `refuse_early`
    target, outputs = options.out / "evaluation.json", options.out / "outputs.npz"
    for path in (target, outputs):
        refuse_existing(path, overwrite=options.overwrite)
    with claimed(target, outputs):
        return _evaluate(options, target)


def _evaluate(options: "Evaluate", target: Path) -> int:
    reading = read_options(options)
    weights = network_for_data(options.model, options.folder, text=reading.text is not None)
    rules = with_equal_cost(cutoffs_for(options.cutoff, weights, opening.card_of(weights)))
    network, policy = Named(str(weights), options.engine), shared_policy(rules.values())
    how = _passing(options)
    gathered = gather(options.folder, network, options.part, reading, policy, how)
    whole = evaluated(gathered, rules, options.seed, _command(options, gathered), str(options.folder))
    evaluation = write_evaluation(target, whole.document, gathered, whole.tables, overwrite=options.overwrite)
    if how.out is not None:
        remove_run(how.out, but=(QUARANTINE, LOG))  # outputs.npz holds it all
    if options.json:
        print(json.dumps(evaluation, allow_nan=False))
    else:
        _print(gathered, whole)
        print(target)
    _warn(gathered, evaluation["fitted_here"])
    warn_of_fits(rules, gathered.fit)
    return 3 if gathered.n_damaged else 0


def _passing(options: "Evaluate") -> Passing:
    """How the pass is made; what an earlier one has kept needs none."""
    check_name(options.folder)
    recorded = (options.folder / CARD).is_file() or (options.folder.is_file() and not is_dataset(options.folder))
    kept = not recorded and find_spec("pyarrow") is not None
    return Passing(
        executor=executor_of(options),
        out=options.out if kept else None,
        opening=Opening(anew=options.overwrite, among_others=True),
        command=command_line("evaluate", options),
        otherwise="with pip install 'spikecut[replay]' the same command would go on",
    )


def _command(options: "Evaluate", gathered: Gathered) -> str:
    """The command line that makes an evaluation again."""
    command = ["spikecut", "evaluate", str(options.folder), "--model", shown_name(gathered.weights)]
    command += ["--part", gathered.part, "--out", str(options.out), "--seed", str(options.seed)]
    return shlex.join([*command, *(["--cutoff", *options.cutoff] if options.cutoff else [])])


def _warn(gathered: Gathered, fitted_here: Sequence[str]) -> None:
    """Warns on stderr if figures are too optimistic, or about some of the recordings only."""
    if gathered.unfinished:
        n_done, n_items = gathered.unfinished
        print(f"warning: an unfinished run: {n_done} of its {n_items} recordings are done", file=sys.stderr)
    if gathered.n_trained_on:
        print(f"warning: {overlap_text(gathered.n_trained_on, gathered.card)} trained the network", file=sys.stderr)
    if fitted_here:
        print(
            f"warning: fitted on these very {pace_of(gathered.card.spec).things}, so their figures flatter: "
            + ", ".join(fitted_here),
            file=sys.stderr,
        )


def _print(gathered: Gathered, figures: Evaluated) -> None:
    whole, rows = figures.whole, figures.rows
    card, pace = gathered.card, pace_of(gathered.card.spec)
    what = f"{len(gathered.recorded)} {pace.things} ({gathered.part})"
    title = f"{card.name}, {what}; 95 % intervals; a sweep, nothing was stopped"
    table = Table(title=title, box=None, padding=(0, 1), collapse_padding=True, pad_edge=False, header_style="bold")
    columns = ["rule", "right", "loss", "time", "x full", "fixed", "x fixed", "early loss", "as full"]
    if any(row["coverage"] for row in rows):
        columns.append("set")
    for column in columns:
        table.add_column(column, justify="left" if column == "rule" else "right", no_wrap=True)
    full = whole.accuracy[-1]
    table.add_row("full window", _cell(full, 100, ".1f", " %"), "", pace.whole(card.horizon))
    for row in rows:
        cells = (
            row["name"],
            _cell(_estimate(row["accuracy"]), 100, ".1f", " %"),
            _cell(_estimate(row["loss"]), 1, ".1f"),
            _cell(_estimate(row["mean_steps"]), pace.factor, pace.form, f" {pace.unit}"),
            _cell(_estimate(row["earlier_than_full"]), 1, ".2f"),
            pace.whole(row["fixed_steps"]) if row["fixed_steps"] else "",
            _cell(_estimate(row["earlier_than_fixed"]), 1, ".2f"),
            _cell(_estimate(row["early_loss"]), 1, ".1f", " %"),
            _cell(_estimate(row["agreement"]), 100, ".1f", " %"),
            _cell(_estimate(row["coverage"]), 100, ".1f", " %"),
        )
        table.add_row(*cells[: len(columns)])
    sets = " set: prediction sets that hold the truth." if "set" in columns else ""
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for row in rows:
        if row["equal_cost"]:
            console.print(_planned(row), highlight=False)
    console.print(
        "loss: points against the full window, read as the rule reads it. early loss: of the answers before the end,\n"
        f"those that turn from right to wrong. as full: same answer as the full window.{sets}\n"
        f"Without any rule: mean accuracy over the steps {whole.area:.3f}, optimal cutoff step {whole.oct:.1f}, "
        f"AET {whole.aet:.1f}, first right answer {whole.earliest:.1f}, zero-loss floor {whole.floor:.1f} steps.\n"
        + _early(figures.early),
        style="dim",
    )


def _early(early: EarlyCurve) -> str:
    """Top-1 and Top-5 after some shares of the window."""
    horizon = len(early.share)
    steps = sorted({max(1, round(share * horizon)) for share in (0.1, 0.2, 0.3, 0.5, 1.0)})

    def shown(values: Sequence[Estimate]) -> str:
        return ", ".join(f"{100 * values[t - 1].value:.1f}" for t in steps)

    text = f"Observed {', '.join(f'{100 * early.share[t - 1]:.0f}' for t in steps)} % of the window: Top-1 "
    return f"{text}{shown(early.top1)} %" + ("." if early.top5 is None else f"; Top-5 {shown(early.top5)} %.")


def _planned(row: dict[str, Any]) -> str:
    """The cost of a planned rule with its policy, and SEENN-I at the same cost."""
    same = {name: Estimate(**raw) for name, raw in row["equal_cost"].items()}
    steps, gain = same["cost"].value - row["policy_cost"], same["gain"]
    return (
        f"{row['name']}: {same['accuracy'].value:.1%} right for {same['cost'].value:.2f} steps ({steps:.2f} + "
        f"{row['policy_cost']:.2f} for its policy). Confidence, set to cost as much on\nthe calibration recordings: "
        f"{same['other_accuracy'].value:.1%} for {same['other_cost'].value:.2f}. Planning gains {gain.value:+.1f} "
        f"points ({gain.low:+.1f} to {gain.high:+.1f})."
    )


def _estimate(raw: Any) -> Estimate | None:
    return Estimate(**raw) if isinstance(raw, dict) else raw


def _cell(one: Estimate | None, factor: float, form: str, unit: str = "") -> str:
    if one is None:
        return ""
    low, high = factor * one.low, factor * one.high
    return f"{factor * one.value:{form}}{unit}" + ("" if low == high else f"\n{low:{form}}–{high:{form}}")
