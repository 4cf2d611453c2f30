"""`spikecut data check`: what of DVS128 Gesture lies in a folder, what is missing, and where to get it."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from spikecut.sources.gesture_labels import GESTURES
from spikecut.sources.gesture_set import HOME
from spikecut.tools.gesture_check import PARTS, Check, check_gestures

_WIDTH = 80
_REDRAW = "remove what is damaged, and run the same spikecut simulate again: it draws what is missing"
_LAYOUTS = {False: "as published: AEDAT and label files", True: "Tonic's copy: one .npy file a gesture"}


def run_data_check(folder: Path, *, read: bool = False, as_json: bool = False) -> int:
    """The command: 0 if all that is listed is there, 3 if something is missing or damaged, 4 if nothing can be used.

    Raises:
        SourceError: if this is no folder of DVS128 Gesture at all, or its lists contradict themselves.
    """
    found = check_gestures(folder, read=read)
    print(json.dumps(_as_json(found)) if as_json else "\n".join(_lines(found)))
    return 0 if not found.faults else 3 if found.usable else 4


def _as_json(found: Check) -> dict[str, object]:
    return {
        "folder": str(found.folder),
        "layout": "tonic" if found.is_cut else "published",
        "drawn": found.drawn or None,
        "verdict": found.verdict,
        "published_set": found.is_published,
        "sessions_expected": found.n_expected,
        "sessions_usable": len(found.usable),
        "counts": {name: counts for name, counts in found.counted().items() if name not in GESTURES},
        "classes": {name: counts for name, counts in found.counted().items() if name in GESTURES},
        "lightings": _lightings(found),
        "events": found.n_events,
        "faults": [asdict(fault) for fault in found.faults],
        "notes": list(found.notes),
    }


def _lightings(found: Check) -> dict[str, int]:
    return dict(sorted(Counter(session.lighting for session in found.usable).items()))


def _lines(found: Check) -> Iterator[str]:
    yield f"{found.folder}"
    yield from _entry("layout", _LAYOUTS[found.is_cut])
    if found.drawn:
        yield from _entry("origin", f"drawn, not recorded ({found.drawn})")
    if found.usable:
        yield from _entry("lights", ", ".join(f"{light} {n}" for light, n in _lightings(found).items()))
    if found.n_events is not None:
        yield from _entry("events", f"{found.n_events:,} within the gestures")
    yield ""
    yield from _table(found)
    for kind in dict.fromkeys(fault.kind for fault in found.faults):
        same = [fault for fault in found.faults if fault.kind == kind]
        bare = ", ".join(fault.file for fault in same if not fault.message)
        told = [f"{fault.file}: {fault.message}" for fault in same if fault.message]
        yield from ("", f"  {kind}: {len(same)}", *_wrapped(bare, "    ", "    "), *_points(told))
    if found.notes:
        yield from ("", "  notes", *_points(found.notes))
    yield ""
    yield from _entry("verdict", found.verdict)
    if found.faults:
        yield from _entry("to mend", _REDRAW if found.drawn else f"see {HOME}")


def _table(found: Check) -> Iterator[str]:
    yield f"  {'':<30}" + "".join(f"{part:>12}" for part in PARTS)
    for name, counts in found.counted().items():
        indented = f"  {name}" if name in GESTURES else name
        yield f"  {indented:<30}" + "".join(f"{counts[part]:>12,}" for part in PARTS)


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
