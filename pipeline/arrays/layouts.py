"""The structured arrays of other libraries: which fields, in which order, of which types, and how they say OFF.

A new one is one row. The dtypes are those of Tonic 1.7.0, faery 0.7.1, aedat 2.3.0, AEStream 0.6.4, dv-processing
2.0.4, expelliarmus 1.1.12, OpenEB 5.1.1, evutils 0.3.18, evio 0.1.0, eventify 0.2.0 and spikingjelly 2.0.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from spikecut.pipeline.arrays.columns import NAMES
from spikecut.pipeline.errors import ConfigError, EventError
from spikecut.pipeline.files.arguments import kind_of
from spikecut.pipeline.files.strict import closest


@dataclass(frozen=True, slots=True)
class Layout:
    """A dtype, and the polarity of an OFF event in it."""

    dtype: np.dtype[Any]
    off: int = 0


def _packed(**types: str) -> Layout:
    return Layout(np.dtype(list(types.items())))


_TITLED = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), (("p", "on"), "?")])
_DV = np.dtype(
    {
        "names": ["timestamp", "x", "y", "polarity"],
        "formats": ["<i8", "<i2", "<i2", "i1"],
        "offsets": [0, 8, 10, 12],
        "itemsize": 16,
    }
)
_OPENEB = np.dtype(
    {"names": ["x", "y", "p", "t"], "formats": ["<u2", "<u2", "<i2", "<i8"], "offsets": [0, 2, 4, 8], "itemsize": 16}
)
LAYOUTS: Mapping[str, Layout] = {
    "tonic": _packed(x="<i2", y="<i2", t="<i8", p="?"),
    "tonic-nmnist": _packed(x="<i8", y="<i8", t="<i8", p="<i8"),
    "tonic-cifar10dvs": _packed(t="<u8", x="<u2", y="<u2", p="?"),
    "faery": Layout(_TITLED),
    "aedat": Layout(_TITLED),
    "aestream": _packed(timestamp="<i8", x="<i2", y="<i2", polarity="i1"),
    "dv": Layout(_DV),
    "expelliarmus": _packed(t="<i8", x="<i2", y="<i2", p="u1"),
    "openeb": Layout(_OPENEB),
    "evutils": _packed(t="<i8", x="<u2", y="<u2", p="u1"),
    "evio": _packed(x="<u2", y="<u2", t="<i8", p="i1"),
    "evlab": _packed(x="<u2", y="<u2", t="<i8", p="i1"),
    "eventify": _packed(x="<i2", y="<i2", t="<i8", p="i1"),
    "evlib": Layout(np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<m8[us]"), ("polarity", "i1")]), off=-1),
    "spikingjelly": _packed(t="<i8", x="<i8", y="<i8", p="<i8"),
}


def structured(columns: Mapping[str, Shaped[ndarray, " N"]], like: str = "tonic") -> Shaped[ndarray, " N"]:
    """The columns t (int64), x, y and p (0 and 1) as an array of a library's dtype.

    Raises:
        ConfigError: if the library is unknown.
        EventError: at the first value that a field of that dtype cannot hold.
    """
    kind_of("like", like, str, "the name of a library", f"known ones: {', '.join(LAYOUTS)}")
    if like not in LAYOUTS:
        near = closest(like, LAYOUTS)
        raise ConfigError(
            f"no array like {like!r}",
            hint=f"did you mean {near!r}?" if near else f"known ones: {', '.join(LAYOUTS)}",
        )
    layout = LAYOUTS[like]
    events = np.zeros(len(columns["t"]), layout.dtype)
    for column, names in NAMES.items():
        field = next(name for name in names if name in (layout.dtype.names or ()))
        values = columns[column]
        if column == "p" and layout.off:
            values = np.where(values > 0, 1, layout.off)
        _check_range(values, events.dtype[field], f"{column} in an array like {like!r}")
        events[field] = values
    return events


def _check_range(values: Shaped[ndarray, " N"], dtype: np.dtype[Any], what: str) -> None:
    if dtype.kind not in "iu":
        return
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    wrong = (values < least) | (values > most)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise EventError(f"event {at}: {values[at]} for {what}, which holds {least} to {most}")
