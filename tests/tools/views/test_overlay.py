"""What the picture shows, read back from its pixels."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float32, UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem, ModelError
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, Frame
from spikecut.pipeline.results import Decision, Item, Rest, Step, StopReason
from spikecut.sources.opencv import opencv
from spikecut.tools.views import canvas as canvas_module
from spikecut.tools.views.canvas import Canvas, Font
from spikecut.tools.views.overlay import Overlay, summary_card
from spikecut.tools.views.palette import OverlayStyle, paint_events, shades
from spikecut.tools.views.panels import shown_classes
from spikecut.tools.views.scene import Scene, faded, softmax, white_level

STYLE = OverlayStyle()
STEP_US = 10_000
NAMES = ("circle", "square", "star")
NOTHING = np.zeros(3, np.float32)

Image = UInt8[ndarray, "h w 3"]


def frame(index: int = 0, pixels: UInt8[ndarray, "2 H W"] | None = None, lost: int = 0) -> Frame:
    if pixels is None:
        pixels = np.zeros((2, 34, 34), np.uint8)
        pixels[index % 2, 10, 5 + index % 20] = 3
    drops = DropCounts.of(DropCause.late, lost) if lost else NOTHING_LOST
    start_us = 5_000_000 + index * STEP_US
    return Frame(index, 0, start_us, start_us + STEP_US, pixels, int(pixels.sum()), drops)


def step(index: int = 0, total: tuple[float, ...] = (0.0, 2.0, 1.0), score: float = 1.0) -> Step:
    summed = np.array(total, np.float32)
    return Step(index, frame(index), summed, summed, score)


def decision(
    steps: int = 4,
    label: int = 1,
    reason: StopReason = StopReason.cutoff,
    total: tuple[float, ...] = (0.0, 2.0, 1.0),
) -> Decision:
    end_us = 5_000_000 + steps * STEP_US
    return Decision(label, steps, reason, 1.0, 5_000_000, end_us, 12, np.array(total, np.float32))


def overlay(names: tuple[str, ...] = NAMES, horizon: int = 30, **more: object) -> Overlay:
    return Overlay(names, horizon=horizon, step_us=STEP_US, **more)  # type: ignore[arg-type]


def drawn(one: Overlay, *items: Item, title: str = "", truth: int | None = None) -> Image:
    scene = one.begin(title, truth)
    for item in items:
        scene = one.see(scene, item)
    return one.draw(scene)


def where(image: Image, colour: tuple[int, int, int], within: int = 0) -> tuple[list[int], list[int]]:
    """Rows and columns of the pixels that have this colour; thin letters only come near to theirs."""
    rows, columns = np.nonzero((abs(image.astype(int) - colour[::-1]) <= within).all(axis=2))
    return rows.tolist(), columns.tolist()


# ---- events


def test_a_pixel_is_bright_where_events_fell_and_dark_where_none_did() -> None:
    pixels = np.zeros((2, 34, 34), np.uint8)
    pixels[1, 20, 30] = 1
    image = drawn(overlay(), Step(0, frame(0, pixels), NOTHING, NOTHING, 0.0))
    rows, columns = where(image[:, :404], STYLE.on)
    picture = (np.array(rows) - 76 - 5) // 11, (np.array(columns) - 20 - 5) // 11
    inside = picture[0] >= 0  # the headline has letters above
    assert set(zip(picture[0][inside], picture[1][inside], strict=True)) >= {(20, 30)}
    assert (image[300, 100] == STYLE.panel[::-1]).all()


def test_on_is_white_and_off_is_blue_and_the_stronger_one_is_shown() -> None:
    activity = np.zeros((2, 1, 4), np.float32)
    activity[1, 0, 1], activity[0, 0, 2] = 1, 1
    activity[:, 0, 3] = 1.0, 0.2
    row = paint_events(activity, 1.0, shades(STYLE), 1)[0, :, ::-1].tolist()
    assert [tuple(colour) for colour in row] == [STYLE.panel, STYLE.on, STYLE.off, STYLE.off]


@pytest.mark.parametrize("scale", [0.5, 0.73, 1.0, 2.0])
@pytest.mark.parametrize("size_wh", [(34, 34), (128, 128), (240, 180), (346, 260), (1280, 720), (1, 1), (5, 900)])
def test_every_sensor_fits_into_its_panel(size_wh: tuple[int, int], scale: float) -> None:
    pixels = np.ones((2, size_wh[1], size_wh[0]), np.uint8)
    one = overlay(style=OverlayStyle(scale=scale))
    scene = one.see(one.begin(), Rest(frame(0, pixels)))
    height, width, _ = one.draw(scene).shape
    assert (width, height) == one.size_wh == pytest.approx((960 * scale, 540 * scale), abs=1)
    assert scene.activity is not None
    assert scene.activity.sum() == pytest.approx(pixels.sum(), rel=1e-3)  # shrinking loses no event


def test_an_event_has_faded_to_half_after_tau_times_the_logarithm_of_two() -> None:
    style = OverlayStyle(tau_us=round(STEP_US / np.log(2)))
    one = overlay(style=style)
    dark = np.zeros((2, 34, 34), np.uint8)
    scene = one.see(one.begin(), Rest(frame(0)))
    later = one.see(scene, Rest(frame(1, dark)))
    assert scene.activity is not None
    assert later.activity is not None
    np.testing.assert_allclose(later.activity, scene.activity / 2, rtol=1e-4)


@given(cut=st.integers(0, 8))
def test_fading_does_not_depend_on_how_time_was_cut(cut: int) -> None:
    dark, lit = np.zeros((2, 2, 2), np.uint8), np.ones((2, 2, 2), np.float32)
    twice = faded(faded(lit, dark, cut / 8, 1), dark, 1 - cut / 8, 1)
    np.testing.assert_allclose(twice, faded(lit, dark, 1.0, 1), rtol=1e-5)


def test_one_hot_pixel_does_not_darken_the_others() -> None:
    activity = np.zeros((2, 34, 34), np.float32)
    activity[1, 5:15] = 2
    activity[0, 0, 0] = 255
    assert white_level(activity) == 2


def test_a_scene_that_goes_quiet_grows_dark() -> None:
    one = overlay()
    scene, dark = one.see(one.begin(), Rest(frame(0))), np.zeros((2, 34, 34), np.uint8)
    levels = []
    for index in range(1, 30):
        scene = one.see(scene, Rest(frame(index, dark)))
        assert scene.activity is not None
        levels.append(float(scene.activity.max()) / scene.white)
    assert all(b < a for a, b in pairwise(levels))
    assert levels[-1] < 0.01


def test_off_events_below_zero_in_a_voxel_grid_are_drawn_too() -> None:
    grid = np.full((2, 3, 3), -1, np.float32)
    assert (faded(None, grid, 0.0, 1) == 1).all()


# ---- values


def test_drawing_changes_nothing_that_was_handed_in() -> None:
    one, first, end = overlay(), step(), decision()
    kept = first.frame.pixels.copy(), first.total.copy(), end.total.copy()
    for array in (first.frame.pixels, first.total, end.total):
        array.flags.writeable = False
    before = one.see(one.begin(), first)
    assert before.activity is not None
    activity = before.activity.copy()
    before.activity.flags.writeable = False
    after = one.see(one.see(before, end), Rest(frame(5)))
    one.draw(after)
    assert before.scores == (1.0,)
    assert (before.activity == activity).all()
    for array, old in zip((first.frame.pixels, first.total, end.total), kept, strict=True):
        assert (array == old).all()


def test_the_same_scene_gives_the_same_image_and_nobody_else_holds_it() -> None:
    one = overlay()
    scene = one.see(one.begin("a", 1), step())
    first = one.draw(scene)
    copy = first.copy()
    first[:] = 0
    assert (one.draw(scene) == copy).all()


def test_the_ground_between_the_panels_never_changes() -> None:
    one = overlay(thresholds=[2.0] * 30)
    early, late = drawn(one, step()), drawn(one, step(), decision(), Rest(frame(7)))
    margins = np.zeros(early.shape[:2], bool)
    margins[:, :17] = margins[:, -17:] = margins[:10] = margins[-5:] = margins[80:458, 408:420] = True
    assert (early[margins] == late[margins]).all()


def test_a_step_with_index_zero_begins_anew() -> None:
    one = overlay()
    scene = one.begin("title", 2)
    for item in (step(0), step(1), decision(2), step(0)):
        scene = one.see(scene, item)
    assert (scene.title, scene.truth, scene.decision, len(scene.scores)) == ("title", 2, None, 1)
    assert scene.n_events == step(0).frame.n_events


# ---- the decision


@pytest.mark.parametrize("steps", [1, 4, 15, 29, 30])
def test_the_marker_stands_where_the_decision_fell(steps: int) -> None:
    one = overlay()
    items = [step(index) for index in range(steps)]
    image = drawn(one, *items, decision(steps))
    _, columns = where(image[467:472], STYLE.accent)  # just above the timeline, below the panels
    assert columns
    assert np.mean(columns) == pytest.approx(20 + 920 * steps / 30, abs=1.5)


def test_only_the_leader_wears_the_accent_before_the_decision() -> None:
    rows, _ = where(drawn(overlay(), step(total=(0, 5, 0)))[94:190, 450:], STYLE.accent)
    assert rows
    assert 32 <= min(rows) <= max(rows) < 64  # the second of three rows of 32


def test_right_and_wrong_differ_in_shape_and_word_and_colour() -> None:
    right, wrong = (drawn(overlay(), step(), decision(label=label), truth=1) for label in (1, 0))
    corner = np.s_[14:70, 890:945]
    assert where(right[corner], STYLE.right)[0]
    assert not where(right[corner], STYLE.warning)[0]
    assert where(wrong[corner], STYLE.warning)[0]
    assert not where(wrong[corner], STYLE.right)[0]
    ink = [(image[corner] != STYLE.ground[::-1]).any(axis=2) for image in (right, wrong)]
    assert (ink[0] != ink[1]).sum() > 20


def test_a_timeline_speaks_of_rest_only_after_a_cutoff() -> None:
    def has_words(reason: StopReason, steps: int) -> bool:
        image = drawn(overlay(), step(), decision(steps, reason=reason))
        left = 20 + round(920 * steps / 30) + 6
        return bool(where(image[472:492, left:], STYLE.text, within=60)[0])

    assert has_words(StopReason.cutoff, 4)
    assert has_words(StopReason.cutoff, 25)
    assert not has_words(StopReason.end_of_stream, 4)
    assert not has_words(StopReason.horizon, 30)


def test_rest_without_a_new_answer_leaves_the_bar_where_the_network_stopped() -> None:
    """A second look that confirms the last answer ends without a decision; the next step begins anew."""
    one = overlay()
    looked = one.see(one.begin(), step())
    rested = one.see(looked, Rest(frame(7)))
    assert rested.resting
    assert rested.seen_us == looked.seen_us
    assert not np.array_equal(one.draw(rested), one.draw(looked))
    assert not one.see(rested, step()).resting


def test_time_goes_on_while_the_network_rests() -> None:
    one = overlay()
    scene = one.see(one.see(one.begin(), step(0)), decision(1))
    ends = []
    for index in range(1, 30):
        scene = one.see(scene, Rest(frame(index)))
        _, columns = where(one.draw(scene)[491:492], STYLE.muted)
        ends.append(max(columns))
    assert ends == sorted(set(ends))
    assert ends[-1] == pytest.approx(939, abs=1)
    assert len(scene.scores) == 1


def test_dropped_events_are_highlighted() -> None:
    lossy = Step(0, frame(0, lost=7), NOTHING, NOTHING, 0.0)
    assert where(drawn(overlay(), lossy)[510:], STYLE.warning, within=60)[0]
    assert not where(drawn(overlay(), step())[510:], STYLE.warning, within=60)[0]


# ---- bars, scores, words


def test_up_to_twenty_classes_all_have_a_bar_and_beyond_the_twelve_most_likely() -> None:
    probability = np.arange(20, dtype=np.float32)
    assert shown_classes(probability) == list(range(20))
    assert shown_classes(np.arange(101, dtype=np.float32)[::-1]) == list(range(12))


@settings(max_examples=25, deadline=None)
@given(
    total=st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=25),
    score=st.floats(width=32),
    limit=st.one_of(st.none(), st.floats(-1e30, 1e30), st.just(np.inf), st.just(np.nan)),
)
def test_any_number_can_be_drawn(total: list[float], score: float, limit: float | None) -> None:
    names = tuple(f"class {label}" for label in range(len(total)))
    thresholds = None if limit is None else [np.inf, limit, limit]
    one = overlay(names, horizon=3, thresholds=thresholds)
    items = [step(index, tuple(total), score) for index in range(3)]
    end = decision(3, label=0, total=tuple(total))
    assert drawn(one, *items, end, truth=0).shape == (540, 960, 3)
    assert softmax(np.array(total, np.float32)).sum() == pytest.approx(1, abs=1e-5)


def test_nothing_seen_is_a_picture_too() -> None:
    assert drawn(overlay()).shape == (540, 960, 3)
    assert drawn(overlay(), decision()).shape == (540, 960, 3)
    assert drawn(overlay(horizon=1), Rest(frame(0)), Rest(frame(999))).shape == (540, 960, 3)


@pytest.fixture(params=["typeface", "strokes"])
def _letters(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV 5 brings a typeface; with OpenCV 4 there are stroke letters."""
    if request.param == "strokes":
        monkeypatch.setattr(canvas_module, "_typeface", lambda: None)
    elif canvas_module._typeface() is None:
        pytest.skip("this OpenCV has no typeface")


@pytest.mark.usefixtures("_letters")
@pytest.mark.parametrize("name", ["W" * 200, "right hand counter clockwise " * 5, "ü中\n\t€" * 40, "", "·…µ"])
def test_no_text_leaves_its_panel(name: str) -> None:
    one = overlay((name, name, name), note="slow motion 1/4")
    plain = overlay(("", "", ""), note="slow motion 1/4")
    for items in ([step()], [step(), decision(label=2)]):
        long = drawn(one, *items, title=name, truth=0)
        short = drawn(plain, *items, title="", truth=0)
        changed = (long != short).any(axis=2)
        allowed = np.zeros_like(changed)
        allowed[8:48, 20:621] = allowed[8:48, 630:908] = True  # headline, truth
        allowed[8:48, 908:942] = True
        allowed[94:192, 424:940] = True  # bars
        allowed[512:536, 20:360] = True  # title, and the clock behind it
        assert not (changed & ~allowed).any()


@pytest.mark.usefixtures("_letters")
@pytest.mark.parametrize("room", [0.0, 3.0, 40.0, 200.0])
def test_text_takes_no_more_room_than_it_has(room: float) -> None:
    page = Canvas.blank((0, 0, 0), 1.0)
    width = page.text("a name of some length", 300, 200, Font(20, (255, 255, 255), bold=True), room=room)
    _, columns = np.nonzero(page.image.any(axis=2))
    assert width <= room
    assert not columns.size or (columns.min() >= 298 and columns.max() <= 301 + room)


def test_a_summary_card_has_room_for_any_number_of_lines() -> None:
    for count in (0, 1, 5, 30):
        image = summary_card(["W" * 100, *["name\tvalue", "a line"] * count])
        inked = (image != STYLE.ground[::-1]).any(axis=2)
        rows, columns = np.nonzero(inked)
        assert rows.min() > 10
        assert rows.max() < 530
        assert columns.min() > 100
        assert columns.max() < 860


# ---- doors


@pytest.mark.parametrize("values", [{"names": ()}, {"horizon": 0}, {"thresholds": [1.0, 2.0]}], ids=str)
def test_an_overlay_that_cannot_be_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        overlay(**values)  # type: ignore[arg-type]


def test_a_truth_that_is_no_label_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 to 2"):
        overlay().begin("x", truth=3)


def test_a_network_with_other_classes_is_refused() -> None:
    with pytest.raises(ModelError, match="4 classes"):
        drawn(overlay(), step(total=(1, 2, 3, 4)))


@pytest.mark.parametrize("values", [{"scale": 0.0}, {"scale": float("nan")}, {"tau_us": 0}])
def test_a_style_that_cannot_be_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        OverlayStyle(**values)  # type: ignore[arg-type]


def test_without_opencv_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(EnvironmentProblem) as caught:
        opencv()
    assert "headless" in (caught.value.hint or "")
    assert "apt-get install libgl1" in (caught.value.hint or "")


def test_a_total_that_is_no_number_is_shown_as_no_knowledge() -> None:
    total: Float32[ndarray, " K"] = np.array([np.nan, 1, 2], np.float32)
    assert softmax(total).tolist() == pytest.approx([1 / 3] * 3)
    assert Scene().activity is None
