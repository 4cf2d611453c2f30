"""Alternating timings: what is compared runs in turn, so that a machine that slows down slows all alike."""

import time
from collections.abc import Callable, Mapping


def best_seconds(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The least process time of each contender over several rounds, after one round to warm up."""
    best = dict.fromkeys(contenders, float("inf"))
    for turn in range(rounds + 1):
        for name, run in contenders.items():
            started = time.process_time()
            run()
            if turn:
                best[name] = min(best[name], time.process_time() - started)
    return best


def seconds_of_rounds(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """The process time of each contender in each of several rounds, after one round to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, run in contenders.items():
            started = time.process_time()
            run()
            if turn:
                seconds[name].append(time.process_time() - started)
    return seconds
