"""Truths about continuous recognition: silence is never named, every bin comes out once, a movement is named once."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spikecut
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import Frame
from spikecut.pipeline.recognition import Activity, Onset, recognise
from spikecut.pipeline.results import Decision, Item, Rejection, Rest, Step
from spikecut.pipeline.rules.rejection import Rejecting
from spikecut.pipeline.rules.thresholds import ThresholdCutoff, never

from fakes import Script

STEP_US = 20_000
HORIZON = 10
ONSET = Onset(margin_hz=2_000.0, again_us=400_000)
QUIET, MOVING = 40, 1_000  # events in a bin: 2 and 50 k events/s


def bins(counts: list[int], number: int = 0, segment: int = 0, start_us: int = 0) -> list[Frame]:
    pixels = np.zeros((2, 2, 2), np.float32)
    pixels[0, 0, 0] = number
    times = [start_us + k * STEP_US for k in range(len(counts))]
    return [Frame(k, segment, t, t + STEP_US, pixels, n) for k, (t, n) in enumerate(zip(times, counts, strict=True))]


def after(n_steps: int) -> ThresholdCutoff:
    """Stops once the leader is `n_steps` ahead: the scripted network adds one a step."""
    return ThresholdCutoff("topk", "top2_gap", np.full(HORIZON, n_steps - 0.5))


def network() -> Script:
    outputs = np.zeros((4, HORIZON, 4), np.float32)
    for number in range(4):
        outputs[number, :, number] = 1
    return Script(outputs)


def named(frames: list[Frame], n_steps: int = 5, onset: Onset = ONSET) -> list[Decision]:
    items = recognise(frames, network(), after(n_steps), horizon=HORIZON, onset=onset)
    return [item for item in items if isinstance(item, Decision)]


@settings(max_examples=60)
@given(st.lists(st.integers(0, 3_000), max_size=120), st.integers(1, 12), st.integers(1, 4))
def test_every_bin_comes_out_once_and_in_order(counts: list[int], n_steps: int, confirm: int) -> None:
    frames = bins(counts)
    onset = Onset(confirm_bins=confirm, quiet_us=60_000, again_us=100_000)
    items = recognise(frames, network(), after(n_steps), horizon=HORIZON, onset=onset)
    seen = [item.frame.index for item in items if isinstance(item, Step | Rest)]
    assert seen == list(range(len(frames)))


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.5, 15))
def test_a_camera_that_only_makes_noise_is_never_named(seed: int, kilo_events_s: float) -> None:
    counts = np.random.default_rng(seed).poisson(kilo_events_s * 1000 * STEP_US * 1e-6, 500).tolist()
    assert named(bins(counts), n_steps=1) == []


def test_a_movement_is_named_once_as_early_as_the_decider_allows() -> None:
    frames = bins([QUIET] * 30 + [MOVING] * 100 + [QUIET] * 30, number=2)
    (decision,) = named(frames)
    assert decision.label == 2
    assert decision.steps == 5
    # the rate is smoothed over three bins: it is over twice the floor and the margin in the first moving bin,
    # and the second confirms it; the network begins with the first
    assert decision.start_us == 30 * STEP_US


def test_after_a_moment_of_quiet_the_same_movement_is_named_again() -> None:
    one = [MOVING] * 20 + [QUIET] * 30
    assert [d.label for d in named(bins([QUIET] * 20 + one + one, number=1))] == [1, 1]


def test_a_movement_that_turns_into_another_without_a_pause_gets_a_second_answer() -> None:
    first = bins([QUIET] * 20 + [MOVING] * 40, number=1)
    second = bins([MOVING] * 60, number=3, start_us=first[-1].end_us)
    assert [d.label for d in named(first + second)] == [1, 3]


def test_a_twitch_is_no_gesture() -> None:
    """Movement that ends before the decider was sure gets no answer, not even a guess."""
    onset = Onset(margin_hz=2_000.0, quiet_us=60_000)
    assert named(bins([QUIET] * 20 + [MOVING] + [QUIET] * 60), n_steps=HORIZON, onset=onset) == []


def test_at_the_horizon_there_is_an_answer() -> None:
    items = recognise(bins([QUIET] * 20 + [MOVING] * 15), network(), never(HORIZON), horizon=HORIZON, onset=ONSET)
    assert [item.steps for item in items if isinstance(item, Decision)] == [HORIZON]


def test_a_reset_of_the_clock_ends_a_movement_and_loses_no_bin() -> None:
    first = bins([QUIET] * 20 + [MOVING] * 6)
    second = bins([QUIET] * 20 + [MOVING] * 20, number=1, segment=1)
    items = list(recognise(first + second, network(), after(8), horizon=HORIZON, onset=ONSET))
    assert sum(isinstance(item, Step | Rest) for item in items) == len(first + second)
    assert [item.label for item in items if isinstance(item, Decision)] == [1]


def test_a_noisy_camera_has_a_higher_floor_and_still_shows_a_movement() -> None:
    rng = np.random.default_rng(0)
    noise = rng.poisson(300, 60).tolist()  # 15 k events/s
    assert [d.label for d in named(bins(noise + [1_500] * 30 + noise, number=1))] == [1]


def test_what_is_remembered_of_a_long_stream_is_a_few_numbers() -> None:
    def endless() -> Iterator[Frame]:
        rng = np.random.default_rng(0)
        pixels = np.zeros((2, 2, 2), np.float32)
        for k in range(200_000):
            count = MOVING if k % 200 > 150 else int(rng.poisson(QUIET))
            yield Frame(k, 0, k * STEP_US, (k + 1) * STEP_US, pixels, count)

    import tracemalloc

    items = recognise(endless(), network(), after(3), horizon=HORIZON, onset=ONSET)
    for _ in islice(items, 2_000):
        pass
    tracemalloc.start()
    for _ in islice(items, 8_000):
        pass
    now, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert now < 100_000


def test_the_floor_follows_down_at_once_and_up_slowly() -> None:
    onset = Onset(smooth_us=1)
    activity = Activity()
    for frame in bins([1_000] * 3 + [100]):
        activity = activity.after(frame, onset)
    assert activity.floor_hz == pytest.approx(5_000, rel=1e-6)
    for frame in bins([1_000] * 500):  # ten seconds: half the time of forgetting
        activity = activity.after(frame, onset)
    assert activity.floor_hz == pytest.approx(5_000 * np.exp(0.5), rel=1e-3)


@pytest.mark.parametrize(
    "wrong", [{"fall": 3.0}, {"margin_hz": -1.0}, {"confirm_bins": 0}, {"quiet_us": 0}, {"revise_us": -1}]
)
def test_an_onset_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Onset(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("quiet_bins", "n_answers"), [(2, 1), (3, 2)])
def test_a_movement_is_over_once_the_quiet_time_is_full(quiet_bins: int, n_answers: int) -> None:
    """Three bins of 20 ms are the 60 ms; after two the movement goes on, and its answer is not repeated."""
    onset = Onset(margin_hz=2_000.0, smooth_us=1, quiet_us=60_000, again_us=400_000)
    counts = [QUIET] * 30 + [MOVING] * 10 + [QUIET] * quiet_bins + [MOVING] * 20
    assert [decision.label for decision in named(bins(counts, number=1), onset=onset)] == [1] * n_answers


@pytest.mark.parametrize(("n_events", "above", "quiet_us"), [(99, 0, STEP_US), (100, 0, 0), (101, 1, 0)])
def test_exactly_at_the_limits_no_movement_begins_and_none_ends(n_events: int, above: int, quiet_us: int) -> None:
    """Over a floor of nothing both limits are the margin: 5000 events/s, 100 events a bin."""
    onset = Onset(smooth_us=1, margin_hz=5_000.0)
    (frame,) = bins([n_events])
    after_it = Activity(0.0, 0.0).after(frame, onset)
    assert (after_it.above, after_it.quiet_us) == (above, quiet_us)


@pytest.mark.parametrize(("n_events", "above", "quiet_us"), [(28, 0, STEP_US), (34, 0, 0), (44, 1, 0)])
def test_between_fall_and_rise_no_movement_begins_and_none_ends(n_events: int, above: int, quiet_us: int) -> None:
    """The floor is 1000 events/s: quiet below 1500, movement above 2000; 34 events a bin are 1700."""
    onset = Onset(rise=2.0, fall=1.5, smooth_us=1, margin_hz=0.0)
    (frame,) = bins([n_events])
    after_it = Activity(1_000.0, 1_000.0).after(frame, onset)
    assert (after_it.above, after_it.quiet_us) == (above, quiet_us)


def test_quiet_is_counted_in_a_row() -> None:
    onset = Onset(smooth_us=1, margin_hz=5_000.0)
    activity, counted = Activity(0.0, 0.0), []
    for frame in bins([10, 10, 200, 10, 200, 200]):
        activity = activity.after(frame, onset)
        counted.append((activity.quiet_us // STEP_US, activity.above))
    assert counted == [(1, 0), (2, 0), (0, 1), (1, 0), (0, 1), (0, 2)]


def test_a_movement_that_goes_on_is_looked_at_again_after_again_us() -> None:
    """Twenty bins of 20 ms are the 400 ms; the second look confirms the answer and says nothing."""
    items = recognise(bins([QUIET] * 30 + [MOVING] * 60, number=1), network(), after(5), horizon=HORIZON, onset=ONSET)
    kinds = "".join({Step: "s", Decision: "D", Rest: "."}[type(item)] for item in items)
    assert kinds == "." * 30 + "sssssD" + "." * 20 + "sssss" + "." * 20 + "sssss" + "." * 5


LETTERS: dict[type, str] = {Step: "s", Decision: "D", Rejection: "n", Rest: "."}


def letters(
    frames: list[Frame], rejecting: Rejecting, n_steps: int = 5, onset: Onset = ONSET
) -> tuple[str, list[Item]]:
    items = list(recognise(frames, network(), after(n_steps), horizon=HORIZON, onset=onset, rejecting=rejecting))
    return "".join(LETTERS[type(item)] for item in items), items


def test_a_class_that_is_no_gesture_ends_silently_and_the_network_looks_again_at_once() -> None:
    """Thirteen bins of class 3: a no after five steps, another that is not published, and three steps left over."""
    frames = bins([QUIET] * 30 + [MOVING] * 13, number=3)
    kinds, items = letters(frames, Rejecting((3,)))
    assert kinds == "." * 30 + "sssssn" + "sssss" + "sss"
    (no,) = [item for item in items if isinstance(item, Rejection)]
    assert (no.decision.label, no.decision.steps) == (3, 5)


def test_a_gesture_that_follows_movement_without_a_pause_is_named() -> None:
    """Class 3 is none; class 1 begins two bins after the second look began, which it fills with other evidence."""
    first = bins([QUIET] * 30 + [MOVING] * 7, number=3)
    second = bins([MOVING] * 16, number=1, start_us=first[-1].end_us)
    kinds, items = letters(first + second, Rejecting((3,)))
    # the second look has two bins of class 3: class 1 is five ahead after nine
    assert kinds == "." * 30 + "sssssn" + "sssssssss" + "D" + "." * 9
    assert [item.label for item in items if isinstance(item, Decision)] == [1]


def test_after_a_no_the_network_can_be_made_to_wait() -> None:
    frames = bins([QUIET] * 30 + [MOVING] * 14, number=3)
    onset = Onset(margin_hz=2_000.0, again_us=400_000, after_no_us=60_000)
    assert letters(frames, Rejecting((3,)), onset=onset)[0] == "." * 30 + "sssssn" + "..." + "sssss" + "."[:1]


def test_an_answer_below_the_threshold_waits_until_it_is_sure() -> None:
    """The scripted network adds one a step against three others: after t steps the log-odds are t - ln 3."""
    frames = bins([QUIET] * 30 + [MOVING] * 30, number=2)
    for threshold, steps in ((3.0, 5), (4.0, 6), (8.0, 10)):
        _, items = letters(frames, Rejecting((), threshold))
        (decision,) = [item for item in items if isinstance(item, Decision)]
        assert decision.steps == steps == max(5, int(np.ceil(threshold + np.log(3))))


def test_an_answer_that_is_not_sure_at_the_horizon_is_none() -> None:
    """10 - ln 3 is 8.9: below 9, whatever the rule says."""
    frames = bins([QUIET] * 30 + [MOVING] * 20, number=2)
    assert letters(frames, Rejecting((), 9.0))[0] == "." * 30 + "s" * 10 + "n" + "s" * 10
    assert letters(frames, Rejecting((), 8.8))[0] == "." * 30 + "s" * 10 + "D" + "." * 10


def test_both_sources_of_a_no_work_together() -> None:
    """Class 3 ends after the five steps of the rule, whatever the threshold; class 2 waits for the threshold."""
    threshold = Rejecting((3,), 6.0)
    kinds, _ = letters(bins([QUIET] * 30 + [MOVING] * 8, number=3), threshold)
    assert kinds == "." * 30 + "sssssn" + "sss"
    kinds, _ = letters(bins([QUIET] * 30 + [MOVING] * 9, number=2), threshold)
    assert kinds == "." * 30 + "s" * 8 + "D" + "."


def test_an_answer_is_not_repeated_after_a_no_in_between() -> None:
    """Classes 1, 3 and 1 in one movement: the second 1 was named before; after a 2 it is new."""

    def movement(*numbers: int) -> list[int]:
        frames = bins([QUIET] * 30)
        for number in numbers:
            frames += bins([MOVING] * 25 if number != 3 else [MOVING] * 5, number, start_us=frames[-1].end_us)
        return [item.label for item in letters(frames, Rejecting((3,)))[1] if isinstance(item, Decision)]

    assert movement(1, 3, 1) == [1]
    assert movement(1, 3, 2) == [1, 2]


def turning(first: int, then: int) -> list[Frame]:
    """Quiet, three bins of one class, and twelve of another: the first leads by two after 2, the other after 8."""
    frames = bins([QUIET] * 30 + [MOVING] * 3, number=first)
    return frames + bins([MOVING] * 12, number=then, start_us=frames[-1].end_us)


def revising(revise_us: int) -> Onset:
    return Onset(margin_hz=2_000.0, again_us=400_000, revise_us=revise_us)


@pytest.mark.parametrize(
    ("revise_us", "kinds"),
    [
        (0, "ssD" + "." * 13),
        (100_000, "ssD" + "sssss" + "." * 8),
        (120_000, "ssD" + "ssssssD" + "." * 7),
        (1_000_000, "ssD" + "ssssssD" + "ss" + "." * 5),  # to the end of the window of ten steps
    ],
)
def test_an_answer_is_revised_within_its_time_and_the_window(revise_us: int, kinds: str) -> None:
    """Six bins of 20 ms lie between the answers; the first comes as early as without revisions."""
    found, items = letters(turning(1, 2), Rejecting(), n_steps=2, onset=revising(revise_us))
    assert found == "." * 30 + kinds
    decisions = [item for item in items if isinstance(item, Decision)]
    assert [(d.label, d.id, d.revises, d.steps, d.start_us) for d in decisions] == [
        (1, 1, None, 2, 600_000),
        (2, 2, 1, 8, 600_000),
    ][: len(decisions)]
    assert [d.n_events for d in decisions] == [2 * MOVING, 8 * MOVING][: len(decisions)]


def test_the_next_look_comes_after_the_answer_however_long_that_may_be_revised() -> None:
    """Ten bins of 20 ms after it, six of them steps; the look then confirms what was revised, and says nothing."""
    onset = replace(revising(120_000), again_us=200_000)
    kinds, _ = letters(turning(1, 2), Rejecting(), n_steps=2, onset=onset)
    assert kinds == "." * 30 + "ssD" + "ssssssD" + "...." + "ss" + "."


def test_the_end_of_the_window_revises_an_answer_too() -> None:
    """At ten steps 2 leads 1 by 7 to 3, four ahead of which are not enough for the rule: it is the window's answer."""
    frames = bins([QUIET] * 30 + [MOVING] * 3, number=1)
    frames += bins([MOVING] * 12, number=2, start_us=frames[-1].end_us)
    rule = ThresholdCutoff("topk", "top2_gap", np.array([np.inf, 1.5, *[np.inf] * 8]))
    items = recognise(frames, network(), rule, horizon=HORIZON, onset=revising(1_000_000))
    assert [(d.label, d.steps, d.revises) for d in items if isinstance(d, Decision)] == [(1, 2, None), (2, 10, 1)]


def test_what_is_no_gesture_is_not_revised_and_revises_nothing() -> None:
    onset = revising(1_000_000)
    assert letters(turning(1, 3), Rejecting((3,)), 2, onset)[0] == "." * 30 + "ssD" + "s" * 8 + "." * 5
    kinds, items = letters(turning(3, 1), Rejecting((3,)), 2, onset)
    assert kinds.startswith("." * 30 + "ssn" + "s")
    assert [(d.label, d.revises) for d in items if isinstance(d, Decision)] == [(1, None)]


def test_decisions_of_a_stream_are_numbered() -> None:
    one = [MOVING] * 20 + [QUIET] * 30
    assert [(d.id, d.revises) for d in named(bins([QUIET] * 20 + one + one, number=1))] == [(1, None), (2, None)]


@settings(max_examples=40)
@given(st.lists(st.sampled_from([QUIET, MOVING]), max_size=120), st.integers(1, 12), st.integers(0, 300_000))
def test_first_answers_are_the_same_whether_they_may_be_revised_or_not(
    counts: list[int], n_steps: int, revise_us: int
) -> None:
    """One class only: nothing is revised, and every bin comes out once."""
    frames = bins(counts, number=1)
    plain = Onset(margin_hz=2_000.0, again_us=10_000_000)
    revised = Onset(margin_hz=2_000.0, again_us=10_000_000, revise_us=revise_us)
    before = letters(frames, Rejecting(), n_steps, plain)[1]
    after = letters(frames, Rejecting(), n_steps, revised)[1]
    assert [item.frame.index for item in after if isinstance(item, Step | Rest)] == list(range(len(frames)))
    answers = [
        [(d.label, d.steps, d.time_us, d.reason, d.n_events, d.id) for d in items if isinstance(d, Decision)]
        for items in (before, after)
    ]
    assert answers[0] == answers[1]


@settings(max_examples=60)
@given(st.lists(st.integers(0, 3_000), max_size=120), st.integers(1, 12), st.sampled_from([(), (1,)]), st.floats(-9, 9))
def test_every_bin_comes_out_once_whatever_is_rejected(
    counts: list[int], n_steps: int, classes: tuple[int, ...], threshold: float
) -> None:
    onset = Onset(confirm_bins=2, quiet_us=60_000, again_us=100_000)
    frames = bins(counts, number=1)
    _, items = letters(frames, Rejecting(classes, threshold), n_steps, onset)
    seen = [item.frame.index for item in items if isinstance(item, Step | Rest)]
    assert seen == list(range(len(frames)))
    if classes:
        assert not any(isinstance(item, Decision) for item in items)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 3_000), max_size=120), st.integers(1, 12))
def test_without_anything_to_reject_the_decisions_are_what_they_were(counts: list[int], n_steps: int) -> None:
    frames = bins(counts, number=1)
    before = [(d.label, d.steps, d.start_us) for d in named(frames, n_steps)]
    _, items = letters(frames, Rejecting((2,), -1e9), n_steps)
    assert [(d.label, d.steps, d.start_us) for d in items if isinstance(d, Decision)] == before


def test_a_stream_is_recognised_from_its_events_as_from_its_frames() -> None:
    network, card = spikecut.load_network("nmnist")
    digit, rule = spikecut.DrawnDigit(7, seed=1), spikecut.confidence(0.9, card.horizon)
    frames = list(spikecut.frames_of(digit, network))
    onset = Onset(again_us=200_000)
    of_events, of_frames = (
        [(type(item), item.label) if isinstance(item, Decision) else type(item) for item in items]
        for items in (recognise(one, network, rule, horizon=card.horizon, onset=onset) for one in (digit, frames))
    )
    assert of_events == of_frames
    assert (Decision, 7) in of_events
