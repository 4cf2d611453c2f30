"""The compiled loops of EVT2 and EVT3 beside loops that look at one word after the other."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray

from spikecut.sources import open_recording

Events = list[tuple[int, int, int, int]]


def naive_evt2(words: ndarray) -> Events:
    high, events = 0, Events()
    for word in words.tolist():
        kind = word >> 28
        if kind == 8:
            high = word & 0xFFFFFFF
        elif kind < 2:
            events.append((high << 6 | (word >> 22) & 63, (word >> 11) & 0x7FF, word & 0x7FF, kind))
    return events


def naive_evt3(words: ndarray) -> Events:
    high = low = row = base = polarity = 0
    events = Events()
    for word in words.tolist():
        kind, value = word >> 12, word & 0xFFF
        if kind == 0:
            row = value & 0x7FF
        elif kind == 2:
            events.append((high << 12 | low, value & 0x7FF, row, value >> 11))
        elif kind == 3:
            base, polarity = value & 0x7FF, value >> 11
        elif kind in (4, 5):
            width = 12 if kind == 4 else 8
            bits = [bit for bit in range(width) if value >> bit & 1]
            events += [(high << 12 | low, base + bit, row, polarity) for bit in bits]
            base += width
        elif kind == 6:
            low = value
        elif kind == 8:
            high, low = value, low if value == high else 0
    return events


def words_of(name: str, seed: int, n: int, rare: float) -> ndarray:
    """Random words whose times do not leap: a TIME_HIGH, then mostly common types; `rare` is the share of others."""
    rng = np.random.default_rng(seed)
    if name == "evt2":
        kinds = np.where(rng.random(n) < rare, rng.choice([8, 10, 14, 15], n), rng.integers(0, 2, n))
        low = np.sort(rng.integers(0, 64, n))
        words = kinds << 28 | low << 22 | rng.integers(0, 1280, n) << 11 | rng.integers(0, 720, n)
        words[kinds == 8] = 8 << 28 | 77
        return np.concatenate([[8 << 28 | 77], words]).astype("<u4")
    kinds = np.where(rng.random(n) < rare, rng.choice([3, 4, 5, 8, 10, 14, 7, 15], n), rng.choice([0, 2, 2, 6], n))
    values = rng.integers(0, 1280, n) | rng.integers(0, 2, n) << 11
    values[kinds == 0] = rng.integers(0, 720, n)[kinds == 0]
    values[np.isin(kinds, (4, 5))] = rng.integers(0, 4096, n)[np.isin(kinds, (4, 5))]
    values[kinds == 6] = np.sort(rng.integers(0, 4096, n))[kinds == 6]
    values[kinds == 8] = 5
    return np.concatenate([[8 << 12 | 5, 3 << 12, 9], kinds << 12 | values & 0xFFF]).astype("<u2")


def tuples(batches: Any) -> Events:
    return [
        event for b in batches for event in zip(b.t.tolist(), b.x.tolist(), b.y.tolist(), b.p.tolist(), strict=True)
    ]


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 5_000), rare=st.sampled_from([0.0, 0.004, 0.05, 0.5]))
@pytest.mark.parametrize(("name", "naive"), [("evt2", naive_evt2), ("evt3", naive_evt3)])
def test_the_loops_and_the_naive_ones_agree(
    tmp_path_factory: pytest.TempPathFactory, name: str, naive: Any, seed: int, n: int, rare: float
) -> None:
    words = words_of(name, seed, n, rare)
    path: Path = tmp_path_factory.mktemp("loops") / "words.raw"
    path.write_bytes(f"% evt {name[3]}.0\n% geometry 65536x65536\n% end\n".encode() + words.tobytes())
    for batch_events in (65_536, 97):
        events = tuples(open_recording(path, batch_events=batch_events))
        assert events == sorted(naive(words), key=lambda event: event[0])
