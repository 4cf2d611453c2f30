"""Truths about version 2 of the drawing: depth, people who turn, movements that are no gesture, and their labels."""

from itertools import pairwise, takewhile
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch
from spikecut.sources.datasets.base import FrameSpec
from spikecut.sources.datasets.dvs_gesture import open_gesture_set
from spikecut.sources.datasets.gesture_labels import GESTURES, labels_beside, read_labels
from spikecut.sources.simulation.choreography import Manner, perform
from spikecut.sources.simulation.drawn_people import DrawnPeople, session_of
from spikecut.sources.simulation.gestures import ORDER, SENSOR, drawn_users, write_session
from spikecut.sources.simulation.scenes.camera import Echo, unruly
from spikecut.sources.simulation.scenes.gestures_in_depth import in_depth
from spikecut.sources.simulation.scenes.lens import Lens, Paint, Sketch, together
from spikecut.sources.simulation.scenes.movements import MOVEMENTS
from spikecut.sources.simulation.scenes.people import Person, shapes_of
from spikecut.sources.simulation.scenes.poses import bent, standing
from spikecut.sources.simulation.scenes.scene_kernels import MARGIN, draw_shapes, fill
from spikecut.sources.simulation.scenes.session import (
    NO_GESTURE,
    DrawnScene,
    gesture_scene,
    mixed_scene,
    movement_scene,
)
from spikecut.sources.simulation.scenes.walks import Stop, walking
from spikecut.tools.cli import main

T = np.arange(0, 2, 0.0025)
LENS = Lens(200.0, 1.2, 64.0, 64.0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def events(scene: DrawnScene, until_us: float = np.inf) -> np.ndarray:
    batches = takewhile(lambda batch: batch.start_us < until_us, scene)
    return np.concatenate([batch.to_structured() for batch in batches])


def first(scene: DrawnScene, kind: str) -> tuple[int, int]:
    return next((act.start_us, act.end_us) for act in scene.acts() if act.kind == kind)


@pytest.mark.parametrize(
    ("session", "events_hash"), [(session_of(1, quick=True), "96e1302cb3d2829f"), (session_of(24), "e18b5856b47db9a2")]
)
def test_version_1_is_what_it_was(session: DrawnScene, events_hash: str) -> None:
    """Its digest, from which frames and runs are known again."""
    assert session.digest() == events_hash


def test_a_scene_is_a_function_of_its_person_light_order_and_seed() -> None:
    one = DrawnScene(3, "led", order=("scratch",))
    start = first(one, "scratch")[0]
    assert events(one, start).tobytes() == events(one, start).tobytes()
    others = (
        DrawnScene(4, "led", order=("scratch",)),
        DrawnScene(3, "lab", order=("scratch",)),
        DrawnScene(3, "led", 1, ("scratch",)),
        DrawnScene(3, "led", order=("scratch", "drink")),
    )
    for other in others:
        assert events(other, next(other.acts()).end_us).tobytes() != events(one, start).tobytes()
    assert one.digest() not in {other.digest() for other in others}


def test_gestures_come_in_the_genuine_order_and_movements_cover_no_gesture() -> None:
    assert [span.label for span in gesture_scene(5).spans()] == list(ORDER)
    scene = mixed_scene(7, 120.0, quick=True)
    acts = list(scene.acts())
    assert all(one.end_us == other.start_us for one, other in pairwise(acts))
    assert acts[-1].end_us - acts[0].start_us >= 120e6
    gestures = {(span.start_us, span.end_us) for span in scene.spans()}
    movements = {(act.start_us, act.end_us) for act in scene.movements()}
    assert gestures
    assert movements
    assert not gestures & movements


def test_somebody_comes_before_they_sit_and_leaves_before_the_view_is_empty() -> None:
    for user in range(12):
        scene = movement_scene(user, 90.0)
        user_is = [(act.kind, act.user) for act in scene.acts() if act.kind in MOVEMENTS]
        assert all(state in MOVEMENTS[kind].before for kind, state in user_is)
        assert not list(scene.spans())


def test_every_kind_of_movement_comes_and_parts_have_people_of_their_own() -> None:
    assert {act.kind for act in movement_scene(1, 400.0).movements()} == set(MOVEMENTS)
    parts = [set(drawn_users(58, part)) for part in ("train", "calibration", "test")]
    assert sum(map(len, parts)) == 58 == len(set().union(*parts))
    people = [np.random.default_rng([2, 0, user]).random() for user in range(1, 59)]
    assert len(set(people)) == 58


@pytest.mark.parametrize("kind", MOVEMENTS)
def test_every_kind_moves_within_its_span(kind: str) -> None:
    """More light changes while it is played than in the pause before; of noise there is more."""
    scene = DrawnScene(11, "natural", order=(kind,))
    acts = list(scene.acts())
    at = [act.kind for act in acts].index(kind)
    changed = []
    images: list[np.ndarray] = []
    if kind == "noise":
        assert acts[at].noise_hz > acts[at - 1].noise_hz == 0
        return
    for time_us, image in scene._images():
        if time_us >= acts[at].end_us:
            break
        if time_us >= acts[at].start_us and time_us % 40_000 == 0:
            images.append(np.log(image))
    changed = [float((np.abs(b - a) > 0.1).sum()) for a, b in pairwise(images)]
    assert max(changed) > 10


def test_who_walks_by_crosses_the_image() -> None:
    scene = DrawnScene(21, "natural", order=("pass close",))
    start, end = first(scene, "pass close")
    drawn = events(scene, end)
    t, x = drawn["t"], drawn["x"]
    centres = [
        np.median(x[(t >= a) & (t < a + 100_000)])
        for a in range(start, end, 100_000)
        if ((t >= a) & (t < a + 100_000)).sum() > 4_000
    ]
    assert np.ptp(centres) > 50


def test_who_walks_keeps_pace_and_steps() -> None:
    person = Person.of(rng(), 0.3)
    pose = walking(person, [Stop(-1.0, 2.0), Stop(1.0, 2.0)], 1.0, T, rng())
    assert pose.root[0, 0] == pytest.approx(-1.0, abs=0.1)
    assert pose.root[-1, 0] == pytest.approx(1.0, abs=0.1)
    assert np.median(pose.yaw) == pytest.approx(np.pi / 2)  # towards the right
    assert pose.feet[:, :, 1].max() > 0.05
    assert np.corrcoef(pose.feet[200:600, 0, 2], pose.feet[200:600, 1, 2])[0, 1] < -0.9


def test_people_who_come_near_grow_and_an_arm_that_points_at_the_camera_is_short() -> None:
    person = Person.of(rng(), 0.3)
    far, near = (standing(person.legs, (0.0, z, 0.0), T, rng()) for z in (4.0, 2.0))
    high = [np.ptp(shapes_of(person, pose, LENS)[0, :, 2]) for pose in (far, near)]
    assert high[1] == pytest.approx(2 * high[0], rel=0.1)
    aside, ahead = np.tile([0.5, 0.0, 0.0], (3, 1)), np.tile([0.0, 0.0, -0.5], (3, 1))
    lengths = [
        np.abs(bent(wish, (0.285, 0.295), np.tile([0.0, -1.0, 0.0], (3, 1)))[1][:, 0]) for wish in (aside, ahead)
    ]
    assert (lengths[0] > 0.45).all()
    assert (lengths[1] == 0).all()


def test_a_limb_of_two_bones_reaches_what_is_in_reach() -> None:
    wish = rng().normal(0, 0.2, (50, 3))
    pole = np.tile([0.3, -0.8, -0.3], (50, 1))
    joint, end = bent(wish, (0.285, 0.295), pole)
    near = np.linalg.norm(wish, axis=1)
    inside = (near > 0.05) & (near < 0.55)
    np.testing.assert_allclose(end[inside], wish[inside])
    np.testing.assert_allclose(np.linalg.norm(joint, axis=1)[inside], 0.285, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(end - joint, axis=1)[inside], 0.295, rtol=1e-6)


@pytest.mark.parametrize("label", [3, 4, 5, 6])
@pytest.mark.parametrize("turn", [-0.61, 0.61])  # 35 degrees
def test_clockwise_stays_clockwise_in_depth_and_turned(label: int, turn: float) -> None:
    """As the camera sees it: x to the right, y down, so a growing angle is clockwise."""
    t = np.arange(0, 3, 0.01)
    arm, side = (0, -1) if "right" in GESTURES[label] else (1, 1)
    for seed in range(5):
        deep = in_depth(label, perform(label, t, Manner(1, 1, 0), rng(seed)), rng(seed))[:, arm]
        x, y = side * deep[:, 0] * np.cos(turn) + deep[:, 2] * np.sin(turn), -deep[:, 1]
        angle = np.unwrap(np.arctan2(y - y.mean(), x - x.mean()))
        assert (angle[-1] - angle[0] > 6) == ("counter" not in GESTURES[label])


def test_nothing_moves_earlier_after_the_label_than_in_version_1() -> None:
    """An arm that is lifted by 2 % is the onset: not before the label, and at most 0.12 s to react."""
    for user in range(6):
        scene = DrawnScene(user, "natural", order=(1,), quick=True)
        start, _ = first(scene, GESTURES[1])
        images = {t: image for t, image in scene._images() if start - 50_000 <= t <= start + 100_000}
        before = np.abs(np.log(images[start - 50_000]) - np.log(images[start])).max()
        assert before < 1.5  # sway and flicker only
    assert all(act.label is not None or act.kind == "pause" for act in scene.acts())


def test_near_shapes_cover_far_ones_and_a_shadow_darkens() -> None:
    n = 1
    sketch = Sketch(LENS, n)
    here = np.array([[0.0, 1.2, 2.0]])
    half = np.array([0.1, 0.0, 0.0]), np.array([0.0, 0.1, 0.0])
    sketch.box(here, half, Paint(0.9))
    sketch.box(here + np.array([0, 0, 1.0]), half, Paint(0.2))
    background = np.full((128 + 2 * MARGIN + 1, 128 + 2 * MARGIN + 1), 0.5, np.float32)
    image = np.empty((128, 128), np.float32)

    def drawn() -> float:
        rows, order = together([sketch.rows()])
        fill(image, background, 0.0, 0.0, 1.0)
        draw_shapes(image, rows[0], order[0], 0.0, 0.0, 1.0, 1.0)
        return float(image[64, 64])

    assert drawn() == pytest.approx(0.9)
    assert image[0, 0] == 0.5
    sketch.shadow(here - np.array([0, 0, 1.0]), half, Paint(0.5))
    assert drawn() == pytest.approx(0.45)


def test_echoes_have_the_other_polarity_and_batches_still_tile() -> None:
    n = 2_000
    t = np.sort(rng().integers(0, 100_000, n))
    x, y = rng().integers(0, 128, (2, n)).astype(np.uint16)
    whole = EventBatch(t, x, y, np.ones(n, np.uint8), 0, 100_000, SENSOR)
    pieces = [whole.between(a, a + 2_500) for a in range(0, 100_000, 2_500)]
    batches = list(unruly(pieces, Echo(0.3, 1_000.0, 0.5, 0.0), lambda _: 0.0, rng(1)))
    assert all(one.end_us == other.start_us for one, other in pairwise(batches))
    off = sum(int((batch.p == 0).sum()) for batch in batches)
    assert off == pytest.approx(0.3 * n, rel=0.15)
    noisy = unruly(pieces, Echo(0.0, 1_000.0, 0.5, 0.0), lambda start_us: 10.0 * (start_us >= 60_000), rng(1))
    assert sum(map(len, noisy)) - n == pytest.approx(10 * 0.04 * 128 * 128, rel=0.1)


def test_windows_to_train_on_have_a_class_for_what_is_no_gesture() -> None:
    scene = mixed_scene(2, 40.0, quick=True)
    windows = list(scene.windows(1_000_000))
    assert {window.label for window in windows} > {NO_GESTURE}
    assert all(0 < window.end_us - window.start_us <= 1_000_000 for window in windows)
    onsets = {span.start_us: span.label for span in scene.spans()}
    assert {w.start_us: w.label for w in windows if w.label != NO_GESTURE} == onsets
    assert all(one.end_us <= other.start_us for one, other in pairwise(windows))


def test_windows_come_with_their_frames() -> None:
    scene = DrawnScene(2, "natural", order=("step",))
    view = FrameSpec("events", SENSOR, SENSOR, 20_000, 5)
    windows = [(act.label, [f.pixels.sum() for f in frames]) for act, frames in scene.window_streams(view, 500_000)]
    assert [label for label, _ in windows] == [NO_GESTURE] * len(windows)
    assert len(windows[0][1]) == 25
    assert sum(windows[0][1]) > 0


def test_a_written_session_says_what_moved(tmp_path: Path) -> None:
    scene = DrawnScene(2, "led", order=("wall",))
    path = write_session(tmp_path, scene)
    labels = read_labels(labels_beside(path))
    assert (labels.spans, labels.movements) == ((), tuple(scene.movements()))
    assert labels.movements


def test_the_command_writes_movements_and_keeps_them_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", "movements", str(tmp_path), "--users", "1", "--minutes", "0.05", "--seed", "3"]
    assert main(words) == 0
    assert "0 drawn gestures and 1 movements" in capsys.readouterr().out
    scene = movement_scene(1, 3.0, 3)
    recording = tmp_path / f"{scene.name}.aedat"
    assert read_labels(labels_beside(recording)).movements == tuple(scene.movements())
    (opened,) = open_gesture_set(tmp_path).sessions
    assert opened.labels().spans == ()
    assert "drawing version 2" in (tmp_path / "README.txt").read_text()
    assert main([*words[:-1], "4"]) == 2  # other people are not mixed in


@pytest.mark.parametrize("more", [(), ("no gesture",), ("no gesture", "beckoning")])
def test_a_network_may_know_more_than_the_drawn_gestures_behind_them(more: tuple[str, ...]) -> None:
    people = DrawnPeople(2, quick=True)
    assert people.numbered((*GESTURES, *more), "it") == tuple(range(11))
    for others in (("no gesture", *GESTURES), GESTURES[:-1], GESTURES[::-1]):
        with pytest.raises(ConfigError, match="it names others"):
            people.numbered(others, "it")


def test_drawn_people_of_version_2_are_another_data_set() -> None:
    first_ones, second = (DrawnPeople(2, quick=True, version=version) for version in (1, 2))
    assert [e.label for e in first_ones.examples("all")] == [e.label for e in second.examples("all")]
    assert "version 2" in second.origin
    assert {e.source.digest() for e in first_ones.examples("all")}.isdisjoint(
        e.source.digest() for e in second.examples("all")
    )


@pytest.mark.parametrize(
    "wrong", [{"lighting": "candle"}, {"order": (11,)}, {"order": ("dance",)}, {"order": ()}, {"seconds": 0.0}]
)
def test_a_scene_that_cannot_be_drawn_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        DrawnScene(1, **{"lighting": "led", **wrong})  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        session_of(1, version=3)
