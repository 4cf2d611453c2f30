"""The colours of a page: one for each rule, the same in every plot and on every page.

On a dark ground the page inverts its plots and turns their hues back, so that a rule keeps its hue.

The first eight are those of Okabe and Ito (Color Universal Design, 2008), darkened where a thin line on white would be
too faint; the others are after Paul Tol's notes on colour schemes (SRON/EPS/TN/09-002). Rules of one kind with
different tolerances share the colour and differ in the line and the mark.
"""

import re
import zlib
from collections.abc import Iterable
from typing import Final

_NAME = re.compile(r"(?P<kind>\w+)(?:-(?P<points>[0-9.]+)pt| as )?")


TEXT: Final = "#1c2024"
MUTED: Final = "#5b6770"
GRID: Final = "#c9d0d6"

RULE_COLOURS: Final[dict[str, str]] = {
    "ltt": "#0072b2",
    "confidence": "#d55e00",
    "topk": "#009e73",
    "fixed": "#4a545c",
    "entropy": "#cc79a7",
    "ltt_fixed": "#1f9fd6",
    "conformal": "#a67c00",
    "patience": "#332288",
    "ltt_conditional": "#117733",
    "ltt_planned": "#aa4499",
    "planned": "#882255",
    "topk_reference": "#44aa99",
    "msprt": "#999933",
    "collapsing": "#8c564b",
    "sr1": "#cc6677",
    "economy": "#6b4c9a",
    "calimera": "#7a6a3a",
}
_SPARE: Final = ("#2f4b7c", "#665191", "#7d5a00", "#00695c")
_LINES: Final = ("-", "--", ":", "-.")
_MARKS: Final = "os^DvPX*"


def kind_of(rule: str) -> str:
    """The kind of a rule in a table: `confidence` of `confidence-2pt`.

    >>> kind_of("confidence-2pt"), kind_of("ltt_fixed-0.5pt"), kind_of("confidence as planned-1pt")
    ('confidence', 'ltt_fixed', 'confidence')
    """
    match = _NAME.match(rule)
    return match["kind"] if match else rule


def colour_of(rule: str) -> str:
    """The colour of a rule, by its kind; a kind that is not in the table gets one of four by its name."""
    kind = kind_of(rule)
    return RULE_COLOURS.get(kind) or _SPARE[zlib.crc32(kind.encode()) % len(_SPARE)]


def line_of(rule: str, rules: Iterable[str]) -> str:
    """The style of a rule's line: solid for the first of its kind among the rules, dashed, dotted for the next."""
    return _LINES[_place(rule, rules) % len(_LINES)]


def mark_of(rule: str, rules: Iterable[str]) -> str:
    """The mark of a rule's point, by its place among those of its kind."""
    return _MARKS[_place(rule, rules) % len(_MARKS)]


def _place(rule: str, rules: Iterable[str]) -> int:
    alike = [one for one in rules if kind_of(one) == kind_of(rule)]
    return alike.index(rule) if rule in alike else 0
