"""Time is an integer of microseconds; text is only for people."""

import re
from typing import Literal

from spikecut.pipeline.errors import ConfigError

TimeUnit = Literal["us", "ms", "s", "ns"]  # of the times in a text file

_UNITS_US = {"us": 1, "µs": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000}
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(us|µs|ms|s|min)\s*")


def parse_duration_us(text: str) -> int:
    """A length of time as people write it, in microseconds.

    Raises:
        ConfigError: if there is no unit, or the time is not a whole number of microseconds.

    >>> parse_duration_us("50ms"), parse_duration_us("1.5 s")
    (50000, 1500000)
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ConfigError(f"{text!r} is no duration", hint='write a number and a unit: "50ms", "1.5s", "800us"')
    value = float(match[1]) * _UNITS_US[match[2]]
    if value != int(value):
        raise ConfigError(f"{text!r} is finer than a microsecond", hint="the clock of a recording ticks in µs")
    return int(value)


def format_us(duration_us: int) -> str:
    """A length of time for people: milliseconds below ten seconds, seconds above.

    >>> format_us(84_000), format_us(12_500_000), format_us(1_300)
    ('84 ms', '12.5 s', '1.3 ms')
    """
    if abs(duration_us) < 10_000_000:
        return f"{duration_us / 1_000:g} ms"
    return f"{duration_us / 1_000_000:.1f} s"
