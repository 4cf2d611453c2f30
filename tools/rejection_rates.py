"""The two measured rates of a level of sensitivity, each with its interval, as text and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from spikecut.pipeline.metrics.intervals import Estimate, garwood, wilson
from spikecut.pipeline.rules.rejection import Level, Sensitivity


def rates_text(name: str, level: Level) -> str:
    """A line for people: false alarms of movement without gestures, and gestures that got no answer.

    >>> rates_text("low", Level(9.0, 2, 20.0, 0.31, 0.5, 4, 1000, 0.0091, 0.95))  # doctest: +NORMALIZE_WHITESPACE
    'sensitivity low: 0.10 false alarms a minute of movement without gestures (0.01 to 0.36; 2 in 20.0 min),
    0.4 % of gestures rejected (0.2 to 1.0 %; 4 of 1,000); 95 % intervals'
    """
    alarms, rejected = _rates(level)
    return (
        f"sensitivity {name}: {alarms.value:.2f} false alarms a minute of movement without gestures "
        f"({alarms.low:.2f} to {alarms.high:.2f}; {level.alarms} in {level.minutes:.1f} min), "
        f"{100 * rejected.value:.1f} % of gestures rejected ({100 * rejected.low:.1f} to {100 * rejected.high:.1f} %; "
        f"{level.rejected:,} of {level.n:,}); {100 * level.confidence:g} % intervals"
    )


def level_object(name: str, level: Level) -> dict[str, Any]:
    """A level as it was fitted, and its `rates` with their intervals."""
    alarms, rejected = _rates(level)
    rates = {
        "false_alarms": {"n": level.alarms, "minutes": round(level.minutes, 4), "per_minute": _triple(alarms)},
        "rejected": {"n": level.rejected, "of": level.n, "share": _triple(rejected)},
    }
    return {"level": name, **asdict(level), "rates": rates}


def levels_object(sensitivity: Sensitivity | None) -> dict[str, Any] | None:
    """All levels by their names; None where a cutoff has none."""
    return (
        None if sensitivity is None else {name: level_object(name, one) for name, one in sensitivity.levels().items()}
    )


def _rates(level: Level) -> tuple[Estimate, Estimate]:
    """False alarms a minute with Garwood's interval, and the share of rejected gestures with Wilson's."""
    return (
        garwood(level.alarms, level.minutes, level.confidence),
        wilson(level.rejected, level.n, level.confidence),
    )


def _triple(one: Estimate) -> Mapping[str, float]:
    return {name: round(value, 6) for name, value in asdict(one).items()}
