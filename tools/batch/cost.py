"""`spikecut cost`: time and operations that stopping early saves, measured one recording at a time."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from rich.console import Console
from rich.table import Table

from spikecut.models.files import opening
from spikecut.models.policy.network import macs_of_step
from spikecut.models.synaptic_operations import Operations, counting
from spikecut.pipeline.errors import EmptyRecording
from spikecut.pipeline.events import Frame
from spikecut.pipeline.files.atomic_files import claimed, refuse_existing, write_text
from spikecut.pipeline.lanes import leaves
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.results import Decision
from spikecut.pipeline.rules.step_budget import policy_cost
from spikecut.pipeline.rules.thresholds import never
from spikecut.pipeline.runner import run
from spikecut.sources.datasets.reading import Fate
from spikecut.tools.batch.examples import complain, examples_of
from spikecut.tools.batch.replay import with_fixed
from spikecut.tools.cutoff_lookup import cutoffs_for, unfitted
from spikecut.tools.frame_streams import say_fits
from spikecut.tools.machine import processor
from spikecut.tools.reading_options import read_options

if TYPE_CHECKING:
    from spikecut.tools.commands.measure.cost import Cost as CostOptions


@dataclass(frozen=True, slots=True)
class Cost:
    """Means over recordings: steps made, milliseconds of the loop, millions of operations by kind, and of cells.

    `updates_m` are the updates of membranes, one a cell and step.
    """

    rule: str
    steps: float
    ms: float
    additions_m: float
    multiplications_m: float
    spikes_m: float
    updates_m: float

    @property
    def operations_m(self) -> float:
        return self.additions_m + self.multiplications_m


def run_cost(options: "CostOptions") -> int:
    """The command: the full window, the fixed horizons and the cutoffs, side by side.

    Frames are read beforehand, so the time is that of the network and the rule. All rules take turns in every round.

    Raises:
        ConfigError: if the file to write exists.
        EmptyRecording: if no recording could be read.
    """
    if options.out is None:
        return _measure(options)
    refuse_existing(options.out, overwrite=options.overwrite)
    with claimed(options.out):
        return _measure(options)


def _measure(options: "CostOptions") -> int:
    n, rounds = options.n, options.rounds
    weights = opening.locate(options.model)
    stepper, card = opening.load(weights, engine=options.engine)
    counted, _ = opening.load(weights, engine="norse")
    rules = {"none": unfitted(card)} | with_fixed(cutoffs_for(options.cutoff, weights, card))
    fates: list[Fate] = []
    reading = read_options(options)
    examples = examples_of(options.folder, card, options.part, reading).drawn(n, options.seed)
    read = [list(islice(frames, card.horizon)) for frames in examples.streams(card, fates)]
    n_damaged = complain(fates)
    say_fits(examples.fits, examples.reading)
    recordings = [frames for frames, fate in zip(read, fates, strict=True) if frames and fate.error is None]
    if not recordings:
        raise EmptyRecording(options.folder, f"none of its {len(read)} recordings could be read")
    dense = macs_of_step(counted, card.spec)
    kept = _state_bytes(stepper, recordings[0][0])  # a first step, too, which loads machine code: before time is taken
    deciders = {name: rule.cutoff for name, rule in rules.items()}
    costs = costs_of(deciders, recordings, (stepper, counted), card.horizon, rounds, dense)
    report = {
        "model": card.name,
        "network": card.weights_sha256,
        "n": len(recordings),
        "part": options.part,
        "seed": options.seed,
        "horizon": card.horizon,
        "engine": "norse" if type(stepper) is type(counted) else options.engine,
        "machine": processor(),
        "dense_m_per_step": dense / 1e6,
        "state_bytes": kept,
        "rules": [_row(cost, full=costs[0]) for cost in costs],
    }
    if examples.fits.used:
        report["fit"] = str(examples.fits)
    if options.out:
        write_text(options.out, json.dumps(report, indent=1) + "\n", overwrite=options.overwrite)
    _print(report)
    return 3 if n_damaged else 0


def _row(cost: Cost, full: Cost) -> dict[str, Any]:
    """One rule's figures as JSON: means, and the ratio of the full window to each."""
    return {
        "rule": cost.rule,
        "steps": cost.steps,
        "ms": cost.ms,
        "additions_m": cost.additions_m,
        "multiplications_m": cost.multiplications_m,
        "spikes_m": cost.spikes_m,
        "updates_m": cost.updates_m,
        "x_steps": full.steps / cost.steps,
        "x_time": full.ms / cost.ms,
        "x_operations": full.operations_m / max(cost.operations_m, 1e-12),
    }


def costs_of(
    rules: dict[str, CutoffDecider[Any]],
    recordings: Sequence[list[Frame]],
    steppers: tuple[SteppedModel[Any], Any],
    horizon: int,
    rounds: int,
    dense: int,
) -> list[Cost]:
    """The cost of every rule on the same recordings, given one by one.

    Of the `steppers` the first is timed, and operations are counted in the `network` of the second.

    A policy's cost is given in steps, of `dense` operations each: it is an ANN, and multiplies.
    """
    stepper, counted = steppers
    counts = _operations(recordings, counted, horizon)
    stops = {name: np.zeros(len(recordings), np.int64) for name in rules}
    seconds = {name: float("inf") for name in rules}
    for _ in range(rounds):
        for name, rule in rules.items():
            started = time.perf_counter()
            for i, frames in enumerate(recordings):
                for item in run(frames, stepper, rule, horizon=horizon):
                    if isinstance(item, Decision):
                        stops[name][i] = item.steps
            seconds[name] = min(seconds[name], time.perf_counter() - started)
    costs = []
    for name, at in stops.items():
        until = at[:, None] - 1
        added, multiplied, spikes, updates = (
            float(np.take_along_axis(one.cumsum(1), until, 1).mean()) for one in counts
        )
        policy = policy_cost(rules[name]) * dense / 1e6
        ms = 1e3 * seconds[name] / len(recordings)
        costs.append(Cost(name, float(at.mean()), ms, added, multiplied + policy, spikes, updates))
    return costs


def _operations(recordings: Sequence[list[Frame]], stepper: Any, horizon: int) -> Float64[ndarray, "4 N T"]:
    """Additions, multiplications, spikes and updates of membranes: of each recording and step, in millions."""
    counts = np.zeros((4, len(recordings), horizon))
    with counting(stepper.network) as done:
        for i, frames in enumerate(recordings):
            for t, _ in enumerate(run(frames, stepper, never(horizon), horizon=horizon)):
                step = sum(done, Operations())
                if done:  # the decision comes after the last step, without another
                    counts[:, i, t] = step.additions, step.multiplications, step.spikes, step.updates
                done.clear()
    return counts / 1e6


def _state_bytes(stepper: SteppedModel[Any], frame: Frame) -> int:
    """What one stream keeps between two steps of this engine, in bytes."""
    _, state = stepper.step(frame.pixels[None], None)
    return _size(state)


def _size(state: Any) -> int:
    if is_dataclass(state) and not isinstance(state, type):
        return sum(_size(getattr(state, field.name)) for field in fields(state))
    return sum(int(getattr(leaf, "nbytes", 0)) for leaf in leaves(state))


def _print(report: dict[str, Any]) -> None:
    title = f"{report['model']}, {report['n']} recordings ({report['part']}), one at a time; {report['machine']}"
    table = Table(title=title, box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    for column in ("rule", "steps", "x", "time", "x", "additions", "multiplications", "x", "spikes"):
        table.add_column(column, justify="left" if column == "rule" else "right", no_wrap=True)
    for row in report["rules"]:
        full = row["rule"] == "none"
        table.add_row(
            "full window" if full else row["rule"],
            f"{row['steps']:.2f}",
            "" if full else f"{row['x_steps']:.2f}",
            f"{row['ms']:.2f} ms",
            "" if full else f"{row['x_time']:.2f}",
            f"{row['additions_m']:.2f} M",
            f"{row['multiplications_m']:.2f} M",
            "" if full else f"{row['x_operations']:.2f}",
            f"{row['spikes_m'] * 1e3:,.1f} k",
        )
    updates = next(row["updates_m"] / row["steps"] for row in report["rules"])
    kept = f"{report['state_bytes']:,} bytes (engine {report['engine']})"
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(table)
    console.print(
        f"A step through every synapse would be {report['dense_m_per_step']:.2f} M multiplications. Counted are those "
        "behind inputs\nthat are not 0: additions behind spikes, multiplications behind graded inputs. "
        f"A step updates\n{updates * 1e6:,.0f} membranes; between two steps a stream keeps {kept}.\n"
        "x: times less than the full window.",
        style="dim",
    )
