"""The figures of sessions as they came: what each rule did, each count with its interval, as JSON and as a table."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from spikecut.pipeline.metrics.intervals import Estimate, garwood, quantile, wilson
from spikecut.pipeline.metrics.session_score import Score
from spikecut.tools.batch.continuous.playing import WINDOW, Alarm, Played, PlayedRecording

OTHERWISE = "not labelled"  # the kind of movement of alarms where none is labelled


def row_of(rule: str, recordings: Sequence[PlayedRecording]) -> dict[str, Any]:
    """The figures of one rule over all recordings."""
    played = [one.rules[rule] for one in recordings]
    score = sum((one.score for one in played), Score())
    alarms = [alarm for one in played for alarm in one.alarms]
    return {
        "rule": rule,
        **{name: _share(getattr(score, name), score.n_labels) for name in ("right", "wrong", "missed")},
        "revised": {name: _share(getattr(score, f"revised_{name}"), score.n_labels) for name in ("right", "wrong")},
        "repeated": score.repeated,
        "rejected": sum(one.n_rejected for one in played),
        "false_alarms": _rate(score.false_alarms, score.minutes),
        "alarms_by_answer": dict(Counter(alarm.answer for alarm in alarms).most_common()),
        "alarms_by_movement": _by_movement(alarms, recordings, score.minutes),
        "delay_ms": {
            "n": len(score.delays_us),
            "median": _quantile(score, 0.5),
            "p90": _quantile(score, 0.9),
        },
        "steps": sum(one.n_steps for one in played),
        "bins": sum(one.n_bins for one in played),
    }


def recording_of(one: PlayedRecording, name: str) -> dict[str, Any]:
    """One recording: its counts under every rule."""
    rules = {rule: _counts(played) for rule, played in one.rules.items()}
    return {"recording": name, **({"fit": one.fit} if one.fit else {}), "rules": rules}


def print_table(report: Mapping[str, Any]) -> None:
    """The table for people."""
    title = f"{report['model']}, {report['n']} recordings as they come, {report['minutes']:.1f} min; 95 % intervals"
    table = Table(title=title, box=None, padding=(0, 1), collapse_padding=True, pad_edge=False, header_style="bold")
    columns = ("rule", "right", "wrong", "missed", "repeated", "false alarms", "a minute", "median", "90 %")
    for column in columns:
        table.add_column(column, justify="left" if column == "rule" else "right", no_wrap=True)
    for row in report["rules"]:
        alarms, delays = row["false_alarms"], row["delay_ms"]
        table.add_row(
            _named(row["rule"]),
            _cell(row["right"]["share"], 100, ".1f", " %"),
            str(row["wrong"]["n"]),
            str(row["missed"]["n"]),
            str(row["repeated"]),
            str(alarms["n"]),
            _cell(alarms["per_minute"], 1, ".2f"),
            _cell(delays["median"], 1, ".0f", " ms"),
            _cell(delays["p90"], 1, ".0f", " ms"),
        )
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(table)
    for row in report["rules"]:
        rule, (right, wrong) = _named(row["rule"]), (row["revised"][name]["n"] for name in ("right", "wrong"))
        if (right, wrong) != (row["right"]["n"], row["wrong"]["n"]):
            console.print(f"{rule}: after revisions {right} right, {wrong} wrong", highlight=False)
        for kind, rate in row["alarms_by_movement"].items():
            if rate["n"] and len(row["alarms_by_movement"]) > 1:
                console.print(f"{rule}: {rate['n']} while {kind}, {rate['minutes']:.2f} min", highlight=False)
    console.print(
        f"right: of {report['gestures']} gestures that were played. median and 90 %: of the times from the\n"
        "labelled onset to the first answer. false alarms: answers where no gesture is labelled.",
        style="dim",
        highlight=False,
    )


def _named(rule: str) -> str:
    """As people are told of a rule."""
    return "full window" if rule == WINDOW else rule


def _counts(played: Played) -> dict[str, Any]:
    score = played.score
    return {
        **{name: getattr(score, name) for name in ("right", "wrong", "missed", "repeated", "false_alarms")},
        "minutes": round(score.minutes, 4),
    }


def _by_movement(
    alarms: Sequence[Alarm], recordings: Sequence[PlayedRecording], minutes: float
) -> dict[str, dict[str, Any]]:
    """Alarms by the labelled kind of movement, and the rest of the time; empty where none is labelled."""
    lengths: Counter[str] = Counter()
    for one in recordings:
        lengths.update(one.movement_us)
    if not lengths:
        return {}
    counts = Counter(alarm.movement for alarm in alarms)
    kinds = {kind: _rate(counts[kind], us / 6e7) for kind, us in sorted(lengths.items())}
    return {**kinds, OTHERWISE: _rate(counts[""], minutes - sum(lengths.values()) / 6e7)}


def _share(n: int, of: int) -> dict[str, Any]:
    return {"n": n, "of": of, "share": _triple(wilson(n, of)) if of else None}


def _rate(n: int, minutes: float) -> dict[str, Any]:
    rate = _triple(garwood(n, minutes)) if minutes > 1e-9 else None
    return {"n": n, "minutes": round(max(0.0, minutes), 4), "per_minute": rate}


def _quantile(score: Score, share: float) -> list[float] | None:
    if not score.delays_us:
        return None
    return _triple(quantile([us / 1000 for us in score.delays_us], share))


def _triple(estimate: Estimate) -> list[float]:
    return [round(estimate.value, 4), round(estimate.low, 4), round(estimate.high, 4)]


def _cell(triple: Sequence[float] | None, factor: float, form: str, unit: str = "") -> str:
    """A figure, and below it its interval."""
    if triple is None:
        return ""
    value, low, high = (factor * one for one in triple)
    return f"{value:{form}}{unit}\n{low:{form}}–{high:{form}}"
