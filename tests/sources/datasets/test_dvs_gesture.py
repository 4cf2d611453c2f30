"""Truths about the folder of DVS128 Gesture: both layouts give the same gestures, nobody trains and tests."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import (
    ConfigError,
    CorruptRecording,
    EmptyRecording,
    MissingLabels,
    SpikecutError,
    UnknownFormat,
    UnreadableSource,
)
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.datasets.dvs_gesture import LISTS, TONIC, is_gesture_set, open_gesture_set
from spikecut.sources.datasets.gesture_labels import GESTURES, GestureSpan
from spikecut.sources.datasets.gesture_session import Session
from spikecut.sources.datasets.segments import cut, whole
from spikecut.sources.formats.aedat3 import write_aedat3
from spikecut.sources.formats.base import ReadOptions
from spikecut.sources.formats.tonic_npy import open_tonic_npy

from faults import mutants
from source_contract import DVS128, check_source, pattern
from streams import batches, cuts

HEADER = "class,startTime_usec,endTime_usec\n"


@dataclass(frozen=True)
class Pieces:
    """A stream that was cut somewhere."""

    parts: Sequence[EventBatch]

    @property
    def sensor(self) -> SensorSize:
        return self.parts[0].sensor

    def __iter__(self) -> Iterator[EventBatch]:
        return iter(self.parts)


def listed(folder: Path, train: str, test: str) -> Path:
    """A folder with lists and nothing else."""
    folder.mkdir(exist_ok=True)
    (folder / LISTS["train"]).write_text(train, newline="")
    (folder / LISTS["test"]).write_text(test, newline="")
    return folder


def rows_of(batch: EventBatch) -> np.ndarray:
    """As Tonic keeps them: x, y, p, and t in ms."""
    return np.stack([batch.x, batch.y, batch.p, batch.t / 1_000], axis=1)


def columns(batch: EventBatch) -> list[list[int]]:
    return [column.tolist() for column in (batch.t, batch.x, batch.y, batch.p)]


@given(st.data())
def test_a_gesture_holds_exactly_the_events_of_its_time_however_the_stream_was_cut(data: st.DataObject) -> None:
    whole = data.draw(batches())
    around = st.integers(whole.start_us - 50, whole.end_us + 50)
    edges = sorted(data.draw(st.lists(around, min_size=2, max_size=8, unique=True)))
    spans = [GestureSpan(k, a, b) for k, (a, b) in enumerate(zip(edges[::2], edges[1::2], strict=False))]
    found = list(cut(Pieces(data.draw(cuts(whole))), spans))
    assert [span for span, _ in found] == spans
    for span, batch in found:
        inside = (whole.t >= span.start_us) & (whole.t < span.end_us)
        assert columns(batch) == [column[inside].tolist() for column in (whole.t, whole.x, whole.y, whole.p)]
        assert (batch.start_us, batch.end_us) == (span.start_us, span.end_us)


@given(st.sets(st.integers(1, 400), min_size=1), st.sets(st.integers(1, 400)))
def test_everybody_listed_has_one_part_and_nobody_has_two(train: set[int], test: set[int]) -> None:
    def names(users: set[int]) -> str:
        return "".join(f"user{user:02d}_led.aedat\n" for user in users)

    with TemporaryDirectory() as folder:
        found = open_gesture_set(listed(Path(folder), names(train - test), names(test | {401}))).sessions
    test = test | {401}
    assert {s.user for s in found} == train | test
    assert len(found) == len(train | test)
    assert {s.user for s in found if s.part == "test"} == test
    assert {s.user for s in found if s.part == "calibration"} == {user for user in train - test if user % 4 == 3}


def test_six_of_the_published_users_calibrate_and_six_test(tmp_path: Path) -> None:
    train = "".join(f"user{user:02d}_led.aedat\n" for user in range(1, 24))
    test = "".join(f"user{user:02d}_led.aedat\n" for user in range(24, 30))
    sessions = open_gesture_set(listed(tmp_path, train, test)).sessions
    parts = {part: [s.user for s in sessions if s.part == part] for part in ("calibration", "test")}
    assert parts == {"calibration": [3, 7, 11, 15, 19, 23], "test": [24, 25, 26, 27, 28, 29]}


def test_lists_may_have_blank_lines_blanks_and_line_breaks_of_windows(tmp_path: Path) -> None:
    train = "\ufeffuser02_led.aedat \r\n\r\nuser01_fluorescent_led.aedat\r\n  \r\n"
    found = open_gesture_set(listed(tmp_path, train, "user101_natural.aedat"))
    assert [(s.name, s.user, s.lighting, s.part) for s in found.sessions] == [
        ("user01_fluorescent_led", 1, "fluorescent_led", "train"),
        ("user02_led", 2, "led", "train"),
        ("user101_natural", 101, "natural", "test"),
    ]
    assert found.notes == ("gesture_mapping.csv is missing; the classes are numbered as published",)


def test_a_network_may_know_more_than_the_gestures_behind_them(tmp_path: Path) -> None:
    found = open_gesture_set(listed(tmp_path, "user01_led.aedat\n", "user24_led.aedat\n"))
    for more in ((), ("no gesture",)):
        assert found.numbered((*GESTURES, *more), "it") == tuple(range(11))
    with pytest.raises(ConfigError, match="it names others"):
        found.numbered(("no gesture", *GESTURES), "it")


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ("user01_led.aedat\nuser1.aedat\n", "", "trials_to_train.txt: row 2: 'user1.aedat'; expected userNN_lighting"),
        ("user01_led.bin\n", "", "row 1: 'user01_led.bin'"),
        ("../user01_led.aedat\n", "", "row 1"),
        ("user01_led.aedat\nuser01_led.aedat\n", "", "user01_led is listed twice"),
        ("user01_led.aedat\n", "user01_led.aedat\n", "user01_led is listed twice"),
        ("user01_led.aedat\n", "user01_lab.aedat\n", "user 1 is to test, and also to train"),
    ],
)
def test_lists_that_contradict_themselves_are_refused(train: str, test: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CorruptRecording, match=message):
        open_gesture_set(listed(tmp_path, train, test))


def test_what_is_missing_is_named_and_a_hint_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="no such folder"):
        open_gesture_set(tmp_path / "nowhere")
    with pytest.raises(EmptyRecording, match="no sessions"):
        open_gesture_set(listed(tmp_path / "empty", "", "\n"))
    (tmp_path / "empty" / LISTS["test"]).unlink()
    (tmp_path / "empty" / "user01_led.aedat").touch()
    with pytest.raises(MissingLabels, match=r"trials_to_test.txt: .*1 recordings lie here") as caught:
        open_gesture_set(tmp_path / "empty")
    assert "research.ibm.com" in str(caught.value.hint)


def test_a_session_without_recording_or_labels_is_listed_but_belongs_to_no_part(tmp_path: Path) -> None:
    folder = listed(tmp_path, "user01_led.aedat\nuser02_led.aedat\nuser04_led.aedat\n", "")
    for name in ("user01_led.aedat", "user01_led_labels.csv", "user02_led.aedat", "user04_led_labels.csv"):
        (folder / name).touch()
    found = open_gesture_set(folder)
    assert [session.name for session in found.of("all")] == ["user01_led"]
    assert [[path.name for path in s.missing()] for s in found.sessions] == [
        [],
        ["user02_led_labels.csv"],
        ["user04_led.aedat"],
    ]


@pytest.mark.parametrize("beside", [False, True])
def test_a_mapping_with_other_numbers_is_refused_and_the_published_one_is_silent(beside: bool, tmp_path: Path) -> None:
    """Names have blanks at their ends in the genuine file, which is published beside the archive."""
    folder = listed(tmp_path / "DvsGesture", "user01_led.aedat\n", "")
    mapping = (tmp_path if beside else folder) / "gesture_mapping.csv"
    mapping.write_text("action,label\nhand_clapping,1\nright_arm_clockwise ,4\n\n")
    assert open_gesture_set(folder).notes == ()
    mapping.write_text("action,label\nhand_clapping,0\n")
    with pytest.raises(CorruptRecording, match=r"gesture_mapping.csv: row 2: hand_clapping,0; expected the published"):
        open_gesture_set(folder)
    mapping.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in open_gesture_set(folder).notes[0]


def test_the_genuine_mapping_is_the_published_one(real_data: Path, tmp_path: Path) -> None:
    folder = listed(tmp_path, "user01_natural.aedat\n", "")
    (folder / "gesture_mapping.csv").symlink_to(real_data / "dvs128_gesture_meta" / "gesture_mapping.csv")
    assert open_gesture_set(folder).notes == ()


def test_the_folder_around_it_will_do_and_others_are_no_gesture_set(tmp_path: Path) -> None:
    assert not is_gesture_set(tmp_path)
    assert not is_gesture_set(tmp_path / "nowhere")
    listed(tmp_path / "DvsGesture", "user01_led.aedat\n", "")
    assert is_gesture_set(tmp_path)
    assert open_gesture_set(tmp_path) == open_gesture_set(tmp_path / "DvsGesture")


def test_both_layouts_give_the_same_gestures(tmp_path: Path) -> None:
    """The published one whole and cut by its labels, Tonic's already cut."""
    stream = pattern(3_000, seed=1)
    edges = np.linspace(stream.start_us + 500, stream.end_us - 500, 5).astype(int).tolist()
    folder = listed(tmp_path / "DvsGesture", "", "user24_led.aedat\n")
    write_aedat3(folder / "user24_led.aedat", [stream])
    spans = [GestureSpan(label, a, b) for label, a, b in zip((0, 4, 10), edges[:3], edges[1:4], strict=True)]
    (folder / "user24_led_labels.csv").write_text(
        HEADER + "".join(f"{span.label + 1},{span.start_us},{span.end_us}\n" for span in spans)
    )
    (session,) = open_gesture_set(folder).of("test")
    published = list(session.clips())

    cut_folder = tmp_path / "tonic" / TONIC["test"] / "user24_led"
    cut_folder.mkdir(parents=True)
    for span, batch in published:
        np.save(cut_folder / f"{span.label}.npy", rows_of(batch))
    found = open_gesture_set(tmp_path / "tonic")
    (session,) = found.of("test")
    pre_cut = list(session.clips())

    assert [span for span, _ in published] == spans
    assert [span.label for span, _ in pre_cut] == [span.label for span in session.labels().spans] == [0, 4, 10]
    assert [columns(batch) for _, batch in pre_cut] == [columns(batch) for _, batch in published]
    assert all(len(batch) > 100 for _, batch in published)
    assert [file.name for file in session.files()] == ["0.npy", "4.npy", "10.npy"]
    assert found.notes == ("ibmGestureTrain is missing; its people cannot train",)


def test_a_session_is_known_by_all_that_its_files_hold(tmp_path: Path) -> None:
    folder = tmp_path / TONIC["train"] / "user01_led"
    folder.mkdir(parents=True)
    session = Session(folder, 1, "led", "train")
    digests = [session.digest()]
    for label in (0, 1):
        np.save(folder / f"{label}.npy", np.zeros((1, 4)))
        digests.append(session.digest())
    (folder / "notes.txt").touch()
    assert session.digest() == digests[-1]
    assert len(set(digests)) == 3


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i8", ">i4", "<u2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_any_kind_and_order_are_the_same_events(dtype: str, order: str, tmp_path: Path) -> None:
    batch = pattern(900)
    rows = np.array(np.floor(rows_of(batch)), dtype, order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "3.npy", rows)
    found = check_source(open_tonic_npy(tmp_path / "3.npy", ReadOptions(batch_events=128)))
    assert found.lists()[1:4] == columns(batch)[1:]
    assert found.t.tolist() == (batch.t // 1_000 * 1_000).tolist()
    assert not found.lost
    assert columns(whole(open_tonic_npy(tmp_path / "3.npy"))) == found.lists()[:4]


def test_rows_that_are_no_event_are_counted_by_cause_and_the_rest_is_put_in_order(tmp_path: Path) -> None:
    rows = [
        [1, 2, 1, 0.5],
        [127, 127, 0, 9.25],
        [128, 0, 0, 9.5],
        [0, -1, 0, 9.5],
        [0, 0, 2, 9.5],
        [np.nan, 0, 0, 9.5],
        [0.5, 0, 0, 9.5],
        [0, 0, 0, np.inf],
        [5, 6, 1, 7.0],
    ]
    np.save(tmp_path / "3.npy", np.array(rows))
    found = check_source(open_recording(tmp_path / "3.npy"))
    assert found.lists() == [[500, 7_000, 9_250], [1, 5, 127], [2, 6, 127], [1, 1, 0], [0, 0, 0]]
    assert found.losses() == {"unreadable": (4, 128), "outside_sensor": (2, 0)}
    assert open_recording(tmp_path / "3.npy").sensor == DVS128


def test_a_clip_keeps_its_first_clock_and_counts_the_rest(tmp_path: Path) -> None:
    np.save(tmp_path / "3.npy", np.array([[1, 1, 1, 5_000.0], [2, 2, 1, 5_001.0], [3, 3, 1, 7.0]]))
    batch = whole(open_tonic_npy(tmp_path / "3.npy"))
    assert batch.t.tolist() == [5_000_000, 5_001_000]
    assert batch.lost.events_by_cause() == {"late": 1}


def test_an_empty_array_is_a_gesture_without_events(tmp_path: Path) -> None:
    np.save(tmp_path / "3.npy", np.empty((0, 4)))
    assert len(whole(open_tonic_npy(tmp_path / "3.npy"))) == 0


def test_whole_rows_of_a_file_that_was_cut_off_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "3.npy"
    np.save(path, rows_of(pattern(100)))
    path.write_bytes(path.read_bytes()[: -3 * 32 - 1])
    found = check_source(open_tonic_npy(path))
    assert len(found.t) == 96
    assert found.losses() == {"cut_off": (4, 31)}
    np.save(path, np.asfortranarray(rows_of(pattern(100))))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptRecording, match="99 of 100 rows, stored by column"):
        list(open_tonic_npy(path))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 3)), r"shape \(5, 3\) and float64; expected N x 4 numbers"),
        (np.zeros(5, "i4,i4"), "fields f0, f1"),
        (np.zeros((5, 4), complex), "complex128"),
        (np.array([[1, 2, 3, None]], object), "objects"),
    ],
)
def test_another_array_is_described_and_nothing_is_unpickled(array: np.ndarray, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(UnknownFormat, match=message):
        open_recording(tmp_path / "a.npy")


def test_no_damage_to_a_file_of_tonic_ends_in_another_error_than_ours(tmp_path: Path) -> None:
    path = tmp_path / "3.npy"
    np.save(path, rows_of(pattern(200)))
    for _, damaged in mutants(path.read_bytes(), 300, seed=0):
        path.write_bytes(damaged)
        with suppress(SpikecutError):
            check_source(open_recording(path))
