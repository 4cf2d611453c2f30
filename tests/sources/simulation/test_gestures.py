"""Truths about the drawn gestures: a function of their seed, in the genuine layout, with the published rates."""

from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.sources import open_recording
from spikecut.sources.datasets.dvs_gesture import open_gesture_set
from spikecut.sources.datasets.gesture_labels import GESTURES
from spikecut.sources.datasets.parts import drawn_part
from spikecut.sources.simulation.choreography import Manner, perform
from spikecut.sources.simulation.figure import MARGIN, Body, limbs, wall
from spikecut.sources.simulation.figure_kernels import draw
from spikecut.sources.simulation.gestures import (
    ORDER,
    DrawnSession,
    drawn_session,
    drawn_users,
    write_lists,
    write_session,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_session_is_a_function_of_its_person_light_and_seed() -> None:
    def some(session: DrawnSession) -> bytes:
        return b"".join(batch.to_structured().tobytes() for batch in islice(session, 40))

    one = DrawnSession(3, "led", quick=True)
    assert some(one) == some(one)
    for other in (DrawnSession(4, "led", quick=True), DrawnSession(3, "lab", quick=True), DrawnSession(3, "led", 1)):
        assert some(one) != some(other)


def test_labels_come_in_the_genuine_order_with_pauses_between() -> None:
    spans = list(drawn_session(7).spans())
    assert tuple(span.label for span in spans) == ORDER
    assert all(a.end_us + 300_000 <= b.start_us for a, b in pairwise(spans))
    seconds = np.array([s.end_us - s.start_us for user in range(60) for s in drawn_session(user).spans()]) / 1e6
    assert 3.5 <= seconds.min() <= seconds.max() <= 18.5
    assert seconds.mean() == pytest.approx(6.46, rel=0.05)  # the published mean


def test_batches_tile_time_on_the_sensor_and_gestures_make_most_of_the_events() -> None:
    session = DrawnSession(5, "natural", order=(0, 5), quick=True)
    batches = list(session)
    assert all(a.end_us == b.start_us for a, b in pairwise(batches))
    spans = list(session.spans())
    assert batches[0].start_us < spans[0].start_us
    assert batches[-1].end_us > spans[-1].end_us
    t = np.concatenate([batch.t for batch in batches])
    rates = [((t >= s.start_us) & (t < s.end_us)).sum() / (s.end_us - s.start_us) * 1e6 for s in spans]
    assert 5_000 < min(rates) <= max(rates) < 400_000
    assert max(int(batch.x.max(initial=0)) for batch in batches) <= 127


def test_a_live_source_goes_on_for_ever() -> None:
    session = DrawnSession(1, "led", order=None, quick=True)
    labels = [span.label for span in islice(session.spans(), 60)]
    assert len(set(labels)) == len(GESTURES)
    assert sum(len(batch) for batch in islice(session, 300)) > 0


def test_a_written_session_opens_as_the_genuine_ones_do(tmp_path: Path) -> None:
    session = DrawnSession(24, "led", order=(10, 3), quick=True)
    path = write_session(tmp_path, session)
    write_lists(tmp_path, [session])
    assert path.name == "user24_led.aedat"
    (found,) = open_gesture_set(tmp_path).sessions
    assert (found.user, found.lighting, found.part) == (24, "led", "test")
    assert found.labels().spans == tuple(session.spans())
    written = np.concatenate([batch.to_structured() for batch in session])
    read = np.concatenate([batch.to_structured() for batch in open_recording(path)])
    assert written.tobytes() == read.tobytes()
    assert "No real person" in (tmp_path / "README.txt").read_text()


def test_of_29_users_six_test_and_six_calibrate_as_in_the_genuine_set() -> None:
    assert drawn_users(29, "test") == [24, 25, 26, 27, 28, 29]
    assert drawn_users(29, "calibration") == [3, 7, 11, 15, 19, 23]
    assert {drawn_part(user) for user in drawn_users(435, "all")} == {"train", "calibration", "test"}


@pytest.mark.parametrize(("here", "other"), [(3, 4), (5, 6)])
def test_clockwise_runs_the_other_way_round_than_counter_clockwise(here: int, other: int) -> None:
    """As the camera sees it: x to the right, y down, so a growing angle is clockwise."""
    t = np.arange(0, 3, 0.01)
    arm, side = (0, -1) if "right" in GESTURES[here] else (1, 1)
    turns = {}
    for label in (here, other):
        path = perform(label, t, Manner(1, 1, 0), rng(label))[:, arm]
        x, y = side * path[:, 0], -path[:, 1]
        angle = np.unwrap(np.arctan2(y - y.mean(), x - x.mean()))
        turns[label] = angle[-1] - angle[0]
    assert turns[here] > 6
    assert turns[other] < -6


def test_a_wave_moves_one_hand_and_leaves_the_other_hanging() -> None:
    t = np.arange(0, 2, 0.01)
    hands = perform(GESTURES.index("right hand wave"), t, Manner(1, 1, 0), rng())
    assert np.ptp(hands[:, 0, 0]) > 5 * np.ptp(hands[:, 1, 0])


def test_a_figure_covers_the_wall_where_it_stands_and_light_is_above_0() -> None:
    background, mean = wall(rng())
    body = Body.of(rng(1), mean)
    t = np.arange(0, 0.1, 0.01)
    hands = perform(0, t, Manner(1, 1, 0), rng())
    parts = limbs(body, hands, np.tile([64.0, 44.0], (len(t), 1)), np.zeros(len(t)), 90.0)
    image = np.empty((128, 128), np.float32)
    draw(image, background, 0.0, 0.0, parts[0], 1.0, 1.2)
    assert (image > 0).all()
    np.testing.assert_allclose(image[:8, :8], background[MARGIN : MARGIN + 8, MARGIN : MARGIN + 8], rtol=1e-5)
    assert abs(np.log(image[70, 64] / background[70 + MARGIN, 64 + MARGIN])) > 0.3


@pytest.mark.parametrize("wrong", [{"lighting": "candle"}, {"lighting": "led", "order": (11,)}])
def test_a_session_that_cannot_be_drawn_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        DrawnSession(1, **wrong)  # type: ignore[arg-type]
