"""`spikecut report`: one self-contained page from an evaluation, pictures beside it; or two evaluations, paired."""

import base64
import csv
import json
import shlex
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

import spikecut
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.metrics.intervals import Estimate, bootstrap_difference, bootstrap_ratio
from spikecut.tools.reports import plots
from spikecut.tools.time_unit import pace_in

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2024; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }
td { white-space: nowrap; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #dde1e5; vertical-align: top; }
th:first-child, td:first-child { text-align: left; white-space: nowrap; }
small { color: #5b6770; display: block; } code, pre { font-size: .85rem; background: #f3f5f7; }
pre { padding: .7rem; overflow-x: auto; } .wide { overflow-x: auto; }
img { max-width: 100%; height: auto; } figure { margin: 1rem 0; } figcaption { color: #454d54; font-size: .88rem; }
.pairs { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem; }
"""


def run_report(run: Path | None, *, compare: Sequence[Path], out: Path | None, seed: int) -> int:
    """The command: writes `report.html` and its PNGs beside the evaluation, or prints two evaluations' differences.

    Raises:
        ConfigError: if neither or both are asked for.
        ModelError: if a folder holds no evaluation.
    """
    if (run is None) == (not compare):
        raise ConfigError("report on one run, or --compare two", hint="spikecut report RUN, or --compare A B")
    if run is None:
        print(compared(compare[0], compare[1], seed))
        return 0
    evaluation = read_evaluation(run)
    target = out or run / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["spikecut", "report", str(run), *(["--out", str(out)] if out else [])]
    target.write_text(page(evaluation, run, target.parent, shlex.join(command)), encoding="utf-8")
    print(target)
    return 0


def read_evaluation(run: Path) -> dict[str, Any]:
    """The results that `spikecut evaluate` left in a folder.

    Raises:
        ModelError: if there are none, or of another version.
    """
    path = run / "evaluation.json"
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        if (raw["kind"], raw["version"]) != ("spikecut evaluation", 1):
            raise ValueError(f"version {raw['version']}")
    except OSError as error:
        raise ModelError(f"{path}: cannot read it: {error.strerror}", hint="spikecut evaluate writes one") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: no spikecut evaluation of version 1 ({error})") from error
    return raw


def page(evaluation: dict[str, Any], run: Path, folder: Path, command: str) -> str:
    """The page as text; every picture is also written into `folder`."""
    names = [row["name"] for row in evaluation["rules"]]
    main = _main_rule(evaluation)
    pictures = [
        ("trade", plots.trade, "Right answers against the mean time of the decision. Lines: one score swept over all "
         "thresholds, and every constant; points: the fitted rules. Bands and bars are 95 % intervals."),
        ("anytime", plots.by_time, "What is known after each step: accuracy if everybody were stopped there, and "
         "how far confidence is from accuracy."),
        ("early_loss", plots.early_loss, "What early answers cost: of those given by a time, the share that would have "
         "been right at the end of the window and is wrong."),
        ("risk", plots.risk, "If the network kept silent when it is least confident, at the end of the window."),
    ]  # fmt: skip
    many = [(f"decisions_{name}", plots.decisions(name), f"When {name} answers.") for name in names]
    body = [
        f"<h1>{escape(evaluation['model'])}: deciding early on {escape(Path(evaluation['data']).name)}</h1>",
        f"<p>{evaluation['n']} {pace_in(evaluation).things}, part <code>{escape(evaluation['part'])}</code>; "
        f"{_window(evaluation)}; 95 % intervals, seed "
        f"{evaluation['seed']}. A sweep over recorded outputs: nothing was stopped, so no time was saved here; "
        "<code>spikecut replay</code> measures that.</p>",
        _trained_on(evaluation),
        "<h2>Every rule</h2>",
        _table(evaluation),
        *_planned(evaluation),
        "<h2>What it promises</h2><ul>",
        *(f"<li><b>{escape(row['name'])}</b>: {escape(row['promise'])}</li>" for row in evaluation["rules"]),
        "</ul>",
        "<h2>Accuracy against time</h2>",
        *(_figure(name, draw, text, evaluation, folder) for name, draw, text in pictures[:2]),
        "<h2>When it answers</h2><div class=pairs>",
        *(_figure(name, draw, text, evaluation, folder) for name, draw, text in many),
        "</div>",
        "<h2>What early answers cost</h2>",
        *(_figure(name, draw, text, evaluation, folder) for name, draw, text in pictures[2:]),
        *(
            (
                "<h2>Which classes</h2>",
                _figure(f"confusion_{main}", plots.confusion(main), f"Truth and answer of {main}, per cent of each "
                        "class.", evaluation, folder),
            )
            if main
            else ()
        ),
        "<h2>How this page was made</h2>",
        f"<pre>{escape(evaluation['command'])}\n{escape(command)}</pre>",
        f"<p><small>spikecut {spikecut.__version__}, network {escape(evaluation['network'][:16])}, data "
        f"{escape(evaluation['data_sha256'][:16])}. Tables: anytime.csv, curves.csv, decisions.csv in "
        f"{escape(str(run))}.</small></p>",
    ]  # fmt: skip
    title = f"spikecut: {escape(evaluation['model'])}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>\n'
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def compared(first: Path, second: Path, seed: int) -> str:
    """Two evaluations of the same recordings, rule by rule: differences of the second from the first, paired.

    Raises:
        ConfigError: if they share no rule, or no recording.
    """
    one, other = _decisions(first), _decisions(second)
    rules = [name for name in one if name in other]
    if not rules:
        raise ConfigError(f"{first} and {second} share no rule: {', '.join(one)}; {', '.join(other)}")
    lines = [f"{second} against {first}, paired over the recordings of both; 95 % intervals, seed {seed}"]
    for rule in rules:
        shared = sorted(one[rule].keys() & other[rule].keys())
        if not shared:
            raise ConfigError(f"{first} and {second} share no recording")
        a, b = (np.array([table[rule][name] for name in shared]) for table in (one, other))
        rng = np.random.default_rng(seed)
        right = bootstrap_difference(100 * b[:, 0], 100 * a[:, 0], rng)
        ms, ratio = bootstrap_difference(b[:, 1], a[:, 1], rng), bootstrap_ratio(a[:, 1], b[:, 1], rng)
        lines.append(
            f"  {rule:<20} n {len(shared)}  right {_signed(right, '.1f')} points  time {_signed(ms, '.0f')} ms  "
            f"{ratio.value:.2f}x earlier ({ratio.low:.2f} to {ratio.high:.2f})"
        )
    return "\n".join(lines)


def _decisions(run: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """For every rule and recording: whether it was right, and after how many ms."""
    read_evaluation(run)
    found: dict[str, dict[str, tuple[float, float]]] = {}
    try:
        with (run / "decisions.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                told = (float(row["truth"] == row["answer"]), float(row["ms"]))
                found.setdefault(row["rule"], {})[row["recording"]] = told
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"{run / 'decisions.csv'}: cannot be read ({error})") from error
    return found


def _signed(one: Estimate, form: str) -> str:
    return f"{one.value:+{form}} ({one.low:+{form}} to {one.high:+{form}})"


def _window(evaluation: dict[str, Any]) -> str:
    pace = pace_in(evaluation)
    steps = "" if pace.unit == "steps" else f"steps of {pace.factor:g} ms, "
    return f"{steps}window of {evaluation['horizon']} steps"


def _main_rule(evaluation: dict[str, Any]) -> str | None:
    names: list[str] = [row["name"] for row in evaluation["rules"]]
    promised = [name for name in names if name.startswith("ltt-")]
    return next(iter(promised or names), None)


def _trained_on(evaluation: dict[str, Any]) -> str:
    n, fitted = evaluation["n_trained_on"], ", ".join(evaluation["fitted_here"])
    things = pace_in(evaluation).things
    told = f"<p><b>{n} of these {things} trained the network: its accuracy here says nothing.</b></p>" if n else ""
    if fitted:
        told += f"<p><b>Fitted on these very {things}, so their figures flatter: {escape(fitted)}.</b></p>"
    return told


def _figure(name: str, draw: Any, text: str, evaluation: dict[str, Any], folder: Path) -> str:
    picture = plots.png(draw, evaluation)
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
    (folder / f"{safe}.png").write_bytes(picture)
    data = base64.b64encode(picture).decode()
    return (
        f'<figure><img alt="{escape(text, quote=True)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(text)}</figcaption></figure>"
    )


def _table(evaluation: dict[str, Any]) -> str:
    pace = pace_in(evaluation)
    heads = [
        "rule",
        "right",
        "loss, points",
        "mean time",
        "earlier than the full window",
        "constant of equal calibrated loss",
        "earlier than that",
        "early loss",
        "same as full",
    ]
    if any(row["coverage"] for row in evaluation["rules"]):
        heads.append("sets that hold the truth")
    full = evaluation["anytime"]["accuracy"][-1]
    rows = [["full window", _cell(full, 100, ".1f", " %"), "", pace.whole(evaluation["horizon"]), *[""] * 6]]
    rows += [
        [
            escape(row["name"]),
            _cell(row["accuracy"], 100, ".1f", " %"),
            _cell(row["loss"], 1, ".1f"),
            _cell(row["mean_steps"], pace.factor, pace.form, f" {pace.unit}"),
            _cell(row["earlier_than_full"], 1, ".2f", "x"),
            pace.whole(row["fixed_steps"]) if row["fixed_steps"] else "",
            _cell(row["earlier_than_fixed"], 1, ".2f", "x"),
            _cell(row["early_loss"], 1, ".1f", " %"),
            _cell(row["agreement"], 100, ".1f", " %"),
            _cell(row["coverage"], 100, ".1f", " %"),
        ]
        for row in evaluation["rules"]
    ]
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{one}</td>" for one in row[: len(heads)]) + "</tr>" for row in rows)
    return f"<div class=wide><table><tr>{head}</tr>{body}</table></div>"


def _planned(evaluation: dict[str, Any]) -> Iterator[str]:
    """What planned rules cost in computing, their policy included, beside SEENN-I at the same cost."""
    rows = [row for row in evaluation["rules"] if row.get("equal_cost")]
    if not rows:
        return
    yield "<h2>Planned beforehand or decided on the way, at equal mean cost</h2>"
    yield (
        "<p>A policy is asked once a recording; its multiply-accumulates are told in steps of the network. Confidence "
        "has the threshold that cost as much on the calibration recordings; the gain is paired.</p>"
    )
    heads = ("rule", "steps + policy", "cost", "right", "cost of confidence", "right", "gain, points")
    body = []
    for row in rows:
        same = row["equal_cost"]
        cells = [
            escape(row["name"]),
            f"{row['mean_steps'][0]:.2f} + {row['policy_cost']:.2f}",
            _cell(same["cost"], 1, ".2f"),
            _cell(same["accuracy"], 100, ".1f", " %"),
            _cell(same["other_cost"], 1, ".2f"),
            _cell(same["other_accuracy"], 100, ".1f", " %"),
            _cell(same["gain"], 1, "+.1f"),
        ]
        body.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{one}</th>" for one in heads)
    yield f"<div class=wide><table><tr>{head}</tr>{''.join(body)}</table></div>"


def _cell(triple: Any, factor: float, form: str, unit: str = "") -> str:
    if triple is None:
        return ""
    value, low, high = (factor * one for one in triple)
    return f"{value:{form}}{unit}" + ("" if low == high else f"<small>{low:{form}} to {high:{form}}</small>")
