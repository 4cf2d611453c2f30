"""Two evaluations of the same recordings, paired: differences of the second from the first."""

import csv
import io
from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.files.limits import small_text
from spikecut.pipeline.metrics.intervals import Estimate, bootstrap_difference, bootstrap_ratio
from spikecut.tools.reports.evaluation_file import read_evaluation


def compared(first: Path, second: Path, seed: int) -> str:
    """Two evaluations of the same recordings, rule by rule: differences of the second from the first, paired.

    Raises:
        ConfigError: if they share no rule, or no recording.
    """
    one, other = _decisions(first), _decisions(second)
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


def _decisions(run: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """For every rule and recording: whether it was right, and after how many ms."""
    read_evaluation(run)
    decisions: dict[str, dict[str, tuple[float, float]]] = {}
    try:
        for row in csv.DictReader(io.StringIO(small_text(run / "decisions.csv", "table-bytes"), newline="")):
            decision = (float(row["truth"] == row["answer"]), float(row["ms"]))
            decisions.setdefault(row["rule"], {})[row["recording"]] = decision
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ModelError(
            f"{run / 'decisions.csv'}: no table of decisions", hint="spikecut evaluate --overwrite"
        ) from error
    return decisions


def _signed(one: Estimate, form: str) -> str:
    return f"{one.value:+{form}} ({one.low:+{form}} to {one.high:+{form}})"
