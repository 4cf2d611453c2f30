"""Decisions and scores as text: a line for people, an object for programs."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from spikecut.models.card import ModelCard
from spikecut.pipeline.evidence.probability import softmax
from spikecut.pipeline.metrics.session_score import Match, Outcome, Score
from spikecut.pipeline.results import Decision, Rejection, StopReason
from spikecut.pipeline.rules import RULES
from spikecut.tools.time_unit import pace_of


def probability(decision: Decision) -> float:
    """The answer's entry of softmax(total)."""
    return float(softmax(decision.total.astype(np.float64))[decision.label])


def as_text(decision: Decision, card: ModelCard, truth: int | None, rule: str = "") -> str:
    """One line for people."""
    mark = "" if truth is None else ("  right" if truth == decision.label else f"  wrong: {card.classes[truth]}")
    why = decision.reason.value
    if rule in RULES and decision.reason is StopReason.cutoff:
        why = RULES[rule].stop_text
    if decision.reason is StopReason.end_of_stream:
        why = f"best guess: {why}"
    return f"{_answer(decision, card)}  {why}{mark}"


def in_stream(decision: Decision, card: ModelCard, at_us: int, match: Match | None, truth: int | None) -> str:
    """One line for people, in a recording that goes on; `at_us` is counted from its beginning."""
    verdict = ""
    if match is not None:
        late = "" if match.delay_us is None else f", {match.delay_us / 1000:.0f} ms after its onset"
        words = {
            Outcome.right: f"right{late}",
            Outcome.wrong: f"WRONG, it is {card.classes[truth] if truth is not None else '?'}{late}",
            Outcome.repeated: "once more",
            Outcome.false_alarm: "FALSE ALARM",
        }
        verdict = f"  {words[match.outcome]}"
    if decision.revises is not None:
        verdict += ", revised"
    return f"{at_us / 1e6:8.2f} s  {_answer(decision, card)}{verdict}"


def rejection_text(rejection: Rejection, card: ModelCard, at_us: int) -> str:
    """One line for people: what moved is no gesture."""
    return f"{at_us / 1e6:8.2f} s  {'movement, no gesture':<{_width(card)}} {_after(rejection.decision, card).rstrip()}"


def rejection_object(rejection: Rejection, card: ModelCard) -> str:
    """One JSON object for programs, which is no decision; `nearest` is the gesture that was most like it."""
    decision = rejection.decision
    probabilities = softmax(decision.total.astype(np.float64))
    nearest = max(set(range(len(card.classes))) - set(card.no_gestures), key=lambda label: probabilities[label])
    fields = {
        "nearest": card.classes[nearest],
        "probability": round(float(probabilities[nearest]), 6),
        "steps": decision.steps,
        "reason": decision.reason.name,
        "start_us": decision.start_us,
        "time_us": decision.time_us,
        "n_events": decision.n_events,
    }
    return json.dumps({"no_gesture": fields})


def missed_text(label: int, card: ModelCard, at_us: int) -> str:
    """The line for a labelled gesture that ended without an answer."""
    return f"{at_us / 1e6:8.2f} s  {card.classes[label]:<{_width(card)}} MISSED"


def as_object(
    decision: Decision,
    card: ModelCard,
    truth: int | None,
    rule: str,
    match: Match | None = None,
    reading: Mapping[str, Any] | None = None,
) -> str:
    """One JSON object for programs; times are those of the recording's clock.

    `reading` has what is special in reading: `fit` if a sensor was fitted, `dropped` if events were left out so far,
    `promise` (`holds`, `suspended`) if something is promised and drift is watched.
    """
    fields: dict[str, Any] = {
        "label": card.classes[decision.label],
        "class": decision.label,
        "steps": decision.steps,
        "horizon": card.horizon,
        "rule": rule,
        "reason": decision.reason.name,
        "latency_us": decision.latency_us,
        "start_us": decision.start_us,
        "time_us": decision.time_us,
        "score": decision.score,
        "probability": round(probability(decision), 6),
        "n_events": decision.n_events,
        "truth": None if truth is None else card.classes[truth],
    }
    if decision.classes is not None:
        fields |= {"set": [card.classes[k] for k in decision.classes]}
    if match is not None:
        fields |= {"outcome": match.outcome.name, "delay_us": match.delay_us}
    return json.dumps(fields | {name: one for name, one in (reading or {}).items() if one})


def summary_object(score: Score | None) -> dict[str, Any]:
    """The summary of `summary_text` as an object for programs; without labels every number of the score is None."""
    if score is None:
        return dict.fromkeys(summary_object(Score()))
    delays = sorted(score.delays_us)
    return {
        "gestures": score.n_labels,
        "right": score.right,
        "wrong": score.wrong,
        "missed": score.missed,
        "repeated": score.repeated,
        "false_alarms": score.false_alarms,
        "revised_right": score.revised_right,
        "revised_wrong": score.revised_wrong,
        "minutes": round(score.minutes, 4),
        "false_alarms_per_minute": round(score.false_alarms_per_minute, 3),
        "median_delay_ms": float(np.median(delays)) / 1000 if delays else None,
        "p90_delay_ms": float(np.percentile(delays, 90, method="higher")) / 1000 if delays else None,
    }


def summary_text(score: Score) -> str:
    """The summary of a labelled session, as text."""
    lines = [f"{score.n_labels} gestures: {score.right} right, {score.wrong} wrong, {score.missed} missed"]
    if score.delays_us:
        p50, p90 = np.median(score.delays_us) / 1000, np.percentile(score.delays_us, 90, method="higher") / 1000
        lines.append(f"answers come {p50:.0f} ms after the labelled onset (median; nine of ten within {p90:.0f} ms)")
    if score.mended or score.spoilt:
        lines.append(f"after revisions: {score.revised_right} right, {score.revised_wrong} wrong")
    lines.append(
        f"{score.false_alarms} false alarms in {score.minutes:.1f} min: {score.false_alarms_per_minute:.1f} a minute"
    )
    return "\n".join(lines)


def _answer(decision: Decision, card: ModelCard) -> str:
    return f"{card.classes[decision.label]:<{_width(card)}} {_after(decision, card)}p {probability(decision):.2f}"


def _after(decision: Decision, card: ModelCard) -> str:
    time = pace_of(card.spec).latency(decision.latency_us)
    return f"after {decision.steps:>2} of {card.horizon} steps {time + '  ' if time else ' '}"


def _width(card: ModelCard) -> int:
    return max(12, *map(len, card.classes))
