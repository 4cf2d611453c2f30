"""Truths about varied recordings: what is counted is kept, what is silent is silent, and labels follow the events."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spikecut.models.training.augment import Augmentation, augment
from spikecut.models.training.drop_and_mix import mixed, noisy, silenced
from spikecut.models.training.time_augment import _taken, retimed
from spikecut.pipeline.errors import ConfigError

UNVARIED = Augmentation(rotate_deg=0.0, scale=0.0, shear=0.0, shift=0.0, drop=0.0)
SEEDS = st.integers(0, 10_000)


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def counts(n: int, steps: int, height: int, width: int, seed: int) -> Tensor:
    """At least one event everywhere, so that silence is seen."""
    return torch.randint(1, 5, (n, steps, 2, height, width), generator=random(seed)).float()


@pytest.mark.parametrize(
    ("how", "labels", "sums", "next_draw"),
    [
        (Augmentation(), [0, 1, 1], [256.9316, 432.6931, 221.3397], 0.2798),
        (Augmentation(drop=0.0, mirrored=(1, 0), inverted=True), [0, 0, 1], [227.7322, 346.9189, 361.5912], 0.4178),
        (Augmentation(flipped=True), [0, 1, 1], [341.6560, 164.6833, 198.0248], 0.7425),
    ],
)
def test_what_is_off_draws_nothing(how: Augmentation, labels: list[int], sums: list[float], next_draw: float) -> None:
    """Golden values from before there were rates, delays, silences and mixes, and before a frame that is not square
    was turned as one: networks of then, that see square frames, train again alike."""
    generator = random(7)
    frames = torch.arange(3 * 2 * 2 * 8 * 8).remainder(5).view(3, 2, 2, 8, 8).float()
    shown = retimed(frames, how.rate, how.delay_steps, generator)
    varied, meant = augment(shown, torch.tensor([0, 1, 1]), how, generator)
    varied, meant = mixed(varied, meant, how.mix, 2, generator)
    assert meant.tolist() == labels
    assert varied.flatten(1).sum(1).tolist() == pytest.approx(sums, rel=1e-4)
    assert torch.rand(1, generator=generator).item() == pytest.approx(next_draw, abs=1e-4)


# Time


@pytest.mark.parametrize(
    ("speed", "delay", "wanted"),
    [
        (0.5, 0, [2.0, 2.0, 0.0, 0.0, 4.0, 4.0]),
        (2.0, 0, [4.0, 9.0, 3.0, 0.0, 0.0, 0.0]),
        (1.5, 0, [4.0, 8.0, 1.0, 3.0, 0.0, 0.0]),
        (1.0, 2, [0.0, 0.0, 4.0, 0.0, 8.0, 1.0]),
        (1.0, -2, [8.0, 1.0, 0.0, 3.0, 0.0, 0.0]),
        (2.0, 1, [0.0, 4.0, 9.0, 3.0, 0.0, 0.0]),
        (0.5, -1, [2.0, 0.0, 0.0, 4.0, 4.0, 0.5]),
    ],
)
def test_a_pace_and_a_beginning_worked_by_hand(speed: float, delay: int, wanted: list[float]) -> None:
    recording = torch.tensor([4.0, 0.0, 8.0, 1.0, 0.0, 3.0])
    taken = _taken(6, torch.tensor([speed]), torch.tensor([float(delay)]))
    assert (taken[0] @ recording).tolist() == wanted


@given(SEEDS, st.floats(0, 0.9), st.integers(0, 3))
def test_a_pace_is_what_every_single_event_would_say(seed: int, rate: float, delay_steps: int) -> None:
    """A naive twin: each count as two hundred parts that lie evenly in its step, each moved by itself."""
    frames, parts, draws = counts(2, 5, 1, 1, seed), 200, random(seed)
    speeds = 1 + rate * (2 * torch.rand(2, generator=draws) - 1) if rate else torch.ones(2)
    delays = torch.randint(-delay_steps, delay_steps + 1, (2,), generator=draws) if delay_steps else torch.zeros(2)
    found = retimed(frames, rate, delay_steps, random(seed))[:, :, 0, 0, 0].tolist()
    for recording, retold, speed, delay in zip(frames, found, speeds.tolist(), delays.tolist(), strict=True):
        twin = [0.0] * 5
        for step, count in enumerate(recording[:, 0, 0, 0].tolist()):
            for part in range(parts):
                at = math.floor((step + (part + 0.5) / parts) / speed + delay)
                if 0 <= at < 5:
                    twin[at] += count / parts
        assert retold == pytest.approx(twin, abs=4 * 2 / parts)  # of each of two edges at most one part is elsewhere


@given(SEEDS, st.floats(0, 0.5), st.integers(0, 2))
def test_no_count_is_lost_that_stays_within_the_steps(seed: int, rate: float, delay_steps: int) -> None:
    """At half the speed at least, and one and a half at most, what is in steps 3 to 8 of 20 stays inside."""
    frames = torch.zeros(3, 20, 2, 2, 3)
    frames[:, 3:9] = counts(3, 6, 2, 3, seed)
    found = retimed(frames, rate, delay_steps, random(seed))
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(1), frames.sum(1))


@given(SEEDS, st.floats(0.01, 0.9))
def test_what_is_slower_has_fewer_counts_a_step(seed: int, rate: float) -> None:
    found = retimed(torch.full((1, 8, 2, 1, 1), 6.0), rate, 0, random(seed))
    speed = (1 + rate * (2 * torch.rand(1, generator=random(seed)) - 1)).item()
    assert found[0, 0].flatten().tolist() == pytest.approx([6 * speed, 6 * speed], rel=1e-5)
    assert found.sum().item() == pytest.approx(2 * 48 * min(1, speed), rel=1e-5)


def test_a_recording_begins_at_most_so_many_steps_early_or_late_and_at_each_of_them() -> None:
    frames = torch.arange(1.0, 7.0).view(1, 6, 1, 1, 1).expand(200, 6, 2, 1, 1)
    found = {tuple(steps) for steps in retimed(frames, 0.0, 2, random(0))[:, :, 0, 0, 0].tolist()}
    whole = (0, 0, 1, 2, 3, 4, 5, 6, 0, 0)
    assert found == {whole[at : at + 6] for at in range(5)}


def test_counts_of_any_type_can_be_retimed_and_stay_as_they_are_without_a_limit() -> None:
    frames = counts(2, 6, 2, 2, 0).to(torch.uint8)
    assert retimed(frames, 0.0, 0, random(0)) is frames
    assert torch.equal(retimed(frames, 0.3, 1, random(0)), retimed(frames.float(), 0.3, 1, random(0)))


# Geometry


def test_a_quarter_turn_moves_a_pixel_where_it_should_in_a_frame_that_is_not_square() -> None:
    """Of 5 x 9 pixels: what lies 2 to the right of the middle comes to lie 2 above or below it, and whole."""
    first = (2 * torch.rand(1, generator=random(0)) - 1).item()  # what the angle is drawn from
    frames = torch.zeros(1, 1, 2, 5, 9)
    frames[0, 0, :, 2, 6] = 1
    turned, _ = augment(frames, torch.tensor([0]), replace(UNVARIED, rotate_deg=90 / abs(first)), random(0))
    wanted = torch.zeros(5, 9)
    wanted[4 if first < 0 else 0, 4] = 1
    torch.testing.assert_close(turned[0, 0, 0], wanted, atol=1e-5, rtol=0)


def test_a_shear_moves_a_row_by_a_share_of_its_height_whatever_the_width() -> None:
    frames = torch.zeros(200, 1, 2, 5, 15)
    frames[:, :, :, 4, 7] = 1
    moved, _ = augment(frames, torch.zeros(200, dtype=torch.int64), replace(UNVARIED, shear=1.0), random(0))
    shift = (moved[:, 0, 0, 4] * torch.arange(15)).sum(1) - 7
    assert 1.9 < shift.abs().max().item() <= 2.0 + 1e-4


# Silence


@given(SEEDS, st.floats(0.05, 1))
def test_steps_in_a_row_are_silent_and_no_other(seed: int, limit: float) -> None:
    frames = counts(4, 12, 3, 4, seed)
    found = silenced(frames, limit, 0.0, random(seed))
    for before, after in zip(frames, found, strict=True):
        silent = [step for step in range(12) if not after[step].any()]
        assert len(silent) <= math.ceil(12 * limit)
        assert not silent or silent[-1] - silent[0] == len(silent) - 1
        assert all(torch.equal(before[step], after[step]) for step in range(12) if step not in silent)


@given(SEEDS, st.floats(0.05, 1))
def test_a_rectangle_is_silent_in_all_steps_and_nothing_else_is(seed: int, limit: float) -> None:
    frames = counts(4, 3, 10, 15, seed)
    found = silenced(frames, 0.0, limit, random(seed))
    for before, after in zip(frames, found, strict=True):
        silent = after[0, 0] == 0
        rows, columns = silent.any(1), silent.any(0)
        assert torch.equal(silent, rows[:, None] & columns)
        for side, n in ((rows, 10), (columns, 15)):
            places = side.nonzero().flatten()
            assert len(places) == 0 or len(places) == places[-1] - places[0] + 1
            assert len(places) <= math.ceil(n * math.sqrt(limit))
        assert torch.equal(after, before * ~silent)


@pytest.mark.parametrize(("time", "area"), [(0.3, 0.0), (1.0, 0.0), (0.0, 0.3), (0.0, 1.0)])
def test_half_of_the_limit_is_silent_on_average(time: float, area: float) -> None:
    """The limit's half is the mean of a uniform draw; whole steps and pixels do not lean to either side."""
    found = silenced(torch.ones(4000, 10, 2, 9, 7), time, area, random(1))
    silent = (found == 0).float().flatten(1).mean(1)
    error = silent.std().item() / math.sqrt(4000)
    assert silent.mean().item() == pytest.approx((time + area) / 2, abs=4 * error)


def test_an_augmentation_silences_what_it_shows() -> None:
    frames, labels = counts(20, 10, 8, 8, 0), torch.zeros(20, dtype=torch.int64)
    for how, together in ((replace(UNVARIED, drop_time=0.8), (2, 3, 4)), (replace(UNVARIED, drop_area=0.8), (1, 2))):
        shown, _ = augment(frames, labels, how, random(0))
        apart = (shown - frames).abs() > 1e-3
        assert apart.any()
        assert (shown[apart] == 0).all()
        assert torch.equal(apart.amax(together), apart.amin(together))  # whole steps, or pixels at all steps


# Noise


def test_noise_adds_single_events_to_up_to_its_share_of_squares_and_steps() -> None:
    """The share of a recording is drawn uniformly: its mean is half the limit, and it differs between recordings."""
    frames = counts(500, 10, 8, 8, 0)
    more = noisy(frames, 0.4, random(1)) - frames
    assert set(more.unique().tolist()) == {0.0, 1.0}
    shares = more.flatten(1).mean(1)
    assert shares.max().item() < 0.5
    assert shares.min().item() < 0.02
    assert shares.mean().item() == pytest.approx(0.2, abs=4 * 0.4 / math.sqrt(12 * 500))
    by_step, by_polarity = more.mean((0, 2, 3, 4)), more.mean((0, 1, 3, 4))
    assert (by_step - 0.2).abs().max().item() < 0.02
    assert (by_polarity - 0.2).abs().max().item() < 0.02


def test_without_noise_nothing_is_drawn() -> None:
    frames, generator = counts(3, 4, 8, 8, 0), random(2)
    assert noisy(frames, 0.0, generator) is frames
    assert torch.equal(torch.rand(3, generator=generator), torch.rand(3, generator=random(2)))


# Mixing


@given(SEEDS, st.floats(0.1, 1))
def test_a_recording_mixed_with_itself_is_itself(seed: int, area: float) -> None:
    frames, labels = counts(1, 3, 6, 5, seed).expand(4, -1, -1, -1, -1), torch.full((4,), 2)
    found, targets = mixed(frames, labels, area, 3, random(seed))
    assert torch.equal(found, frames)
    torch.testing.assert_close(targets, torch.tensor([0.0, 0.0, 1.0]).expand(4, 3))


@given(SEEDS, st.floats(0.1, 1))
def test_what_a_mixed_recording_shows_is_counted_in_events(seed: int, area: float) -> None:
    own = counts(3, 2, 6, 8, seed) * torch.tensor([1.0, 10.0, 100.0]).view(3, 1, 1, 1, 1)  # no two are alike anywhere
    found, targets = mixed(own, torch.tensor([0, 1, 2]), area, 4, random(seed))
    for i in range(3):
        before = own[i - 1]
        taken = found[i] == before
        assert torch.equal(taken, taken[:1, :1].expand_as(taken))  # the same pixels in all steps and polarities
        assert torch.equal(found[i][~taken], own[i][~taken])
        assert taken[0, 0].sum() <= math.ceil(6 * math.sqrt(area)) * math.ceil(8 * math.sqrt(area))
        still, shown = own[i][~taken].sum() / own[i].sum(), before[taken].sum() / before.sum()
        wanted = [0.0, 0.0, 0.0, 0.0]
        wanted[i], wanted[(i - 1) % 3] = (still / (still + shown)).item(), (shown / (still + shown)).item()
        assert targets[i].tolist() == pytest.approx(wanted, abs=1e-5)


def test_a_rectangle_of_nothing_does_not_change_a_label() -> None:
    """Where the other recording has no event, its class is not there, however large the rectangle."""
    frames = counts(2, 2, 4, 4, 0)
    frames[1] = 0
    for seed in range(20):
        found, targets = mixed(frames, torch.tensor([0, 1]), 0.9, 2, random(seed))
        assert targets[0].tolist() == [1, 0]
        assert targets[1].tolist() == ([1, 0] if found[1].any() else [0, 1])


def test_recordings_of_one_class_keep_it() -> None:
    _, targets = mixed(counts(5, 2, 6, 6, 0), torch.ones(5, dtype=torch.int64), 1.0, 2, random(0))
    torch.testing.assert_close(targets, torch.tensor([0.0, 1.0]).expand(5, 2))


# All of it


ALL = Augmentation(mirrored=(0, 2, 1), inverted=True, rate=0.3, delay_steps=2, drop_time=0.3, drop_area=0.3, mix=0.5)


def varied(frames: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    generator = random(seed)
    shown = retimed(frames, ALL.rate, ALL.delay_steps, generator)
    shown, meant = augment(shown, labels, ALL, generator)
    return mixed(shown, meant, ALL.mix, 3, generator)


def test_a_variation_is_a_function_of_its_generator() -> None:
    frames, labels = counts(6, 8, 8, 8, 0), torch.arange(6) % 3
    torch.rand(3)  # somebody else's use of the global generator changes nothing
    once, again, other = (varied(frames, labels, seed) for seed in (1, 1, 2))
    assert torch.equal(once[0], again[0])
    assert torch.equal(once[1], again[1])
    assert not torch.equal(once[0], other[0])


def test_a_recording_changes_no_other_but_the_one_that_looks_into_it() -> None:
    frames, labels = counts(6, 8, 8, 8, 0), torch.arange(6) % 3
    changed = frames.clone()
    changed[2] = changed[2].flip(0, 2) + 1
    for seed in range(10):
        (before, meant), (after, meant_after) = varied(frames, labels, seed), varied(changed, labels, seed)
        for i in (0, 1, 4, 5):
            torch.testing.assert_close(before[i], after[i])
            torch.testing.assert_close(meant[i], meant_after[i])


def test_what_is_mirrored_twice_is_what_it_was_label_and_all() -> None:
    frames, labels = counts(40, 2, 4, 6, 0), torch.arange(40) % 3
    how = replace(UNVARIED, mirrored=(0, 2, 1), inverted=True)
    once, once_meant = augment(frames, labels, how, random(3))
    twice, twice_meant = augment(once, once_meant, how, random(3))  # the same draws: the same ones again
    assert not torch.equal(once_meant, labels)
    torch.testing.assert_close(twice, frames, atol=1e-4, rtol=1e-4)
    assert torch.equal(twice_meant, labels)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"rotate_deg": -1.0}, "rotate_deg is -1.0; expected a number of 0 or more"),
        ({"shift": math.inf}, "shift is inf; expected a number of 0 or more"),
        ({"delay_steps": -1}, "delay_steps is -1; expected a number of 0 or more"),
        ({"rate": 1.0}, "rate is 1.0; expected 0 or more, below 1"),
        ({"scale": math.nan}, "scale is nan; expected 0 or more, below 1"),
        ({"drop_time": 1.1}, "drop_time is 1.1; expected a share, from 0 to 1"),
        ({"drop_area": -0.1}, "drop_area is -0.1; expected a share"),
        ({"mix": 2.0}, "mix is 2.0; expected a share"),
        ({"mirrored": (1, 2, 0)}, "class 0 becomes 1, and 1 not 0 again"),
        ({"mirrored": (0, 2)}, "class 1 becomes 2, and 2 not 1 again"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(limits: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Augmentation(**limits)  # type: ignore[arg-type]
