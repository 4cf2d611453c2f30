"""The unit of time of a network in texts: milliseconds of a stream, or steps on a still picture."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spikecut.models.spec import InputKind, NetworkSpec


@dataclass(frozen=True, slots=True)
class Pace:
    """The unit of time in texts: a step is `factor` units, formatted by `form`; and the word for the network's input.

    >>> Pace("ms", 10.0, ".0f").text(7), Pace("steps", 1.0, ".2f").text(1.66)
    ('70 ms', '1.66 steps')
    """

    unit: str
    factor: float
    form: str
    things: str = "recordings"

    def text(self, steps: float) -> str:
        """A mean number of steps, with its unit."""
        return f"{steps * self.factor:{self.form}} {self.unit}"

    def latency(self, latency_us: int) -> str:
        """A time of the stream in brackets; nothing where a step has no length in time."""
        return f"({latency_us / 1000:g} ms)" if self.unit == "ms" else ""

    def whole(self, steps: int) -> str:
        """A whole number of steps, with its unit."""
        return f"{steps * self.factor:.0f} {'step' if self.unit == 'steps' and steps == 1 else self.unit}"


_STILL = Pace("steps", 1.0, ".2f", "pictures")
_PACES: dict[InputKind, Callable[[NetworkSpec], Pace]] = {
    "events": lambda spec: Pace("ms", spec.step_us / 1000, ".0f"),
    "images": lambda spec: _STILL,
}


def pace_of(spec: NetworkSpec) -> Pace:
    """The pace of a network: a step before a picture has no length in time."""
    return _PACES[spec.input_kind](spec)


def pace_in(evaluation: Mapping[str, Any]) -> Pace:
    """The pace of the network that was evaluated, from `evaluation.json`."""
    return _STILL if evaluation.get("unit") == "steps" else Pace("ms", evaluation["step_us"] / 1000, ".0f")
