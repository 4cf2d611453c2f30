"""Truths about the simulated pixel: counts and times of a ramp, nothing for a still scene, no lost change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError
from spikecut.sources.simulation.drawn_digits import SENSOR, DrawnDigit
from spikecut.sources.simulation.pixel import DvsSpec, EventKind, see, see_labelled
from spikecut.sources.simulation.pixel_kernels import emit_events

import naive

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


def still(light: float, seconds: int = 20, shape: tuple[int, int] = (40, 40)) -> list[tuple[int, np.ndarray]]:
    return [(t * 100_000, np.full(shape, light)) for t in range(seconds * 10 + 1)]


def together(images: list[tuple[int, np.ndarray]], spec: DvsSpec) -> np.ndarray:
    return np.concatenate([batch.to_structured() for batch in see(images, spec, rng())])


def test_a_leak_fires_on_at_its_rate_and_never_off() -> None:
    """20 s at 0.5 Hz: ten events a pixel, give or take the tenth of a decade between pixels."""
    events = together(still(0.5), DvsSpec(mismatch=0, leak_hz=0.5))
    assert set(events["p"].tolist()) == {1}
    assert len(events) / 1600 == pytest.approx(10 * np.exp((0.1 * np.log(10)) ** 2 / 2) - 0.5, rel=0.05)


def test_hot_pixels_fire_at_their_rate_and_nowhere_else() -> None:
    events = together(still(0.5), DvsSpec(hot_pixels=0.005, hot_hz=50.0))
    places, counts = np.unique(events["y"] * 40 + events["x"], return_counts=True)
    assert len(places) == 8  # of 1,600
    assert abs(counts.sum() - 8 * 1000) < 3 * np.sqrt(8000)


def test_no_two_events_of_a_pixel_are_closer_than_its_refractory_time() -> None:
    noise = np.random.default_rng(1).uniform(0.05, 1, (60, 12, 12))
    images = [(2_000 * k, image) for k, image in enumerate(noise)]
    kept = together(images, DvsSpec(shot_noise_hz=200.0, refractory_us=700))
    free = together(images, DvsSpec(shot_noise_hz=200.0))
    place = kept["y"].astype(int) * 12 + kept["x"]
    gaps = np.concatenate([np.diff(kept["t"][place == k]) for k in range(144)])
    assert gaps.min() >= 700
    assert 0 < len(kept) < len(free)


def test_two_events_exactly_the_refractory_time_apart_are_both_reported() -> None:
    """A threshold each 250 us, the last of them moved inside the interval: 249 us after the one before."""
    spec = DvsSpec(threshold_on=0.25, threshold_off=0.25, mismatch=0, refractory_us=250)
    (batch,) = see([(0, np.full((1, 1), 1.0)), (1_000, np.full((1, 1), np.e))], spec, rng())
    assert batch.t.tolist() == [250, 500, 750]


def test_a_noise_event_sets_the_memory_to_the_level_of_its_moment() -> None:
    """The level rises by 0.3. A noise event half way leaves 0.15 of it, which is below the threshold of 0.2."""
    one = np.ones(1)
    memory, t, place, side = np.zeros(1), np.empty(5, np.int64), np.empty(5, np.int32), np.empty(5, np.uint8)
    n = emit_events(
        np.zeros(1, np.int32), 0.3 * one, 0.3 * one, 0 * one, memory, 0 * one, 0.2 * one, 0.2 * one,
        np.array([-(1 << 62)]), np.array([0]), 0, 0, 1_000, np.zeros(1, np.int32), np.array([-1], np.int32),
        np.array([500]), np.zeros(1, np.uint8), np.ones(1, np.uint8), t, place, side, np.empty(5, np.uint8),
    )  # fmt: skip
    assert (n, int(t[0]), int(side[0])) == (1, 500, 0)
    assert memory[0] == pytest.approx(0.15)


def test_a_photoreceptor_follows_a_step_with_its_time_constant_and_the_dark_more_slowly() -> None:
    """At light 1 and 100 Hz tau is 1.59 ms: after that time 63 % of the change has been reported."""
    fine = DvsSpec(0.01, 0.01, 0.0, bandwidth_hz=100.0)
    reached = {}
    for light, every_us in ((1.0, 10), (0.1, 40)):
        later = [(every_us * k, np.full((1, 1), light)) for k in range(1, 3_000)]
        images = [(0, np.full((1, 1), light / np.e)), *later]
        t = together(images, fine)["t"]
        assert len(t) == pytest.approx(100, abs=1)
        reached[light] = t[62]
    assert reached[1.0] == pytest.approx(1e6 / (2 * np.pi * 100), rel=0.03)
    assert reached[0.1] == pytest.approx(reached[1.0] * 1.08 / 0.18, rel=0.03)


def test_a_closed_loop_of_light_gives_as_many_off_as_on() -> None:
    t = np.linspace(0, 2 * np.pi, 41)
    base = np.random.default_rng(2).uniform(0.5, 1.5, (10, 10))
    images = [(1_000 * k, np.exp(base * np.sin(angle))) for k, angle in enumerate(t)]
    events = together(images, DvsSpec(0.2, 0.2, 0.0))
    n_on = int(events["p"].sum())
    assert abs(2 * n_on - len(events)) <= 100  # one a pixel at most


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 6), st.sampled_from([0, 300]), st.sampled_from([0.0, 30.0]))
def test_the_pixel_is_its_naive_twin(seed: int, n_images: int, refractory_us: int, leak_hz: float) -> None:
    random = np.random.default_rng(seed)
    times = np.cumsum(random.integers(1, 5_000, n_images))
    images = [(int(t), random.uniform(0.05, 1, (3, 2))) for t in times]
    spec = DvsSpec(0.2, 0.3, 0.0, refractory_us=refractory_us, leak_hz=leak_hz)
    events = together(images, spec)
    found = [(int(e["t"]), int(e["x"]), int(e["y"]), int(e["p"])) for e in events]
    leaks = spec.leak_hz * 1e-6 * 0.2 * 10 ** (0.1 * _leak_pattern(6))
    expected = []
    for place in range(6):
        light = [(t, float(image.flat[place])) for t, image in images]
        for t, p in naive.pixel(light, 0.2, 0.3, float(leaks[place]), refractory_us):
            expected.append((t, place % 2, place // 2, p))
    assert len(found) == len(expected)
    for one, other in zip(sorted(found, key=_by_place), sorted(expected, key=_by_place), strict=True):
        assert one[1:] == other[1:]
        assert abs(one[0] - other[0]) <= 1


def _by_place(event: tuple[int, ...]) -> tuple[int, int, int]:
    return event[2], event[1], event[0]


def _leak_pattern(n: int) -> np.ndarray:
    """What `see` draws for the leak: after the two fields of thresholds."""
    random = rng()
    random.standard_normal(2 * n)
    return random.standard_normal(n)


@pytest.mark.parametrize("light", [0.0, -1.0, np.nan, np.inf])
def test_light_that_is_no_number_above_0_is_refused(light: float) -> None:
    images = [(0, np.ones((2, 2))), (10, np.full((2, 2), light))]
    with pytest.raises(ConfigError, match="the image at 10 us: light must be a number above 0"):
        list(see(images, EXACT, rng()))


def test_an_image_of_another_shape_is_refused() -> None:
    with pytest.raises(ConfigError, match="has shape"):
        list(see([(0, np.ones((2, 2))), (10, np.ones((2, 3)))], EXACT, rng()))


@pytest.mark.parametrize("wrong", [{"threshold_on": 0.0}, {"leak_hz": -1.0}, {"hot_pixels": 1.5}])
def test_a_camera_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        DvsSpec(**wrong)  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (DvsSpec(mismatch=0.0, shot_noise_hz=20.0), EventKind.shot),
        (DvsSpec(mismatch=0.0, leak_hz=20.0), EventKind.leak),
        (DvsSpec(mismatch=0.0, hot_pixels=0.1, hot_hz=50.0), EventKind.hot),
    ],
)
def test_events_of_a_still_scene_are_noise_of_their_kind(spec: DvsSpec, kind: EventKind) -> None:
    images = [(t, np.full((20, 30), 0.3)) for t in range(0, 1_000_000, 50_000)]
    kinds = np.concatenate([kinds for _, kinds in see_labelled(images, spec, rng())])
    assert len(kinds) > 1_000
    assert (kinds == kind).all()


def test_events_of_changing_light_are_signal_and_stay_so_beside_noise() -> None:
    """A ramp of 5 thresholds in 1 s; a leak of 1 event in 10 s makes none of them, and shot noise is counted apart."""
    images = [(t, np.full((20, 30), np.exp(-3 + 1e-6 * t))) for t in range(0, 1_000_001, 50_000)]
    clean = np.concatenate([kinds for _, kinds in see_labelled(images, DvsSpec(mismatch=0.0), rng())])
    assert np.bincount(clean).tolist() == [20 * 30 * 5]
    spec = DvsSpec(mismatch=0.0, leak_hz=0.1, shot_noise_hz=2.0)
    noisy = np.concatenate([kinds for _, kinds in see_labelled(images, spec, rng())])
    signal, shot = np.bincount(noisy).tolist()
    assert 600 < shot < 20 * 30 * 2  # a pixel in the light is quieter
    assert 2_000 < signal < 3_600
