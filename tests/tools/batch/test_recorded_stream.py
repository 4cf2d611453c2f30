"""Truths about trying thresholds on recorded outputs: the same answers as with the network, at every threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray

from spikecut.models.card import ModelCard
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.events import Frame, SensorSize
from spikecut.pipeline.recognition import Onset, recognise
from spikecut.pipeline.results import Decision
from spikecut.pipeline.rules.rejection import Rejecting
from spikecut.pipeline.rules.thresholds import confidence
from spikecut.tools.batch.continuous.recorded_stream import AlarmCount, RecordedStream

STEP_US, HORIZON, CLASSES = 20_000, 8, 3
ONSET = {"margin_hz": 2_000.0, "again_us": 100_000, "quiet_us": 60_000}
SENSOR = SensorSize(2, 2)
CARD = ModelCard(
    "noise",
    NetworkSpec("compact", (4, 6), CLASSES, STEP_US, SENSOR),
    ("a", "b", "none"),
    SENSOR,
    HORIZON,
    onset=ONSET,
    rejects=("none",),
)


class Noise:
    """A network whose output is noise that depends on the frame, and a little on the steps since its start."""

    n_outputs = CLASSES

    def __init__(self, seed: int) -> None:
        self.table = np.random.default_rng(seed).normal(0, 1.5, (400, CLASSES)).astype(np.float32)
        self.n_executed = 0

    def step(self, frames: ndarray, state: ndarray | None) -> tuple[ndarray, ndarray]:
        assert len(frames) == 1
        self.n_executed += 1
        steps = np.zeros(1) if state is None else state
        number = int(frames[0, 0, 0, 0])
        assert frames[0, 1, 1, 1] == 7  # the other pixels come back, too
        return self.table[number][None] * np.float32(1 + 0.01 * steps[0]), steps + 1

    def select(self, state: ndarray, lanes: ndarray) -> ndarray:
        raise NotImplementedError

    def copy(self, state: ndarray) -> ndarray:
        raise NotImplementedError


def frames_of(counts: list[int]) -> list[Frame]:
    frames = []
    for place, n in enumerate(counts):
        pixels = np.zeros((2, 2, 2), np.uint16)
        pixels[0, 0, 0], pixels[1, 1, 1] = place, 7
        frames.append(Frame(place, 0, place * STEP_US, (place + 1) * STEP_US, pixels, n))
    return frames


def answers(frames: list[Frame], network: object, threshold: float) -> list[tuple[int, int, int]]:
    items = recognise(
        frames,
        network,  # type: ignore[arg-type]
        confidence(0.7, HORIZON),
        horizon=HORIZON,
        onset=Onset(**ONSET),  # type: ignore[arg-type]
        rejecting=Rejecting((2,), threshold),
    )
    return [(one.label, one.steps, one.time_us) for one in items if isinstance(one, Decision)]


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.lists(st.sampled_from([20, 20, 900]), min_size=30, max_size=200))
def test_a_recorded_stream_has_the_answers_of_the_network(seed: int, counts: list[int]) -> None:
    frames = frames_of([20] * 10 + counts)
    network = Noise(seed)
    stream = RecordedStream(iter(frames), network)
    count = AlarmCount(stream, confidence(0.7, HORIZON), CARD)
    for threshold in np.arange(60, -20, -4) / 10:
        expected = answers(frames, Noise(seed), float(threshold))
        assert answers(stream.frames, stream, float(threshold)) == expected
        assert count(float(threshold)) == len(expected)


def test_the_loop_is_played_again_only_where_a_threshold_can_change_it() -> None:
    """Falling thresholds far above all evidence need one pass, and steps that were made are not made again."""
    frames = frames_of([20] * 10 + [900] * 100)
    network = Noise(1)
    stream = RecordedStream(frames, network)
    count = AlarmCount(stream, confidence(0.7, HORIZON), CARD)
    for threshold in np.arange(400, 300, -1) / 10:
        assert count(float(threshold)) == 0
    assert count.n_played == 1
    n_executed = network.n_executed
    assert n_executed == stream.n_executed <= 100
    assert count(30.0) == 0
    assert network.n_executed == n_executed
    assert stream.minutes == pytest.approx(110 * STEP_US / 6e7)
