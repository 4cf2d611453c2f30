"""Decisions on recorded and drawn streams are the same by every engine: answers, and the steps they took.

Every window is stepped from rest to its end once by each engine; the rules then decide on what it put out.
"""

import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy import ndarray

import spikecut
from spikecut.models.engines import ENGINES
from spikecut.models.files import opening
from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.events import Frame
from spikecut.pipeline.results import Decision
from spikecut.sources.datasets.class_folders import list_recordings, part_of
from spikecut.sources.simulation.gestures import ORDER, DrawnSession
from spikecut.tools.cutoff_lookup import find_cutoff

OTHERS = [name for name in ENGINES if name != "norse"]
Windows = tuple[tuple[Frame, ...], ...]


def stepper(network: str, engine: str) -> Any:
    try:
        return spikecut.load_network(network, engine=engine)[0]
    except EnvironmentProblem as missing:
        pytest.skip(str(missing))


@cache
def gestures(n_sessions: int, order: tuple[int, ...] = ORDER) -> Windows:
    """Windows of drawn sessions of different people, one after another, 20 ms a frame."""
    reader, card = spikecut.load_network("gestures")
    windows: list[tuple[Frame, ...]] = []
    for user in range(24, 24 + n_sessions):
        frames = tuple(spikecut.frames_of(DrawnSession(user, "led", order=order, quick=True), reader))
        windows += [frames[at : at + card.horizon] for at in range(0, len(frames), card.horizon)]
    return tuple(windows)


@cache
def digits(data: Path, n: int, fitted: bool) -> Windows:
    """At most `n` recordings of N-MNIST, spread over all or, without `fitted`, those that no cutoff was fitted to."""
    reader, card = spikecut.load_network("nmnist")
    recordings = list_recordings(data / "Train")
    chosen = recordings if fitted else [*part_of(recordings, "train"), *part_of(recordings, "test")]
    chosen = chosen[:: max(len(chosen) // n, 1)][:n]
    return tuple(tuple(spikecut.frames_of(one.path, reader))[: card.horizon] for one in chosen)


@cache
def outputs(network: str, engine: str, windows: Windows) -> tuple[ndarray, ...]:
    """What an engine puts out in each window, from rest."""
    model, every = stepper(network, engine), []
    for window in windows:
        state, steps = None, []
        for frame in window:
            output, state = model.step(frame.pixels[None], state)
            steps.append(output)
        every.append(np.stack(steps))
    return tuple(every)


class Tape:
    """A network that puts out what was recorded."""

    def __init__(self, recorded: ndarray) -> None:
        self.recorded, self.n_outputs = recorded, recorded.shape[-1]

    def step(self, frames: ndarray, state: int | None) -> tuple[ndarray, int]:
        at = state or 0
        return self.recorded[at], at + 1

    def select(self, state: int, lanes: ndarray) -> int:
        return state

    def copy(self, state: int) -> int:
        return state


def decisions(network: str, engine: str, windows: Windows, cutoff: str) -> list[tuple[int, int]]:
    """The answer of every window, and after how many steps it came."""
    _, card = spikecut.load_network(network)
    rule = find_cutoff(cutoff, opening.locate(network), card).cutoff
    return [
        (item.label, item.steps)
        for window, recorded in zip(windows, outputs(network, engine, windows), strict=True)
        for item in spikecut.run(window, Tape(recorded), rule, horizon=card.horizon)
        if isinstance(item, Decision)
    ]


@pytest.fixture(scope="module")
def nmnist(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nmnist")
    with zipfile.ZipFile(real_data / "nmnist_train1000.zip") as archive:
        archive.extractall(folder)
    return folder


def n_apart(network: str, engine: str, windows: Windows) -> tuple[int, int]:
    """Steps whose outputs are not Norse's, because a spike is another there or was before; and all steps."""
    pairs = list(zip(outputs(network, engine, windows), outputs(network, "norse", windows), strict=True))
    apart = sum(
        int((np.abs(one - other) > 1e-3 * max(1, np.abs(other).max())).any((1, 2)).sum()) for one, other in pairs
    )
    return apart, sum(map(len, (one for one, _ in pairs)))


@pytest.mark.parametrize("engine", OTHERS)
def test_a_drawn_session_is_decided_as_by_norse(engine: str) -> None:
    windows = gestures(1, (1, 4, 8))[:8]
    for cutoff in ("confidence-1pt", "topk-1pt", "none"):
        wanted = decisions("gestures", "norse", windows, cutoff)
        assert len({label for label, _ in wanted}) > 2
        assert decisions("gestures", engine, windows, cutoff) == wanted


@pytest.mark.parametrize("engine", OTHERS)
def test_recorded_digits_are_decided_as_by_norse(engine: str, nmnist: Path) -> None:
    windows = digits(nmnist, 30, False)
    for cutoff in ("confidence-2pt", "topk-2pt", "none"):
        wanted = decisions("nmnist", "norse", windows, cutoff)
        assert len({label for label, _ in wanted}) > 5
        assert decisions("nmnist", engine, windows, cutoff) == wanted


@pytest.mark.slow
@pytest.mark.parametrize("engine", OTHERS)
def test_all_recorded_digits_are_decided_as_by_norse(engine: str, nmnist: Path) -> None:
    """But with a cutoff those it was fitted to: its threshold is the score of one of them, to the last digit.

    Steps whose outputs differ: 14 to 24 of 30,000, in six or seven recordings; in half of these it is Norse that
    differs from double precision.
    """
    for cutoff in ("confidence-2pt", "topk-2pt", "ltt-2pt", "none"):
        windows = digits(nmnist, 1000, cutoff == "none")
        assert decisions("nmnist", engine, windows, cutoff) == decisions("nmnist", "norse", windows, cutoff)
    apart, n_steps = n_apart("nmnist", engine, digits(nmnist, 1000, True))
    print(f"{engine}: {apart} of {n_steps} steps differ")
    assert n_steps > 25_000
    assert apart <= 2e-3 * n_steps


@pytest.mark.slow
@pytest.mark.parametrize("engine", OTHERS)
def test_many_drawn_sessions_are_decided_as_by_norse(engine: str) -> None:
    windows = gestures(4)
    for cutoff in ("confidence-1pt", "topk-1pt", "ltt-1pt", "none"):
        assert decisions("gestures", engine, windows, cutoff) == decisions("gestures", "norse", windows, cutoff)
    apart, n_steps = n_apart("gestures", engine, windows)
    print(f"{engine}: {apart} of {n_steps} steps differ")
    assert apart <= 2e-2 * n_steps


@pytest.mark.parametrize("engine", ENGINES)
def test_a_recording_is_counted_into_frames_by_a_network_of_any_engine(engine: str) -> None:
    model = stepper("gestures", engine)
    frame = next(spikecut.frames_of(Path(__file__).parents[2] / "data" / "tiny.aedat", model))
    assert frame.pixels.shape == (2, 128, 128)
