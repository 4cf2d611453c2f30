"""Truths about `spikecut label`: what is marked while it plays is what the other commands read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from spikecut.models.files.opening import locate
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.results import Item
from spikecut.sources.datasets.gesture_labels import Movement, labels_beside, read_labels, text_of
from spikecut.sources.formats.open import open_recording
from spikecut.sources.live.bin_file import MAGIC
from spikecut.sources.live.controls import KEYS
from spikecut.sources.live.marks import Marks
from spikecut.sources.simulation.gestures import DrawnSession, write_session
from spikecut.tools.cli import main
from spikecut.tools.commands.watch.label import Label
from spikecut.tools.session import label
from spikecut.tools.session.playing import Playing
from spikecut.tools.session.summarising import Report

SECOND = 1_000_000


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """Two gestures without their labels."""
    torch.set_num_threads(1)
    path = write_session(tmp_path / "me", DrawnSession(24, "natural", order=(3, 0), quick=True))
    labels_beside(path).unlink()
    return path


def typing(monkeypatch: pytest.MonkeyPatch, keys: dict[float, str]) -> None:
    """Keys come when the loop has come to such a second of the recording."""
    left = dict(keys)
    playing: list[Playing] = []
    write, begin = Report.write, Playing.run

    def run(one: Playing) -> int:
        playing.append(one)
        return begin(one)

    def typed(report: Report, item: Item) -> None:
        write(report, item)
        tally = report.tally
        while left and tally.since_start(tally.end_us) >= min(left) * SECOND:
            playing[-1].controls.press(left.pop(min(left)))

    monkeypatch.setattr(Playing, "run", run)
    monkeypatch.setattr(Report, "write", typed)


def test_marks_become_the_label_file_that_run_scores_and_cut_cuts(
    session: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with monkeypatch.context() as typist:
        typing(typist, {0.5: "4", 3.0: "\r", 4.0: "1", 6.5: "\n"})
        assert main(["label", str(session), "--speed", "50", "--window", "off"]) == 0
    assert "2 marks -> " in capsys.readouterr().err
    labels = read_labels(labels_beside(session))
    first_us = next(iter(open_recording(session))).start_us
    spans = [
        (span.name, (span.start_us - first_us) / SECOND, (span.end_us - first_us) / SECOND) for span in labels.spans
    ]
    assert [name for name, _, _ in spans] == ["right arm clockwise", "hand clapping"]
    assert [time for _, *times in spans for time in times] == pytest.approx([0.5, 3.0, 4.0, 6.5], abs=0.03)
    assert main(["run", str(session)]) == 0
    assert "gestures: " in capsys.readouterr().out, "it keeps the score now"
    assert main(["cut", str(session.parent), str(tmp_path / "cut"), "--labels"]) == 0
    files = sorted(str(path.relative_to(tmp_path / "cut")) for path in (tmp_path / "cut").rglob("*.h5"))
    assert files == [f"hand clapping/{session.stem}_002.h5", f"right arm clockwise/{session.stem}_001.h5"]
    pieces = [sum(map(len, open_recording(tmp_path / "cut" / file))) for file in files]
    assert all(n > 1000 for n in pieces)


def test_own_classes_are_cut_by_their_names(
    session: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with monkeypatch.context() as typist:
        typing(typist, {0.5: "1", 3.0: "2", 5.0: "\r", 5.5: "q"})
        words = ["label", str(session), "--classes", "my wave", "knock", "--speed", "50", "--window", "off"]
        assert main(words) == 0
    assert main(["cut", str(session.parent), str(tmp_path / "cut"), "--labels"]) == 0
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == ["knock", "my wave"]
    assert main(words) == 2, "the label file is there"
    assert "--overwrite" in capsys.readouterr().err


def test_own_classes_are_right_answers_of_a_network_that_knows_them(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named by the label file, not by their number: a class of a user's own stands there as a name."""
    weights = locate("gestures")
    card = json.loads(weights.with_suffix(".json").read_text())
    card["classes"][3] = "knock"
    (tmp_path / "mine.json").write_text(json.dumps(card))
    shutil.copy(weights, tmp_path / "mine.safetensors")
    first_us = next(iter(open_recording(session))).start_us
    rows = [(first_us, first_us + 3_500_000, "knock"), (first_us + 3_600_000, first_us + 7 * SECOND, "sits down")]
    movements = [Movement(kind, start_us, end_us) for start_us, end_us, kind in rows]
    labels_beside(session).write_text(text_of((), movements))
    words = ["run", str(session), "--model", str(tmp_path / "mine.safetensors"), "--cutoff", "none", "--json"]
    assert main(words) == 0
    *decisions, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (last["summary"]["right"], last["summary"]["missed"]) == (1, 0)
    assert [one["outcome"] for one in decisions if one.get("label") == "knock"] == ["right"]
    labels_beside(session).write_text("a table of something else\n")
    assert main(words) == 0, "what is no label file is none of a network that knows other classes"
    assert "nothing is scored by it" in capsys.readouterr().err


def test_an_interrupted_recording_keeps_its_marks(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Report.write

    def interrupted(report: Report, item: Item) -> None:
        write(report, item)
        if report.tally.since_start(report.tally.end_us) > 2 * SECOND:
            raise KeyboardInterrupt

    typing(monkeypatch, {0.5: "4"})
    with monkeypatch.context() as cut:
        typed: Callable[[Report, Item], None] = Report.write

        def both(report: Report, item: Item) -> None:
            typed(report, item)
            interrupted(report, item)

        cut.setattr(Report, "write", both)
        assert main(["label", str(session), "--speed", "50", "--window", "off"]) == 130
    (span,) = read_labels(labels_beside(session)).spans
    assert span.end_us > span.start_us


def test_keys_undo_jump_and_steer() -> None:
    at = [0]
    marks = Marks(1.0, classes=("a", "b"), now_us=lambda: at[0])
    for time, key in ((1, "1"), (2, "\r"), (3, "2"), (4, "u"), (5, "u"), (6, "1"), (7, " "), (8, "2"), (7, "1")):
        at[0] = time
        assert marks.press(key)
    assert marks.paused
    assert not marks.press("9")
    assert not Marks(1.0, classes=("a",)).press("u")
    at[0] = 9
    assert [(one.name, one.start_us, one.end_us) for one in marks.finish(9)] == [("a", 6, 8), ("a", 7, 9)]
    assert all(Marks(1.0, classes=tuple(map(str, range(31)))).press(key) for key in KEYS)


@pytest.mark.parametrize("classes", [(), ("a", "a"), tuple(map(str, range(32))), ("../out",), ("",), ("two\nlines",)])
def test_classes_that_cannot_be_marked_are_refused(classes: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        Marks(1.0, classes=classes)


def test_max_is_no_speed_to_mark_at(session: Path) -> None:
    with pytest.raises(ConfigError, match="that fast"):
        label.run_label(Label(session, speed="max"))


def test_labels_say_where_pieces_begin(session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cut", str(session.parent), str(tmp_path / "cut"), "--labels", "--piece", "1"]) == 2
    assert main(["cut", str(session.parent), str(tmp_path / "cut"), "--labels"]) == 4
    assert "_labels.csv" in capsys.readouterr().err
    assert not (tmp_path / "cut").exists()


@pytest.mark.parametrize("name", ["../../out", "/tmp/out", "..", "a/b"])
def test_a_label_file_cannot_name_a_folder_elsewhere(
    name: str, session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start_us = next(iter(open_recording(session))).start_us
    text = f"class,startTime_usec,endTime_usec,movement\n0,{start_us},{start_us + SECOND},{name}\n"
    labels_beside(session).write_text(text)
    assert main(["cut", str(session.parent), str(tmp_path / "cut"), "--labels"]) == 4
    assert "a name that a folder can have" in capsys.readouterr().err
    assert not (tmp_path / "cut").exists()


def test_recordings_of_one_name_do_not_overwrite_one_another(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start_us = next(iter(open_recording(session))).start_us
    text = f"class,startTime_usec,endTime_usec\n1,{start_us},{start_us + SECOND}\n"
    for folder in ("a", "b"):
        (tmp_path / "m" / folder).mkdir(parents=True)
        copy = tmp_path / "m" / folder / session.name
        copy.write_bytes(session.read_bytes())
        labels_beside(copy).write_text(text)
    assert main(["cut", str(tmp_path / "m"), str(tmp_path / "cut"), "--labels"]) == 2
    assert "2 recordings are called" in capsys.readouterr().err


def test_a_label_file_without_labels_is_said_to_be_empty(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels_beside(session).write_text("class,startTime_usec,endTime_usec\n")
    assert main(["cut", str(session.parent), str(tmp_path / "cut"), "--labels"]) == 4
    assert "no labels" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["-", "udp://127.0.0.1:3399", "kept.bins"])
def test_what_is_no_file_of_events_is_refused_in_words(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept.bins").write_bytes(MAGIC)
    assert main(["label", word]) == 2
    assert "expected a recording or a video" in capsys.readouterr().err
