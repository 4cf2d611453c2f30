"""Filters in words, as on the command line and in recipes: `refractory:1ms`, `crop:10,10,64x64`."""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.files.strict import closest, unexpected
from spikecut.pipeline.filters import FILTERS, FilterRow
from spikecut.pipeline.filters.base import Filter, Filtered
from spikecut.pipeline.protocols import EventSource

_SOURCE = "a recording, or another source of batches with a `sensor`"


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
    try:
        arguments = row.argument(argument)
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
