"""Decisions on recorded and drawn streams are the same by every engine: answers, and the steps they took."""

import zipfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spikecut
from spikecut.models.engines import ENGINES
from spikecut.models.files import opening
from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.pipeline.events import Frame
from spikecut.pipeline.results import Decision
from spikecut.sources.simulation.gestures import ORDER, DrawnSession
from spikecut.tools.cutoff_lookup import find_cutoff

OTHERS = [name for name in ENGINES if name != "norse"]


def stepper(network: str, engine: str) -> Any:
    try:
        return spikecut.load_network(network, engine=engine)[0]
    except EnvironmentProblem as missing:
        pytest.skip(str(missing))


def decisions(network: str, engine: str, clips: Iterable[list[Frame]], cutoff: str) -> list[tuple[int, int]]:
    """Answers and steps of window after window."""
    _, card = spikecut.load_network(network)
    rule = find_cutoff(cutoff, opening.locate(network), card).cutoff
    model = stepper(network, engine)
    return [
        (item.label, item.steps)
        for clip in clips
        for item in spikecut.watch(clip, model, rule, horizon=card.horizon)
        if isinstance(item, Decision)
    ]


@cache
def gestures(user: int, order: tuple[int, ...] = ORDER) -> list[Frame]:
    """A drawn session, 20 ms a frame."""
    reader, _ = spikecut.load_network("gestures")
    return list(spikecut.frames_of(DrawnSession(user, "led", order=order, quick=True), reader))


def digits(folder: Path, n: int) -> Iterator[list[Frame]]:
    """N-MNIST as recorded, `n` recordings spread over all."""
    reader, _ = spikecut.load_network("nmnist")
    paths = sorted(folder.rglob("*.bin"))
    for path in paths[:: len(paths) // n][:n]:
        yield list(spikecut.frames_of(path, reader))


@pytest.fixture(scope="module")
def nmnist(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nmnist")
    with zipfile.ZipFile(real_data / "nmnist_train1000.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize("cutoff", ["confidence-1pt", "none"])
def test_a_drawn_session_is_decided_as_by_norse(engine: str, cutoff: str) -> None:
    session = gestures(24, (1, 4, 8))[:600]
    wanted = decisions("gestures", "norse", [session], cutoff)
    assert len({label for label, _ in wanted}) > 2
    assert decisions("gestures", engine, [session], cutoff) == wanted


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize("cutoff", ["confidence-2pt", "none"])
def test_recorded_digits_are_decided_as_by_norse(engine: str, cutoff: str, nmnist: Path) -> None:
    wanted = decisions("nmnist", "norse", digits(nmnist, 30), cutoff)
    assert len({label for label, _ in wanted}) > 5
    assert decisions("nmnist", engine, digits(nmnist, 30), cutoff) == wanted


@pytest.mark.slow
@pytest.mark.parametrize("engine", OTHERS)
def test_all_recorded_digits_are_decided_as_by_norse(engine: str, nmnist: Path) -> None:
    clips = list(digits(nmnist, 1000))
    for cutoff in ("confidence-2pt", "topk-2pt", "none"):
        assert decisions("nmnist", engine, clips, cutoff) == decisions("nmnist", "norse", clips, cutoff)


@pytest.mark.slow
@pytest.mark.parametrize("engine", OTHERS)
def test_many_drawn_sessions_are_decided_as_by_norse(engine: str) -> None:
    clips = [gestures(user) for user in range(24, 30)]
    for cutoff in ("confidence-1pt", "topk-1pt", "none"):
        assert decisions("gestures", engine, clips, cutoff) == decisions("gestures", "norse", clips, cutoff)


@pytest.mark.slow
@pytest.mark.parametrize("engine", OTHERS)
def test_outputs_of_all_recorded_digits_are_those_of_norse_but_for_rare_spikes(engine: str, nmnist: Path) -> None:
    """The steps at which an output differs, because a spike does: at most one in a thousand."""
    norse, other, n_steps, n_apart = stepper("nmnist", "norse"), stepper("nmnist", engine), 0, 0
    for clip in digits(nmnist, 1000):
        one, two = None, None
        for frame in clip:
            wanted, one = norse.step(frame.pixels[None], one)
            output, two = other.step(frame.pixels[None], two)
            n_steps, n_apart = n_steps + 1, n_apart + int(np.abs(wanted - output).max() > 1e-3)
    print(f"{engine}: {n_apart} of {n_steps} steps differ")
    assert n_steps > 25_000
    assert n_apart <= 1e-3 * n_steps


@pytest.mark.parametrize("engine", ENGINES)
def test_a_recording_is_counted_into_frames_by_a_network_of_any_engine(engine: str) -> None:
    model = stepper("gestures", engine)
    frame = next(spikecut.frames_of(Path(__file__).parents[2] / "data" / "tiny.aedat", model))
    assert frame.pixels.shape == (2, 128, 128)
