"""Compares what came of a damaged file with what must be reported."""

from fuzz.checks import Reading
from fuzz.expectations import Expectation, expected
from fuzz.mutators import Damage, Mutant
from fuzz.subjects import Subject

OUTCOMES = ("refused", "reported", "harmless", "invisible", "finding")


def judged(subject: Subject, mutant: Mutant, whole: Reading, reading: Reading) -> tuple[str, str]:
    """The outcome, and for a finding what was expected.

    `refused` in a sentence; damage `reported` and the rest delivered; `harmless`: the same as from the whole file;
    `invisible`: other content, and nothing that the format could have shown.
    """
    if reading.refused:
        return "refused", ""
    if subject.check != "recording":
        return "harmless", ""
    same = reading.digest == whole.digest
    must = _must_be_reported(subject, mutant, same)
    if reading.causes:
        if must and must.causes and not set(must.causes) & set(reading.causes):
            return (
                "finding",
                f"{mutant.kind} reported as {', '.join(reading.causes)}; expected {', '.join(must.causes)}",
            )
        return "reported", ""
    if same:
        return "harmless", ""
    return ("finding", f"{mutant.kind} must be reported: {must.shows}") if must else ("invisible", "")


def _must_be_reported(subject: Subject, mutant: Mutant, same: bool) -> Expectation | None:
    """The expectation, if the format can show this fault; None otherwise."""
    if len(mutant.damage) != 1:
        return None
    (fault,) = mutant.damage
    if fault.at < subject.body or mutant.data == subject.data:
        return None
    rule = expected(subject.group, fault.kind)
    if rule.shows == "changes":
        return None if same else rule
    if rule.shows == "ragged":
        return rule if (len(mutant.data) - subject.body) % rule.record else None
    if rule.shows in ("inside a packet", "inside a line"):
        return None if same or _fits(subject, fault) else rule
    return None


def _fits(subject: Subject, fault: Damage) -> bool:
    """Whether what is missing or was added begins and ends at a border."""
    if fault.kind == "duplicate":
        return fault.at in subject.borders and fault.at + fault.added in subject.borders
    if fault.kind == "truncate":
        return fault.at in subject.borders
    return fault.at in subject.borders and fault.at + fault.length in subject.borders and not fault.added
