"""Checks of the arguments of public functions, so that a wrong one is a sentence and no error of another library."""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from os import PathLike
from typing import Any, overload

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.strict import did_you_mean, unexpected

MOST_STEPS = 2**24


def one_of(name: str, value: Any, allowed: Iterable[str]) -> None:
    """Refuses what is none of the allowed words.

    Raises:
        ConfigError: naming the value, the allowed words, and the nearest one.
    """
    words = list(allowed)
    if not isinstance(value, str):
        raise unexpected(name, value, " or ".join(map(repr, words)))
    if value not in words:
        raise ConfigError(
            f"{name}: found {value!r}; expected {' or '.join(map(repr, words))}", hint=did_you_mean(value, words)
        )


def kind_of(name: str, value: Any, kinds: type | tuple[type, ...], expected: str, hint: str | None = None) -> None:
    """Refuses a value of another type.

    Raises:
        ConfigError: with what was `expected` in its place, and a hint what to do.
    """
    if not isinstance(value, kinds):
        raise ConfigError(str(unexpected(name, value, expected)), hint=hint)


def finite(name: str, value: Any, *, least: float = -math.inf, most: float = math.inf) -> float:
    """A number as a float: one of Python or NumPy.

    Raises:
        ConfigError: if it is none, is infinite, or lies outside `least` to `most`.

    >>> finite("alpha", 1, least=0, most=1)
    1.0
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise unexpected(name, value, "a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not (math.isfinite(number) and least <= number <= most):
        bounds = {True: "a finite number", False: f"a number from {least:g} to {most:g}"}
        raise unexpected(name, value, bounds[math.isinf(least) and math.isinf(most)])
    return number


def steps_of(horizon: Any) -> int:
    """A horizon as an int.

    Raises:
        ConfigError: if it is no whole number of steps, from 1 to `MOST_STEPS`.
    """
    number = whole("horizon", horizon, least=1)
    if number > MOST_STEPS:
        raise unexpected("horizon", number, f"at most {MOST_STEPS:,} steps")
    return number


@overload
def whole(name: str, value: Any, *, least: int | None = None) -> int: ...
@overload
def whole(name: str, value: Any, *, least: int | None = None, optional: bool) -> int | None: ...
def whole(name: str, value: Any, *, least: int | None = None, optional: bool = False) -> int | None:
    """A whole number as an int: one of Python or NumPy, or a float without a fraction.

    Raises:
        ConfigError: if it is none, is smaller than `least`, or does not fit into 64 bits.

    >>> whole("start_us", 1e6), whole("duration_us", None, optional=True)
    (1000000, None)
    """
    if value is None and optional:
        return None
    floating = isinstance(value, float) and value.is_integer()
    if isinstance(value, bool) or not (floating or isinstance(value, Integral)):
        raise unexpected(name, value, f"a whole number{' or None' if optional else ''}")
    number = int(value)
    if least is not None and number < least:
        raise unexpected(name, number, f"a whole number of at least {least}")
    if not -(2**63) <= number < 2**63:
        raise ConfigError(f"{name}: a whole number of {number.bit_length()} bits; expected one of 64")
    return number


def check_path(value: Any, owner: str = "a recording") -> None:
    """Refuses what is no path of a recording, or of another `owner`.

    Raises:
        ConfigError: if it is neither text nor a `Path`.
    """
    kind_of("path", value, (str, PathLike), f"the path of {owner} as a str or a Path")


def check_stepping(model: Any, decider: Any, horizon: Any) -> int:
    """The horizon as an int, of what the loop can step and ask.

    Raises:
        ConfigError: if the model has no `step`, the decider no `decide`, or the horizon is no number of steps.
    """
    if not callable(getattr(model, "step", None)):
        hint = 'such as: model, card = spikecut.load_network("gestures")'
        raise ConfigError(str(unexpected("model", model, "a network with a method `step`")), hint=hint)
    if not callable(getattr(decider, "decide", None)):
        cutoff = callable(getattr(getattr(decider, "cutoff", None), "decide", None))
        hint = "its attribute `cutoff`" if cutoff else "such as spikecut.confidence(0.9, horizon), or never(horizon)"
        raise ConfigError(str(unexpected("decider", decider, "a rule with a method `decide`")), hint=hint)
    return whole("horizon", horizon)


def is_folder_name(name: str) -> bool:
    """Whether a folder can have this name: no path, nothing that cannot be printed.

    >>> [is_folder_name(name) for name in ("my wave", "", "..", "a/b", "/tmp", "two\\nlines")]
    [True, False, False, False, False, False]
    """
    return name.strip() == name and name not in ("", ".", "..") and name.isprintable() and not set(name) & set("/\\")
