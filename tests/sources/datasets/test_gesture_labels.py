"""Truths about the label files of DVS128 Gesture: rows in order of time, faults named by row."""

from pathlib import Path

import pytest

from spikecut.pipeline.errors import CorruptRecording, MissingLabels
from spikecut.sources.datasets.gesture_labels import (
    GESTURES,
    GestureSpan,
    Movement,
    SessionLabels,
    read_labels,
    text_of,
)

HEADER = "class,startTime_usec,endTime_usec\n"
WITH_MOVEMENTS = "class,startTime_usec,endTime_usec,movement\n"


def file_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "user22_led_labels.csv"
    path.write_text(text)
    return path


def test_classes_count_from_one_in_files_and_from_zero_here(tmp_path: Path) -> None:
    (clap, other) = read_labels(file_of(tmp_path, HEADER + "1,10,20\n11,30,40\n")).spans
    assert (clap.label, clap.name, clap.start_us, clap.end_us) == (0, "hand clapping", 10, 20)
    assert (other.label, other.name) == (10, "other gestures")


def test_a_gesture_that_ends_after_the_next_began_is_clipped_and_said(tmp_path: Path) -> None:
    """The genuine fault: class 9 of user22_led ends at 110590564, after class 10 began."""
    labels = read_labels(file_of(tmp_path, HEADER + "9,100000000,110590564\n10,108000000,115000000\n"))
    assert [(s.label, s.end_us) for s in labels.spans] == [(8, 108000000), (9, 115000000)]
    (note,) = labels.notes
    assert "air drums ends at 110590564 us, after air guitar began at 108000000 us" in note


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "row 1: nothing"),
        ("a,b,c\n", "row 1: a,b,c; expected class,startTime_usec,endTime_usec"),
        (HEADER + "1,10,20\n12,30,40\n", "row 3: class 12; expected 1 to 11"),
        (HEADER + "0,30,40\n", "row 2: class 0"),
        (HEADER + "1,40,30\n", "row 2: it ends at 30 us and begins at 40 us"),
        (HEADER + "1,40\n", "row 2: 1,40; expected three whole numbers"),
        (HEADER + "1,40,50,60\n", "row 2: 1,40,50,60; expected three whole numbers"),
        (WITH_MOVEMENTS + "0,40,50,\n", "row 2: class 0; expected 1 to 11, or 0 with the name of a movement"),
        (WITH_MOVEMENTS + "0,40,50\n", "row 2: 0,40,50; expected three whole numbers, and a name"),
    ],
)
def test_a_faulty_row_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CorruptRecording, match=message):
        read_labels(file_of(tmp_path, text))
    with pytest.raises(MissingLabels, match="cannot read the labels"):
        read_labels(tmp_path / "nowhere.csv")


def test_a_genuine_file_holds_what_it_holds(real_data: Path) -> None:
    labels = read_labels(real_data / "dvs128_gesture_meta" / "user01_natural_labels.csv")
    assert [span.label + 1 for span in labels.spans] == [1, 2, 3, 5, 4, 6, 7, 8, 8, 9, 10, 11]
    assert (labels.spans[0].start_us, labels.spans[-1].end_us) == (53_036_986, 177_991_967)
    assert not labels.notes


def test_the_names_are_those_of_the_genuine_mapping(real_data: Path) -> None:
    """Its names have trailing blanks and underscores."""
    rows = (real_data / "dvs128_gesture_meta" / "gesture_mapping.csv").read_text().splitlines()[1:]
    names = {int(row.split(",")[1]) - 1: row.split(",")[0].strip().replace("_", " ") for row in rows if row.strip()}
    assert names == dict(enumerate(GESTURES))


def test_movement_that_is_no_gesture_is_no_gesture_of_the_session(tmp_path: Path) -> None:
    """Class 0 in a file with a column for it: whoever trains or scores on gestures does not meet it."""
    text = WITH_MOVEMENTS + "3,40,50,\n0,10,30,walks by\n0,50,60,drinks\n"
    labels = read_labels(file_of(tmp_path, text))
    assert labels.spans == (GestureSpan(2, 40, 50),)
    assert labels.movements == (Movement("walks by", 10, 30), Movement("drinks", 50, 60))
    assert not labels.notes


def test_labels_that_are_written_are_read_back(tmp_path: Path) -> None:
    spans, movements = (GestureSpan(2, 40, 50), GestureSpan(0, 70, 90)), (Movement("sits down, reads", 50, 60),)
    labels = read_labels(file_of(tmp_path, text_of(spans, movements)))
    assert (labels.spans, labels.movements) == (spans, movements)
    assert text_of(spans) == HEADER + "3,40,50\n1,70,90\n"  # as the genuine files


def test_labels_for_a_network_keep_their_names_whatever_their_numbers() -> None:
    labels = SessionLabels((GestureSpan(7, 0, 9), GestureSpan(0, 20, 29)), (), (Movement("salute", 40, 49),))
    classes = ["salute", *sorted(GESTURES), "nothing"]
    numbered = labels.numbered(classes)
    assert [classes[one.label] for one in numbered.spans] == ["arm roll", "hand clapping", "salute"]
    assert [one.name for one in numbered.spans] == ["arm roll", "hand clapping", "salute"]
    assert labels.numbered(["arm roll"]).movements == (Movement("hand clapping", 20, 29), Movement("salute", 40, 49))
    assert labels.numbered([*GESTURES, "salute"], rejects=["salute"]).movements == (Movement("salute", 40, 49),)
    assert numbered.numbered([*GESTURES, "salute"]).spans[0] == GestureSpan(7, 0, 9), "and back"
