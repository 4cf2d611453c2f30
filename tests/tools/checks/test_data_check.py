"""Truths about `spikecut data check`: what is whole is called so, and what is missing is named."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.errors import EmptyRecording, UnreadableSource
from spikecut.pipeline.events import EventBatch
from spikecut.sources.datasets.dvs_gesture import LISTS, TONIC
from spikecut.sources.datasets.gesture_labels import GESTURES
from spikecut.sources.formats.aedat3 import write_aedat3
from spikecut.sources.simulation.gestures import ORDER
from spikecut.tools.checks.data_check import run_data_check
from spikecut.tools.checks.gesture_check import PUBLISHED, check_gestures
from spikecut.tools.commands.files.data import Data

from source_contract import DVS128

TWELVE = [name for name in PUBLISHED if "_led" in name][::5]


def is_test(name: str) -> bool:
    return int(name[4:6]) > 23


def published(folder: Path, names: Sequence[str] = PUBLISHED) -> Path:
    """A small recording for each name: twelve gestures of 100 us with ten events each."""
    folder.mkdir(parents=True)
    t = np.arange(0, 1_200, 10)
    zeros = np.zeros(len(t), np.uint16)
    batch = EventBatch(t, zeros, zeros, zeros.astype(np.uint8), 0, 1_200, DVS128)
    rows = "".join(f"{label + 1},{100 * k},{100 * k + 100}\n" for k, label in enumerate(ORDER))
    for name in names:
        write_aedat3(folder / f"{name}.aedat", [batch])
        (folder / f"{name}_labels.csv").write_text("class,startTime_usec,endTime_usec\n" + rows)
    for part, file in LISTS.items():
        members = [name for name in names if is_test(name) == (part == "test")]
        (folder / file).write_text("".join(f"{name}.aedat\n" for name in members))
    mapping = "".join(f"{name.replace(' ', '_')} ,{label}\n" for label, name in enumerate(GESTURES, start=1))
    (folder / "gesture_mapping.csv").write_text("action,label\n" + mapping)
    return folder


def tonic(folder: Path) -> Path:
    """Tonic's copy: eleven files a session, and one that it does not have."""
    for name in PUBLISHED:
        session = folder / TONIC["test" if is_test(name) else "train"] / name
        session.mkdir(parents=True)
        for label in range(len(GESTURES)):
            np.save(session / f"{label}.npy", np.array([[1, 2, 1, 0.5], [3, 4, 0, 7.0]]))
    (folder / TONIC["train"] / "user12_led" / "4.npy").unlink()
    return folder


def told(folder: Path, capsys: pytest.CaptureFixture[str], *, read: bool = False) -> tuple[int, str]:
    code = run_data_check(Data("check", folder, read=read))
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()[1:]) <= 80
    return code, " ".join(text.split())


def test_the_published_set_has_122_sessions_of_29_people() -> None:
    assert (len(PUBLISHED), len(set(PUBLISHED)), len({name[:6] for name in PUBLISHED})) == (122, 122, 29)
    assert sum(map(is_test, PUBLISHED)) == 24


def test_the_published_set_is_called_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = told(published(tmp_path / "DvsGesture"), capsys)
    assert code == 0
    assert "complete: the published set, 122 sessions, 29 people, 1,464 gestures" in text
    found = check_gestures(tmp_path).counted()
    assert found["gestures"]["train"] + found["gestures"]["calibration"] == 1_176
    assert found["gestures"]["test"] == 288
    assert found["people"] == {"train": 17, "calibration": 6, "test": 6, "all": 29}
    assert found["arm roll"]["all"] == 2 * found["air drums"]["all"] == 244


def test_a_smaller_set_is_fine_and_called_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = published(tmp_path / "twelve", TWELVE)
    code, text = told(folder, capsys)
    assert (code, f"sound, not the published set: {len(TWELVE)} sessions" in text) == (0, True)
    (folder / ".drawn").write_text("drawing of seed 7\n")
    code, text = told(folder, capsys)
    assert (code, f"sound: {len(TWELVE)} drawn sessions" in text) == (0, True)
    assert "drawn, not recorded (drawing of seed 7)" in text


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (".aedat", None, "missing recording: 1 user01_led.aedat"),
        ("_labels.csv", None, "missing labels: 1 user01_led_labels.csv"),
        (".aedat", b"", "unreadable: 1 user01_led.aedat: the file is empty (0 bytes)"),
        (".aedat", b"<html>no robots</html>", "unreadable: 1 user01_led.aedat: this is text"),
        (".aedat", b"#!AER-DAT3.1\r\n#Source 0: DVS128\r\n#!END-HEADER\r\n", "no events: 1 user01_led.aedat"),
        (".aedat", b"#!AER-DAT3.1\r\n#Source 0: DAVIS240C\r\n#!END-HEADER\r\n", "user01_led.aedat: 240x180 pixels"),
        ("_labels.csv", b"class,startTime_usec,endTime_usec\n12,1,2\n", "_labels.csv: row 2: class 12; expected 1 to"),
    ],
)
def test_every_fault_is_named_and_the_rest_is_counted(
    file: str, content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = published(tmp_path / "set", TWELVE)
    path = folder / f"{TWELVE[0]}{file}"
    path.write_bytes(content) if content is not None else path.unlink()
    code, text = told(folder, capsys)
    assert code == 3
    assert words.replace("user01_led", TWELVE[0]) in text
    assert f"incomplete: {len(TWELVE) - 1} of {len(TWELVE)} sessions can be used" in text
    assert "to mend see https://research.ibm.com" in text


def test_what_was_mended_or_is_not_used_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the published user22_led, whose ninth gesture ends after the tenth began."""
    folder = published(tmp_path / "set", [*TWELVE[:2], "user22_led"])
    labels = folder / "user22_led_labels.csv"
    labels.write_text(labels.read_text().replace("9,900,1000", "9,900,1050"))
    (folder / "user30_lab.aedat").touch()
    (folder / "gesture_mapping.csv").unlink()
    code, text = told(folder, capsys)
    assert code == 0
    assert "gesture_mapping.csv is missing" in text
    assert "user22_led_labels.csv: air drums ends at 1050 us, after air guitar began at 1000 us" in text
    assert "in neither list, and so not used: user30_lab.aedat" in text


def test_only_reading_it_shows_that_a_recording_ends_early(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = published(tmp_path / "set", TWELVE)
    path = folder / f"{TWELVE[0]}.aedat"
    path.write_bytes(path.read_bytes()[: -8 * 15])
    assert told(folder, capsys)[0] == 0
    code, text = told(folder, capsys, read=True)
    assert code == 3
    assert f"{TWELVE[0]}: 15 events lost: the file ends inside a record" in text
    assert f"{TWELVE[0]}: no events in other gestures: the recording ends too early" in text
    assert f"events {120 * len(TWELVE) - 15:,} within the gestures" in text


def test_a_file_in_which_nothing_is_an_event_cannot_be_used(tmp_path: Path) -> None:
    folder = tonic(tmp_path / "DVSGesture")
    np.save(folder / TONIC["test"] / "user24_led" / "3.npy", np.full((70_000, 4), [1, 2, 3, 4]))
    found = check_gestures(folder)
    assert [(fault.kind, fault.file) for fault in found.faults] == [("unreadable", "user24_led/3.npy")]
    assert len(found.usable) == 121


def test_tonics_copy_is_complete_with_one_arm_roll_a_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tonic(tmp_path / "DVSGesture")
    code, text = told(tmp_path, capsys)
    assert code == 0
    assert "complete: the published set, 122 sessions, 29 people, 1,341 gestures" in text
    assert "user12_led has no 4.npy (right arm counter clockwise)" in text
    (folder / TONIC["test"] / "user24_led" / "0.npy").unlink()
    code, text = told(folder, capsys)
    assert code == 3
    assert "ibmGestureTest: 263 of the 264 that were published" in text


def test_sessions_that_tonics_copy_lacks_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tonic(tmp_path / "DVSGesture")
    (folder / TONIC["test"] / "user29_lab").rename(tmp_path / "elsewhere")
    (folder / TONIC["train"]).rename(tmp_path / "else")
    code, text = told(folder, capsys)
    assert code == 3
    assert "missing part: 1 ibmGestureTrain: all of its 98 sessions" in text
    assert "missing session: 1 user29_lab" in text
    assert "incomplete: 23 of 122 sessions can be used" in text


def test_the_json_says_what_the_table_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = published(tmp_path / "set", TWELVE)
    (folder / f"{TWELVE[0]}.aedat").unlink()
    assert run_data_check(Data("check", folder, json=True)) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["faults"] == [{"kind": "missing recording", "file": f"{TWELVE[0]}.aedat", "message": "", "n": 1}]
    assert (found["sessions_expected"], found["sessions_usable"]) == (len(TWELVE), len(TWELVE) - 1)
    assert found["classes"]["arm roll"]["all"] == 2 * (len(TWELVE) - 1)
    assert (found["layout"], found["drawn"], found["events"]) == ("published", None, None)
    assert sum(found["lightings"].values()) == len(TWELVE) - 1


def test_nothing_left_is_code_4_and_no_set_at_all_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = published(tmp_path / "set", TWELVE[:1])
    (folder / f"{TWELVE[0]}.aedat").unlink()
    assert told(folder, capsys)[0] == 4
    with pytest.raises(UnreadableSource, match="no such folder"):
        run_data_check(Data("check", tmp_path / "nowhere"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(EmptyRecording, match="no recordings in its class folders"):
        run_data_check(Data("check", empty))
    stray = empty / "user01_led.aedat"
    stray.touch()
    with pytest.raises(EmptyRecording, match="no sessions of DVS128 Gesture") as caught:
        run_data_check(Data("check", empty))
    assert "research.ibm.com" in str(caught.value.hint)
    stray.unlink()
    archive = empty / "DvsGesture.tar.gz"
    archive.write_bytes(b"<html>")
    with pytest.raises(EmptyRecording, match="only 6 bytes: the download was refused"):
        run_data_check(Data("check", empty))
    with archive.open("wb") as file:
        file.truncate(2 << 20)
    with pytest.raises(EmptyRecording, match=r"DvsGesture\.tar\.gz is not unpacked") as caught:
        run_data_check(Data("check", empty))
    assert caught.value.hint == f"tar -xzf {archive} -C {empty}"
