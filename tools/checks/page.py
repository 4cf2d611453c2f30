"""What `spikecut data check` prints of a data set: entries, a table of counts by part, faults, notes, the verdict."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from spikecut.sources.datasets.parts import PARTS
from spikecut.tools.checks.faults import Fault

_WIDTH = 80
FEW = 20  # more classes than this are shown only where something is missing from them
REDRAW = "remove what is damaged, and run the same spikecut simulate again: it draws what is missing"


@dataclass(frozen=True, slots=True)
class Page:
    """What is printed: entries above the table and below it, the table by row and column, and the same as JSON."""

    entries: Mapping[str, str]
    rows: Mapping[str, Mapping[str, int]]
    mend: str
    facts: Mapping[str, Any]


class Checked(Protocol):
    """What the check of a data set finds: `usable` examples or sources, and `faults`."""

    @property
    def folder(self) -> Path: ...

    @property
    def verdict(self) -> str: ...

    @property
    def faults(self) -> tuple[Fault, ...]: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    @property
    def n_events(self) -> int | None:
        """How many events were read; None where none were."""

    @property
    def usable(self) -> Sequence[Any]: ...

    def page(self) -> Page: ...


def facts_of(checked: Checked) -> dict[str, Any]:
    """The page as JSON."""
    return {
        "folder": str(checked.folder),
        "verdict": checked.verdict,
        **checked.page().facts,
        "events": checked.n_events,
        "faults": [asdict(fault) for fault in checked.faults],
        "notes": list(checked.notes),
    }


def lines_of(checked: Checked) -> Iterator[str]:
    """The page as text."""
    page = checked.page()
    yield f"{checked.folder}"
    for name, text in page.entries.items():
        yield from _entry(name, text)
    yield ""
    yield from _table(page.rows)
    for kind in dict.fromkeys(fault.kind for fault in checked.faults):
        yield from _kind(kind, [fault for fault in checked.faults if fault.kind == kind])
    if checked.notes:
        yield from ("", "  notes", *_points(checked.notes))
    yield ""
    yield from _entry("verdict", checked.verdict)
    if checked.faults and page.mend:
        yield from _entry("to mend", page.mend)


def _kind(kind: str, faults: list[Fault]) -> Iterator[str]:
    """All faults of one kind: bare names in one paragraph, then those that say something, a few of many."""
    bare = ", ".join(fault.file for fault in faults if not fault.message)
    texts = [f"{fault.file}: {fault.message}" for fault in faults if fault.message]
    yield from ("", f"  {kind}: {sum(fault.n for fault in faults):,}", *_wrapped(bare, "    ", "    "))
    yield from _points(texts[:FEW] if len(texts) > FEW + 1 else texts)
    if len(texts) > FEW + 1:
        yield f"    and {len(texts) - FEW:,} more; --json has them all"


def _table(rows: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    columns = [*PARTS, "published"] if "published" in next(iter(rows.values())) else PARTS
    first, wide = max(map(len, rows)), {column: max(9, len(column) + 2) for column in columns}
    yield "  " + " " * first + "".join(f"{column:>{wide[column]}}" for column in columns)
    for name, counts in rows.items():
        yield f"  {name:<{first}}" + "".join(f"{counts[column]:>{wide[column]},}" for column in columns)


def _entry(name: str, text: str) -> Iterator[str]:
    yield from _wrapped(text, f"  {name:<9} ", " " * 12)


def _points(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from _wrapped(text, "    ", "      ")


def _wrapped(text: str, first: str, following: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=following,
        break_long_words=False,
        break_on_hyphens=False,
    )
