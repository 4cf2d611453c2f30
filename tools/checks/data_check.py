"""`spikecut data check`: what of a data set lies in a folder, what is missing or damaged, and where to get it."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from spikecut.pipeline.errors import printable
from spikecut.sources.datasets import kind_of
from spikecut.sources.datasets.dvs_gesture import HOME
from spikecut.sources.datasets.gesture_labels import GESTURES
from spikecut.sources.datasets.images.open_images import holds_pictures
from spikecut.sources.datasets.parts import PARTS
from spikecut.tools.checks.faults import Fault
from spikecut.tools.checks.gesture_check import Check, check_gestures
from spikecut.tools.checks.image_check import PictureCheck, check_pictures
from spikecut.tools.checks.set_check import SetCheck, check_set

if TYPE_CHECKING:
    from spikecut.tools.commands.files.data import Data

_WIDTH = 80
_FEW = 20  # more classes than this are shown only where something is missing from them
_REDRAW = "remove what is damaged, and run the same spikecut simulate again: it draws what is missing"
_LAYOUTS = {False: "as published: AEDAT and label files", True: "Tonic's copy: one .npy file a gesture"}


@dataclass(frozen=True, slots=True)
class _Page:
    """What is printed: entries above the table and below it, the table by row and column, and the same as JSON."""

    entries: Mapping[str, str]
    rows: Mapping[str, Mapping[str, int]]
    mend: str
    facts: Mapping[str, Any]


def run_data_check(options: "Data") -> int:
    """The command: 0 if all that should be there is, 3 if something is missing or damaged, 4 if nothing can be used.

    Raises:
        SourceError: if there are no recordings at all, or lists of DVS128 Gesture contradict themselves.
    """
    folder, read = options.folder, options.read
    found: Check | SetCheck | PictureCheck
    if folder.is_file() or holds_pictures(folder):
        found = check_pictures(folder, read=read)
        page = _pictures(found)
    elif kind_of(folder) == "gestures":
        found = check_gestures(folder, read=read)
        page = _gestures(found)
    else:
        found = check_set(folder, read=read)
        page = _classes(found)
    if options.json:
        print(json.dumps(_facts(found, page)))
    else:
        print("\n".join(map(printable, _lines(found, page))))
    return 0 if not found.faults else 3 if found.usable else 4


def _gestures(found: Check) -> _Page:
    lightings = dict(sorted(Counter(session.lighting for session in found.usable).items()))
    counted = found.counted()
    entries = {"layout": _LAYOUTS[found.is_cut]}
    if found.drawn:
        entries["origin"] = f"drawn, not recorded ({found.drawn})"
    if found.usable:
        entries["lights"] = ", ".join(f"{light} {n}" for light, n in lightings.items())
    if found.n_events is not None:
        entries["events"] = f"{found.n_events:,} within the gestures"
    facts = {
        "set": "DVS128 Gesture",
        "layout": "tonic" if found.is_cut else "published",
        "drawn": found.drawn or None,
        "published_set": found.is_published,
        "sessions_expected": found.n_expected,
        "sessions_usable": len(found.usable),
        "counts": {name: counts for name, counts in counted.items() if name not in GESTURES},
        "classes": {name: counts for name, counts in counted.items() if name in GESTURES},
        "lightings": lightings,
    }
    rows = {f"  {name}" if name in GESTURES else name: counts for name, counts in counted.items()}
    return _Page(entries, rows, _REDRAW if found.drawn else f"see {HOME}", facts)


def _classes(found: SetCheck) -> _Page:
    counted, expected, real = found.counted(), found.expected, found.n_published
    known = found.published is not None
    if known:
        counted["recordings"]["published"] = sum(real.values())
    rows = {"recordings": counted.pop("recordings")}
    for name, counts in counted.items():
        if known:
            counts["published"] = real.get(name, 0)
        if len(counted) <= _FEW or not known or counts["all"] != expected.get(name, 0):
            rows[f"  {name}"] = counts
    entries = {"set": found.published.name if found.published else "none that is known here"}
    if found.drawn:
        entries = {"origin": f"simulated, not recorded ({found.drawn})"}
    if len(rows) <= len(counted):
        entries["classes"] = f"{len(counted)}, of which {len(counted) - len(rows) + 1} are whole and not listed"
    if found.n_events is not None:
        entries["events"] = f"{found.n_events:,}"
    splits = found.splits()
    same = found.published is not None and found.published.splits == {part: sha for part, (_, sha) in splits.items()}
    told = ", ".join(f"{part} {n:,} {sha[:12]}" for part, (n, sha) in splits.items())
    entries["split"] = f"{told} (SHA-256 of the names{'; the published split' if same else ''})"
    facts = {
        "set": found.published.name if found.published else None,
        "drawn": found.drawn or None,
        "recordings_expected": found.n_expected,
        "recordings_usable": len(found.usable),
        "counts": {"recordings": rows["recordings"]},
        "classes": counted,
        "splits": {part: {"n": n, "sha256": sha} for part, (n, sha) in splits.items()},
        "published_split": same,
    }
    home = f"see {found.published.home}" if found.published else ""
    return _Page(entries, rows, _REDRAW if found.drawn else home, facts)


def _pictures(found: PictureCheck) -> _Page:
    counted = found.counted()
    rows = {"pictures": counted.pop("pictures")}
    if len(counted) <= _FEW:
        rows |= {f"  {name}": counts for name, counts in counted.items()}
    splits = found.splits()
    told = ", ".join(f"{part} {n:,} {sha[:12]}" for part, (n, sha) in splits.items())
    entries = {
        "origin": found.origin,
        "classes": f"{len(counted)}",
        "split": f"{told} (SHA-256 of the names)",
    }
    facts = {
        "set": found.known.name if found.known else None,
        "origin": found.origin,
        "pictures_expected": found.n_expected,
        "pictures_usable": len(found.usable),
        "counts": {"pictures": rows["pictures"]},
        "classes": counted,
        "splits": {part: {"n": n, "sha256": sha} for part, (n, sha) in splits.items()},
    }
    return _Page(entries, rows, f"see {found.known.home}" if found.known else "", facts)


def _facts(found: Check | SetCheck | PictureCheck, page: _Page) -> dict[str, Any]:
    return {
        "folder": str(found.folder),
        "verdict": found.verdict,
        **page.facts,
        "events": None if isinstance(found, PictureCheck) else found.n_events,
        "faults": [asdict(fault) for fault in found.faults],
        "notes": list(found.notes),
    }


def _lines(found: Check | SetCheck | PictureCheck, page: _Page) -> Iterator[str]:
    yield f"{found.folder}"
    for name, text in page.entries.items():
        yield from _entry(name, text)
    yield ""
    yield from _table(page.rows)
    for kind in dict.fromkeys(fault.kind for fault in found.faults):
        yield from _kind(kind, [fault for fault in found.faults if fault.kind == kind])
    if found.notes:
        yield from ("", "  notes", *_points(found.notes))
    yield ""
    yield from _entry("verdict", found.verdict)
    if found.faults and page.mend:
        yield from _entry("to mend", page.mend)


def _kind(kind: str, faults: list[Fault]) -> Iterator[str]:
    """All faults of one kind: bare names in one paragraph, then those that say something, a few of many."""
    bare = ", ".join(fault.file for fault in faults if not fault.message)
    told = [f"{fault.file}: {fault.message}" for fault in faults if fault.message]
    yield from ("", f"  {kind}: {sum(fault.n for fault in faults):,}", *_wrapped(bare, "    ", "    "))
    yield from _points(told[:_FEW] if len(told) > _FEW + 1 else told)
    if len(told) > _FEW + 1:
        yield f"    and {len(told) - _FEW:,} more; --json has them all"


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
