"""Two evaluations of the same recordings, paired: differences of the second from the first."""

from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.intervals import Estimate, bootstrap_difference, bootstrap_ratio
from spikecut.tools.reports.run_results import FULL, answers_of


def compared(first: Path, second: Path, seed: int) -> str:
    """Two evaluations of the same recordings, rule by rule: differences of the second from the first, paired.

    Raises:
        ConfigError: if they share no rule, or no recording.
    """
    one, other = _decisions(first, seed), _decisions(second, seed)
    rules = [name for name in one if name in other]
    if not rules:
        raise ConfigError(f"{first} and {second} share no rule: {', '.join(one)}; {', '.join(other)}")
    lines = [f"{second} against {first}, paired over the recordings of both; 95 % intervals, seed {seed}"]
    for rule in rules:
        shared = sorted(one[rule].keys() & other[rule].keys())
        if not shared:
            raise ConfigError(f"{first} and {second} share no recording")
        a, b = (np.array([table[rule][name] for name in shared]) for table in (one, other))
        rng = np.random.default_rng(seed)
        right = bootstrap_difference(100 * b[:, 0], 100 * a[:, 0], rng)
        ms, ratio = bootstrap_difference(b[:, 1], a[:, 1], rng), bootstrap_ratio(a[:, 1], b[:, 1], rng)
        lines.append(
            f"  {rule:<20} n {len(shared)}  right {_signed(right, '.1f')} points  time {_signed(ms, '.0f')} ms  "
            f"{ratio.value:.2f}x earlier ({ratio.low:.2f} to {ratio.high:.2f})"
        )
    return "\n".join(lines)


def _decisions(run: Path, seed: int) -> dict[str, dict[str, tuple[float, float]]]:
    """For every rule and recording: whether it was right, and after how many ms."""
    decisions: dict[str, dict[str, tuple[float, float]]] = {}
    for one in answers_of(run, seed):
        if one.rule != FULL:
            decisions.setdefault(one.rule, {})[one.recording] = (float(one.truth == one.answer), one.ms)
    return decisions


def _signed(one: Estimate, form: str) -> str:
    return f"{one.value:+{form}} ({one.low:+{form}} to {one.high:+{form}})"
