"""Truths about the simulated pixel: counts and times of a ramp, nothing for a still scene, no lost change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError
from spikecut.sources.dvs import DvsSpec, see
from spikecut.sources.shapes import SENSOR, DrawnDigit

EXACT = DvsSpec(threshold_on=0.2, threshold_off=0.25, mismatch=0)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_ramp_gives_the_events_and_times_worked_by_hand() -> None:
    """ln rises by 1.05 in 1050 us: 0.2 a step is one event every 200 us. Back down: 0.25 is 250 us each."""
    low, high = np.full((1, 2), 1.0), np.full((1, 2), np.exp(1.05))
    up, down = see([(0, low), (1050, high), (2100, low)], EXACT, rng())
    assert up.t.tolist() == [t for k in range(1, 6) for t in (200 * k, 200 * k)] or np.allclose(
        up.t, np.repeat(200 * np.arange(1, 6), 2), atol=1
    )
    assert up.p.tolist() == [1] * 10
    # the memory stands at 1.0; it falls by 0.25 from there: at 0.75, 0.5, 0.25, 0.0
    np.testing.assert_allclose(down.t, np.repeat(1050 + np.array([300, 550, 800, 1050]), 2)[: len(down)], atol=1)
    assert set(down.p.tolist()) == {0}


def test_a_still_scene_is_silent_and_time_passes_all_the_same() -> None:
    image = np.random.default_rng(1).uniform(0.1, 1, (6, 7))
    batches = list(see([(t, image) for t in (5, 10, 30)], EXACT, rng()))
    assert [(len(b), b.start_us, b.end_us) for b in batches] == [(0, 5, 10), (0, 10, 30)]


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 8))
def test_no_change_of_light_is_lost_or_made_up(seed: int, n_images: int) -> None:
    """ON minus OFF times the threshold is the change of the logarithm, to within one threshold."""
    random = np.random.default_rng(seed)
    images = [(100 * t, random.uniform(0.05, 1.0, (3, 4))) for t in range(n_images)]
    spec = DvsSpec(threshold_on=0.15, threshold_off=0.15, mismatch=0)
    change = np.zeros((3, 4))
    for batch in see(images, spec, rng()):
        np.add.at(change, (batch.y, batch.x), np.where(batch.p == 1, 0.15, -0.15))
    assert np.abs(np.log(images[-1][1]) - np.log(images[0][1]) - change).max() < 0.15 + 1e-9


def test_more_images_of_the_same_straight_change_give_the_same_events() -> None:
    start, slope = np.log(np.full((2, 2), 0.5)), np.array([[1.0, -0.7], [0.3, 2.1]]) / 1000

    def at(times: list[int]) -> list[tuple[int, int, int, int]]:
        batches = see([(t, np.exp(start + slope * t)) for t in times], EXACT, rng())
        return sorted(
            (int(x), int(y), int(p), int(t)) for b in batches for t, x, y, p in zip(b.t, b.x, b.y, b.p, strict=True)
        )

    coarse, fine = at([0, 1000]), at([0, 137, 400, 777, 1000])
    assert [event[:3] for event in coarse] == [event[:3] for event in fine]
    assert max(abs(a[3] - b[3]) for a, b in zip(coarse, fine, strict=True)) <= 1


def test_noise_comes_at_its_rate_and_at_both_polarities() -> None:
    spec = DvsSpec(mismatch=0, shot_noise_hz=5.0)
    (batch,) = see([(0, np.ones((50, 40))), (1_000_000, np.ones((50, 40)))], spec, rng())
    expected = 0.25 * 5 * 50 * 40  # full light: a quarter of the rate in the dark
    assert abs(len(batch) - expected) < 4 * np.sqrt(expected)
    assert abs(batch.p.mean() - 0.5) < 4 * 0.5 / np.sqrt(expected)
    assert (np.diff(batch.t) >= 0).all()


def test_time_must_advance() -> None:
    with pytest.raises(ConfigError, match="an image at 5 us after one at 5 us"):
        list(see([(5, np.ones((2, 2))), (5, np.ones((2, 2)))], EXACT, rng()))


def test_a_drawn_digit_is_a_function_of_digit_and_seed() -> None:
    def events(digit: int, seed: int) -> bytes:
        return b"".join(batch.to_structured().tobytes() for batch in DrawnDigit(digit, seed))

    assert events(3, 1) == events(3, 1)
    assert events(3, 1) != events(3, 2)
    assert events(3, 1) != events(4, 1)


def test_a_drawn_digit_has_the_size_of_a_recorded_one() -> None:
    """N-MNIST: some 4,100 events in 300 ms, half of them ON, on 34 x 34 pixels."""
    for digit in (0, 1, 8):
        batches = list(DrawnDigit(digit, 0))
        n = sum(map(len, batches))
        assert 1_500 < n < 6_500
        assert 0.4 < sum(int(b.p.sum()) for b in batches) / n < 0.6
        assert (batches[0].start_us, batches[-1].end_us) == (0, 300_000)
        assert all(batch.sensor == SENSOR for batch in batches)
