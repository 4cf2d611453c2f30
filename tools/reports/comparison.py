"""Two evaluations of the same recordings, paired: differences of the second from the first."""

from pathlib import Path

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.intervals import Estimate, bootstrap_difference, bootstrap_ratio
from spikecut.tools.batch.run_folder.card import read_card
from spikecut.tools.batch.run_folder.folder import CARD
from spikecut.tools.reports.evaluation_file import read_evaluation
from spikecut.tools.reports.run_results import FULL, Answered, answers_of, is_run


def compared(first: Path, second: Path, seed: int) -> str:
    """Two evaluations of the same recordings, rule by rule: differences of the second from the first, paired.

    Recordings are paired by their paths. If no path is in both, as after the data was moved, they are paired by their
    places in the folders of the data, and a line says so.

    Raises:
        ConfigError: if they share no rule or no recording, or places show something else in the one than in the other.
    """
    one, other = _decisions(first, seed), _decisions(second, seed)
    lines = [f"{second} against {first}, paired over the recordings of both; 95 % intervals, seed {seed}"]
    if not _names(one) & _names(other):
        folders = _data_of(first), _data_of(second)
        one, other = (_below(table, folder) for table, folder in zip((one, other), folders, strict=True))
        lines.append(f"  paired by their places in {folders[0]} and {folders[1]}")
    rules = [name for name in one if name in other]
    if not rules:
        theirs = (", ".join(table) or "the full window only" for table in (one, other))
        raise ConfigError(f"{first} and {second} share no rule: {'; '.join(theirs)}")
    for rule in rules:
        shared = sorted(one[rule].keys() & other[rule].keys())
        if not shared:
            raise ConfigError(f"{first} and {second} share no recording")
        if unlike := [name for name in shared if one[rule][name].truth != other[rule][name].truth]:
            labels = " and ".join(table[rule][unlike[0]].truth for table in (one, other))
            raise ConfigError(f"{first} and {second} are of other recordings: {unlike[0]} shows {labels}")
        a, b = (np.array([_time_and_right(table[rule][name]) for name in shared]) for table in (one, other))
        rng = np.random.default_rng(seed)
        right = bootstrap_difference(100 * b[:, 0], 100 * a[:, 0], rng)
        ms, ratio = bootstrap_difference(b[:, 1], a[:, 1], rng), bootstrap_ratio(a[:, 1], b[:, 1], rng)
        lines.append(
            f"  {rule:<20} n {len(shared)}  right {_signed(right, '.1f')} points  time {_signed(ms, '.0f')} ms  "
            f"{ratio.value:.2f}x earlier ({ratio.low:.2f} to {ratio.high:.2f})"
        )
    return "\n".join(lines)


_Decisions = dict[str, dict[str, Answered]]  # by rule and recording


def _decisions(run: Path, seed: int) -> _Decisions:
    decisions: _Decisions = {}
    for one in answers_of(run, seed):
        if one.rule != FULL:
            decisions.setdefault(one.rule, {})[one.recording] = one
    return decisions


def _time_and_right(one: Answered) -> tuple[float, float]:
    """Whether it was right, and after how many ms."""
    return float(one.truth == one.answer), one.ms


def _names(decisions: _Decisions) -> set[str]:
    return {name for answers in decisions.values() for name in answers}


def _data_of(run: Path) -> str:
    """The folder of the data, as it was given then."""
    return str((read_card(run / CARD) if is_run(run) else read_evaluation(run)).get("data"))


def _below(decisions: _Decisions, folder: str) -> _Decisions:
    """The same with names that do not depend on where the data was."""
    return {
        rule: {name.removeprefix(f"{folder}/"): one for name, one in answers.items()}
        for rule, answers in decisions.items()
    }


def _signed(one: Estimate, form: str) -> str:
    return f"{one.value:+{form}} ({one.low:+{form}} to {one.high:+{form}})"
