"""What a run has answered, as arrays: from the rows of its parts, or from rows that were not kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64
from numpy import ndarray

from spikecut.tools.batch.run_folder.parquet import Columns


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """The answers of R rules to N recordings, which `items` name; of those that have one.

    `pred` are the answers by name, `right` whether they are the truth. `dropped` are the events lost to damage before
    the latest answer, `digests` those of the sources.
    """

    items: tuple[str, ...]
    rules: tuple[str, ...]
    pred: tuple[tuple[str, ...], ...]
    right: Bool[ndarray, "R N"]
    steps: Int64[ndarray, "R N"]
    us: Int64[ndarray, "R N"]
    dropped: Int64[ndarray, " N"]
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.items)

    def of(self, rule: str) -> int:
        """The place of a rule."""
        return self.rules.index(rule)


def outcomes_of(tables: Iterable[Columns], order: Sequence[str], rules: Sequence[str]) -> Outcomes:
    """The answers in the order of the data set, whatever order the tables come in."""
    place = {item: at for at, item in enumerate(order)}
    number = {rule: at for at, rule in enumerate(rules)}
    shape = len(rules), len(order)
    right, steps, us = np.zeros(shape, np.bool_), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    pred: list[list[str]] = [[""] * len(order) for _ in rules]
    dropped, digests = np.zeros(len(order), np.int64), [""] * len(order)
    answered = np.zeros(len(order), np.bool_)
    once: dict[str, str] = {}  # each name of a class in memory once
    for table in tables:
        for row in zip(*(table[name] for name in _READ), strict=True):
            item, rule, label, answer, n_steps, time_us, lost, digest = row
            r, n = number[rule], place[item]
            right[r, n], steps[r, n], us[r, n] = label == answer, n_steps, time_us
            pred[r][n] = once.setdefault(answer, answer)
            dropped[n], digests[n], answered[n] = max(int(dropped[n]), lost), digest, True
    kept = np.flatnonzero(answered)
    picked: Any = kept.tolist()
    return Outcomes(
        tuple(order[n] for n in picked),
        tuple(rules),
        tuple(tuple(names[n] for n in picked) for names in pred),
        right[:, kept],
        steps[:, kept],
        us[:, kept],
        dropped[kept],
        tuple(digests[n] for n in picked),
    )


_READ = ("item_id", "rule", "label", "pred", "steps", "t_dec_us", "dropped", "sha256")


def overlap(outcomes: Outcomes, trained_on: Iterable[str]) -> list[str]:
    """Of each source that trained a network, by its content, one recording."""
    known = set(trained_on)
    first = dict(zip(reversed(outcomes.digests), reversed(outcomes.items), strict=True))
    return [item for digest, item in first.items() if digest in known]
