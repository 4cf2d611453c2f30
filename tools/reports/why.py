"""`spikecut why`: the evidence over time in one recording, and the answer and time of every fitted rule."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.errors import ConfigError, printable
from spikecut.pipeline.evidence.probability import softmax
from spikecut.pipeline.evidence.scores import certainty, top2_gap
from spikecut.pipeline.files.atomic_files import refuse_existing, write_bytes
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.replay import record_outputs
from spikecut.pipeline.results import Evidence
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.step_budget import FirstFrames, plans_of
from spikecut.sources.formats.reading.files import check_name
from spikecut.tools.cutoff_lookup import cutoffs_for, shared_policy
from spikecut.tools.frame_streams import network_for
from spikecut.tools.reading_options import read_options
from spikecut.tools.reports.run_results import is_run
from spikecut.tools.reports.why_picture import picture
from spikecut.tools.reports.why_run import print_wrong
from spikecut.tools.reports.why_window import FULL_WINDOW, Answer, Explanation, Trace, Window, window_of
from spikecut.tools.time_unit import pace_of

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.why import Why


def run_why(options: "Why") -> int:
    """The command: the network runs through one whole window, and every rule is applied to it; or a run is looked at.

    Raises:
        ConfigError: if the plot exists, a start is given for a still picture, or a figure of a run is wanted.
        EmptyRecording: if no bin is left from the start on.
    """
    path, start_s = options.file, options.start
    check_name(path)
    if is_run(path) or (path / "evaluation.json").is_file():
        if options.save or start_s:
            raise ConfigError(f"{path} is a run", hint="--save and --start are for one recording: spikecut why FILE")
        return print_wrong(path, options.cutoff, as_json=options.json)
    save = options.save or Path(f"why_{path.stem}_{start_s:g}s.png")
    overwrite = options.overwrite or options.save is None
    refuse_existing(save, overwrite=overwrite)
    reading = read_options(options)
    weights = opening.locate(options.model or network_for(path, reading))
    stepper, card = opening.load(weights, engine=options.engine)
    window = window_of(path, card, start_s, reading)
    rules = cutoffs_for(options.cutoff, weights, card)
    explanation = explained(window, _outputs_of(window, stepper, card, rules), card, rules)
    write_bytes(save, picture(explanation), overwrite=overwrite)
    if options.json:
        print(json.dumps(_as_json(path, explanation)))
    else:
        _print(path, explanation)
        print(save)
    return 0


def explained(window: Window, outputs: RecordedOutputs, card: ModelCard, rules: dict[str, FittedCutoff]) -> Explanation:
    """The evidence after every step of one window, and each rule's answer, that of the full window first.

    `outputs` are those of this window alone. The rule whose score is shown is the network's default, or the first.
    """
    totals = outputs.logits()[0]
    full = int(totals[-1].argmax())
    answers = [Answer(FULL_WINDOW, full, len(totals), as_full=True)]
    for name, rule in rules.items():
        swept = sweep(outputs, rule.cutoff)
        label, steps = int(swept.labels[0]), int(swept.stops[0])
        answers.append(Answer(name, label, steps, as_full=label == full))
    main = next((name for name in rules if name == card.default_cutoff), next(iter(rules), None))
    trace = None if main is None else _trace(main, outputs, rules[main].cutoff)
    return Explanation(window, card, totals, tuple(answers), main or FULL_WINDOW, trace)


def _trace(name: str, outputs: RecordedOutputs, decider: CutoffDecider[Any]) -> Trace:
    """A rule's score after every step, beyond its stop, and the thresholds it must exceed, if it has any."""
    n_steps, state, scores = outputs.horizon, None, []
    totals, plans = np.zeros_like(outputs.outputs[:, 0]), None if outputs.plans is None else outputs.plans.logits
    for t in range(n_steps):
        totals = totals + outputs.outputs[:, t]
        verdict, state = decider.decide(Evidence(np.full(1, t + 1), outputs.outputs[:, t], totals, plans=plans), state)
        scores.append(float(verdict.score[0]))
    levels = getattr(decider, "thresholds", None)
    limits = None if levels is None or not np.isfinite(levels).any() else tuple(map(float, levels[:n_steps]))
    return Trace(name, tuple(scores), limits)


def _outputs_of(
    window: Window, stepper: SteppedModel[Any], card: ModelCard, rules: dict[str, FittedCutoff]
) -> RecordedOutputs:
    """The network's outputs for one window, and a policy's plans if a rule needs them."""
    policy = shared_policy(rules.values())
    first = FirstFrames(policy.look if policy else 0)
    outputs = record_outputs(first.over([window.frames]), 1, stepper, horizon=card.horizon)
    plans = plans_of(policy, first, [0]) if policy else None
    return RecordedOutputs(outputs[:, : len(window.frames)], np.zeros(1, np.int64), plans=plans)


def _print(path: Path, explanation: Explanation) -> None:
    card, totals, answers = explanation.card, explanation.totals, explanation.answers
    n = len(totals)
    pace, console = pace_of(card.spec), Console(width=None if sys.stdout.isatty() else 100)
    table = Table(title=f"{path.name}: the evidence", box=None, padding=(0, 2), header_style="bold")
    for column in ("step", "time", "leader", "p", "second", "p", "lead", "1 - entropy"):
        table.add_column(column, justify="left" if column in ("leader", "second") else "right")
    chances, steps = softmax(totals), np.arange(1, n + 1)
    gaps, certain = top2_gap(totals, steps), certainty(totals, steps)
    stops = {answer.steps for answer in answers}
    for t in sorted({*np.unique(np.geomspace(1, n, 10).round().astype(int)).tolist(), *stops}):
        first, second = np.argsort(-totals[t - 1], kind="stable")[:2]
        table.add_row(
            str(t),
            pace.whole(int(t)),
            card.classes[first],
            f"{chances[t - 1, first]:.2f}",
            card.classes[second],
            f"{chances[t - 1, second]:.2f}",
            f"{gaps[t - 1]:.1f}",
            f"{certain[t - 1]:.2f}",
        )
    console.print(table)
    truth = explanation.window.truth
    if truth is not None:
        console.print(f"truth: {printable(card.classes[truth])}", highlight=False)
    rules = Table(title="what every rule would have answered", box=None, padding=(0, 2), header_style="bold")
    for column in ("rule", "answer", "after", "time", ""):
        rules.add_column(column, justify="right" if column in ("after", "time") else "left")
    for answer in answers:
        rules.add_row(
            answer.rule,
            card.classes[answer.label],
            f"{answer.steps} of {n} steps",
            pace.whole(answer.steps),
            "; ".join(
                ["the end, not the rule"] * (answer.steps == n and answer.rule != FULL_WINDOW)
                + ["not what the full window says"] * (not answer.as_full)
                + ["wrong"] * (truth not in (None, answer.label))
            ),
        )
    console.print(rules)


def _as_json(path: Path, explanation: Explanation) -> dict[str, Any]:
    card, totals, window = explanation.card, explanation.totals, explanation.window
    return {
        "file": str(path),
        "model": card.name,
        "step_us": card.spec.step_us,
        "classes": list(card.classes),
        "totals": [[round(float(value), 4) for value in row] for row in totals],
        "answers": [
            {
                "rule": answer.rule,
                "label": answer.label,
                "name": card.classes[answer.label],
                "steps": answer.steps,
                "latency_us": answer.steps * card.spec.step_us,
                "as_full_window": answer.as_full,
            }
            for answer in explanation.answers
        ],
        **({} if window.truth is None else {"truth": card.classes[window.truth]}),
        **({"fit": window.fit} if window.fit else {}),
    }
