"""What must be reported, by format and kind of fault; written beforehand, as data.

A fault that the format can show must be reported by one of the causes, or the file be refused. A format without a
length or a checksum cannot show everything: what it cannot show is listed with the reason. Header texts and files with
several faults at once are read for the other promises only (no hang, no foreign error, order, range, bounded memory).
"""

from dataclasses import dataclass
from typing import Literal

Shows = Literal["changes", "ragged", "inside a packet", "inside a line", "nothing"]
KINDS_SHOWN: dict[str, str] = {
    "changes": "each that changes an event",
    "ragged": "each after which the file ends inside a record of {record} bytes",
    "inside a packet": "each that does not begin and end at the border of a packet",
    "inside a line": "each that does not end at the end of a line",
    "nothing": "-",
}
SIZED = ("truncate", "insert", "delete", "duplicate")
CONTENT = ("flip", "overwrite", "zeros", "swap", "extreme")


@dataclass(frozen=True, slots=True)
class Expectation:
    """`shows`: which faults of this kind must be reported.

    `changes`: all that change an event. `ragged`: those after which the file does not end with a whole record of
    `record` bytes. `inside a packet`, `inside a line`: those that do not begin and end at the border of one. `nothing`:
    none, because of what `reason` says. `causes`: by which of them; any damage if empty.
    """

    shows: Shows
    reason: str = ""
    record: int = 1
    causes: tuple[str, ...] = ()


_NO_SUM = "no checksum: another coordinate, time or polarity is as good as the one that was written"
_NO_LENGTH = "no length: a file that ends with a whole record may be whole"
_WHOLE = "whole records more or fewer are as good as those that were written"
_SAME_LENGTH = Expectation("nothing", _NO_SUM)
_END = ("cut_off", "unreadable", "trailing", "leap", "late", "outside_sensor", "stale")


def _records(size: int) -> dict[str, Expectation]:
    ragged = Expectation("ragged", _WHOLE, size)
    return {
        "truncate": Expectation("ragged", _NO_LENGTH, size, ("cut_off",)),
        **dict.fromkeys(("insert", "delete", "duplicate"), ragged),
        **dict.fromkeys(CONTENT, _SAME_LENGTH),
    }


def _packets() -> dict[str, Expectation]:
    inside = Expectation("inside a packet", "whole packets more or fewer are as good as those that were written")
    return {
        "truncate": Expectation("inside a packet", "no length of the whole: it may end with a whole packet"),
        **dict.fromkeys(("insert", "delete", "duplicate"), inside),
        **dict.fromkeys(CONTENT, _SAME_LENGTH),
    }


EXPECTED: dict[str, dict[str, Expectation]] = {
    "aedat2": _records(8),
    "atis": _records(5),
    "dat": _records(8),
    "evt2": _records(4),
    "evt21": _records(8),
    "evt3": _records(2),
    "es": {
        **dict.fromkeys(
            SIZED, Expectation("nothing", "no length, and records of one byte: any bytes are times and events")
        ),
        **dict.fromkeys(CONTENT, _SAME_LENGTH),
    },
    "aedat3": _packets(),
    "aedat4": _packets(),
    "hdf5": dict.fromkeys((*SIZED, *CONTENT), Expectation("changes")),
    "tonic_npy": {
        "truncate": Expectation("changes", "", 1, ("cut_off", "unreadable")),
        "delete": Expectation("changes"),
        "insert": Expectation("changes"),
        "duplicate": Expectation("changes"),
        **dict.fromkeys(CONTENT, _SAME_LENGTH),
    },
    "text": {
        "truncate": Expectation("inside a line", "the last digits of a number may be missing"),
        **dict.fromkeys(("insert", "delete", "duplicate"), Expectation("nothing", "digits make other numbers")),
        **dict.fromkeys(CONTENT, _SAME_LENGTH),
    },
}
UNLISTED = Expectation("nothing", "not listed yet for this format")


def expected(name: str, kind: str) -> Expectation:
    """The expectation for a format and a kind of fault."""
    return EXPECTED.get(name, {}).get(kind, UNLISTED)
