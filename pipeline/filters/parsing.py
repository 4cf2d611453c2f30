"""Filters in words, as on the command line and in recipes: `refractory:1ms`, `crop:10,10,64x64`."""

import re
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.files.strict import closest, unexpected
from spikecut.pipeline.filters import FILTERS, FilterRow
from spikecut.pipeline.filters.base import Filter, Filtered
from spikecut.pipeline.protocols import EventSource

_SOURCE = "a recording, or another source of batches with a `sensor`"
_DURATION_US = {"us": 1, "ms": 1_000, "s": 1_000_000}
_POWERS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def filter_from(text: str) -> Filter:
    """A filter from its form in `FILTERS`.

    Raises:
        ConfigError: if there is no such filter, or its arguments have another form.

    >>> filter_from("crop:10,20,64x32"), filter_from("refractory:1ms")
    (Crop(x=10, y=20, width=64, height=32), Refractory(period_us=1000))
    """
    name, _, argument = text.partition(":")
    row = FILTERS.get(name)
    if row is None:
        near = closest(name, FILTERS)
        raise ConfigError(
            f"no filter {name!r}",
            hint=f"did you mean {near!r}?"
            if near
            else f"known ones: {', '.join(row.form for row in FILTERS.values())}",
        )
    read = _ARGUMENTS.get(name, _nothing)
    try:
        arguments = read(argument)
    except ValueError:
        raise ConfigError(f"filter {text!r}; expected {row.form}", hint=f"{row.name} {row.sentence}") from None
    made: Filter = _class_of(row)(*arguments)
    return made


def filters_from(texts: Iterable[str]) -> tuple[Filter, ...]:
    """Filters in their order; errors as `filter_from`."""
    return tuple(filter_from(text) for text in texts)


def filtered(source: EventSource, filters: Iterable[Filter | str]) -> Filtered:
    """A source behind filters, which are applied in their order: values, or words such as `refractory:1ms`.

    Raises:
        ConfigError: if there is no such filter, or one does not fit the sensor.

    >>> import spikecut
    >>> digit = spikecut.DrawnDigit(7, seed=1)
    >>> sparse = filtered(digit, ["refractory:5ms"])
    >>> 0 < sum(map(len, sparse)) < sum(map(len, digit))
    True
    """
    if not (hasattr(source, "__iter__") and isinstance(getattr(source, "sensor", None), SensorSize)):
        raise ConfigError(str(unexpected("source", source, _SOURCE)), hint="spikecut.open_recording(path) opens one")
    made = Filtered(source, filters_of(filters))
    _ = made.sensor
    return made


def filters_of(filters: Any) -> tuple[Filter, ...]:
    """Filters that are values or words.

    Raises:
        ConfigError: if it is no list of filters, there is no such filter, or its arguments have another form.
    """
    if isinstance(filters, str) or not isinstance(filters, Iterable):
        raise ConfigError(str(unexpected("filters", filters, "a list of filters")), hint='such as ["refractory:1ms"]')
    made = tuple(filter_from(one) if isinstance(one, str) else one for one in filters)
    for at, one in enumerate(made):
        if isinstance(one, type) or not isinstance(one, Filter):
            raise unexpected(f"filters[{at}]", one, "a filter, or a word such as refractory:1ms")
    return made


def _class_of(row: FilterRow) -> Callable[..., Filter]:
    module, _, name = row.home.partition(":")
    made: Callable[..., Filter] = getattr(import_module(module), name)
    return made


def _nothing(text: str) -> tuple[()]:
    if text:
        raise ValueError(text)
    return ()


def _word(text: str) -> tuple[str]:
    if not text:
        raise ValueError(text)
    return (text,)


def _whole(text: str) -> tuple[int]:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError(text)
    return (int(text),)


def _numbers(pattern: str, text: str) -> tuple[int, ...]:
    match = re.fullmatch(pattern, text, re.ASCII)
    if match is None:
        raise ValueError(text)
    return tuple(int(one) for one in match.groups())


def _crop(text: str) -> tuple[int, ...]:
    return _numbers(r"(\d{1,6}),(\d{1,6}),(\d{1,6})x(\d{1,6})", text)


def _duration(text: str) -> tuple[int]:
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)(us|ms|s)", text, re.ASCII)
    if match is None:
        raise ValueError(text)
    return (round(float(match[1]) * _DURATION_US[match[2]]),)


def _rate(text: str) -> tuple[int]:
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)([kmg]?)", text.lower(), re.ASCII)
    if match is None:
        raise ValueError(text)
    return (round(float(match[1]) * _POWERS[match[2]]),)


def _pixels(text: str) -> tuple[Any, ...]:
    if not text:
        return ()
    return (tuple(_numbers(r"(\d{1,6}),(\d{1,6})", one) for one in text.split("+")),)


_ARGUMENTS: Mapping[str, Callable[[str], tuple[Any, ...]]] = {
    "crop": _crop,
    "downsample": _whole,
    "flip": _word,
    "rotate": _whole,
    "polarity": _word,
    "refractory": _duration,
    "noise": _duration,
    "hot_pixels": _pixels,
    "rate_limit": _rate,
}
