"""Truths about every data set of the table, and about drawn people: a new row is tested here before anyone asks."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import Frame, SensorSize
from spikecut.sources.datasets import DATASETS, DatasetKind, kind_of, open_dataset
from spikecut.sources.datasets.base import INPUTS, Dataset, FrameSpec, sources_of
from spikecut.sources.datasets.digests import digests_of
from spikecut.sources.datasets.dvs_gesture import TONIC
from spikecut.sources.datasets.parts import DIVISIONS, watched_apart
from spikecut.sources.datasets.reading import readings
from spikecut.sources.formats.atis import write_atis
from spikecut.sources.simulation import drawn_people
from spikecut.sources.simulation.drawn_people import DrawnPeople
from spikecut.sources.simulation.gestures import DrawnSession, drawn_session

from picture_layouts import encoded, write_folders
from source_contract import DVS128, pattern

REPOSITORY = Path(__file__).parent.parent.parent.parent


def class_folders(root: Path) -> Path:
    for seed in range(24):
        below = root / "ab"[seed % 2]
        below.mkdir(parents=True, exist_ok=True)
        write_atis(below / f"{seed:03d}.bin", [pattern(200, seed)])
    return root


def gestures(root: Path) -> Path:
    for user in (1, 2, 3, 24):
        folder = root / TONIC["test" if user > 23 else "train"] / f"user{user:02d}_led"
        folder.mkdir(parents=True)
        for label in (3, 0):
            rows = [[user, 4 * label, label % 2, t] for t in range(0, 100, 7)]
            np.save(folder / f"{label}.npy", np.array(rows, np.float64))
    return root


MADE: dict[str, Callable[[Path], Path]] = {
    "images": lambda root: write_folders(root, 8, 3),
    "gestures": gestures,
    "class folders": class_folders,
}
VIEWS = {
    "events": FrameSpec("events", DVS128, DVS128, 20_000, 3),
    "images": FrameSpec("images", SensorSize(32, 32), SensorSize(32, 32), 1_000, 3),
}


@pytest.fixture(params=[*DATASETS, "drawn people"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Callable[[], Dataset], FrameSpec]:
    """What opens a small data set of each kind, and what a network takes of it."""
    if request.param == "drawn people":
        return lambda: DrawnPeople(4, quick=True), VIEWS["events"]
    row, root = DATASETS[request.param], MADE[request.param](tmp_path / "set")
    assert kind_of(root) == request.param
    return lambda: open_dataset(root, row.input_kind), VIEWS[row.input_kind]


@pytest.fixture
def _few_gestures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn people perform two gestures each, where all of their events are wanted."""
    whole = drawn_session
    monkeypatch.setattr(
        drawn_people, "drawn_session", lambda *user, quick: replace(whole(*user, quick=quick), order=(3, 0))
    )


Made = tuple[Callable[[], Dataset], FrameSpec]


def test_every_row_has_a_small_data_set_here() -> None:
    assert set(MADE) == set(DATASETS)


def test_classes_examples_and_digests_are_the_same_each_time(made: Made) -> None:
    one, other = made[0](), made[0]()
    assert one.classes == other.classes
    assert len(set(one.classes)) == len(one.classes)
    first, again = (
        [(one.name, one.label, one.part, one.place, one.subject) for one in dataset.examples("all")]
        for dataset in (one, other)
    )
    assert first == again
    assert digests_of(sources_of(one.examples("all"))) == digests_of(sources_of(other.examples("all")))


def test_parts_are_disjoint_and_together_everything(made: Made) -> None:
    dataset = made[0]()
    parts = {part: [example.place for example in dataset.examples(part)] for part in DIVISIONS}
    everything = [example.place for example in dataset.examples("all")]
    assert sorted(chain(*parts.values())) == sorted(everything)
    assert all(example.part == part for part in DIVISIONS for example in dataset.examples(part))
    subjects = [{example.subject for example in dataset.examples(part)} for part in DIVISIONS]
    assert not any(one & other for one, other in combinations(subjects, 2))


def test_labels_are_numbers_of_classes_and_those_of_a_network_that_names_the_same(made: Made) -> None:
    dataset = made[0]()
    assert {example.label for example in dataset.examples("all")} <= set(range(len(dataset.classes)))
    assert dataset.numbered(dataset.classes, "the network") == tuple(range(len(dataset.classes)))
    with pytest.raises(ConfigError, match=r"none of the classes|names others"):
        dataset.numbered(("something", "else"), "the network")


@pytest.mark.usefixtures("_few_gestures")
def test_frames_are_those_a_network_takes_and_the_same_when_they_are_read_again(made: Made) -> None:
    dataset, view = made[0](), made[1]
    examples = dataset.examples("train")[:6]
    together = [[frame.pixels for frame in frames][: view.horizon] for _, frames in readings(examples, view)]
    assert len(together) == len(examples)
    assert all(frame.shape == view.distinct[1:] for frames in together for frame in frames)
    for example, frames in zip(examples[-2:], together[-2:], strict=True):
        alone = [frame.pixels for frame in example.frames(view)][: view.horizon]
        assert all(np.array_equal(a, b) for a, b in zip(alone, frames, strict=True))
    assert any(frame.any() for frames in together for frame in frames)


@pytest.mark.usefixtures("_few_gestures")
def test_a_source_is_opened_once_for_all_of_its_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, streams = [], DrawnSession.streams

    def counted(session: DrawnSession, view: FrameSpec) -> Iterator[Iterator[Frame]]:
        opened.append(session.name)
        return streams(session, view)

    monkeypatch.setattr(DrawnSession, "streams", counted)
    examples = DrawnPeople(2, quick=True).examples("all")
    assert len(list(readings(examples, VIEWS["events"]))) == len(examples) == 4
    assert opened == [examples[0].source.name, examples[-1].source.name]


def test_what_cannot_be_read_is_quarantined_with_its_error_and_the_others_are_read(tmp_path: Path) -> None:
    root = class_folders(tmp_path)
    (root / "a" / "004.bin").write_bytes(b"")
    dataset = open_dataset(root, "events")
    fates = []
    for fate, frames in readings(dataset.examples("all"), VIEWS["events"]):
        fates.append((fate, len(list(frames))))
    bad = [fate.name for fate, _ in fates if fate.error is not None]
    assert bad == [str(root / "a" / "004.bin")]
    assert all(n > 0 for fate, n in fates if fate.error is None)


def test_a_source_that_ends_early_shares_its_error_among_the_examples_that_are_left(tmp_path: Path) -> None:
    root = gestures(tmp_path)
    (root / TONIC["train"] / "user01_led" / "3.npy").write_bytes(b"damaged")
    examples = open_dataset(root, "events").examples("train")
    read = [(fate, list(frames)) for fate, frames in readings(examples, VIEWS["events"])]
    assert [fate.error is None for fate, _ in read] == [True, False, True, True]


def test_digests_are_by_content_whatever_the_name(tmp_path: Path) -> None:
    root = write_folders(tmp_path, 3)
    same = encoded(np.zeros((3, 8, 8), np.uint8), ".png")
    for name in ("0000.png", "0001.png"):
        (root / "red" / name).write_bytes(same)
    found = {example.name: example.digest() for example in open_dataset(root, "images").examples("all")}
    assert found["red/0000.png"] == found["red/0001.png"] != found["red/0002.png"]


def test_a_missing_session_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "trials_to_train.txt").write_text("user01_led.aedat\n")
    (tmp_path / "trials_to_test.txt").write_text("")
    dataset = open_dataset(tmp_path, "events")
    assert "1 listed sessions are missing" in " ".join(dataset.notes_on("train", VIEWS["events"]))
    assert not dataset.examples("all")


def test_one_of_every_few_is_watched_and_nothing_else() -> None:
    used, watched = watched_apart(range(101), INPUTS["events"].watched_every)
    assert watched == list(range(0, 101, 10))
    assert sorted(used + watched) == list(range(101))


def _switches(path: Path) -> Iterator[str]:
    """Where a module asks what kind of data something is, instead of asking a table."""
    kinds = {"LabelledRecording", "LabelledPicture", "Session", "PictureSet", "GestureSet", "ClassFolders"}
    for node in ast.walk(ast.parse(path.read_text())):
        text = ast.unparse(node) if isinstance(node, ast.Call | ast.Compare) else ""
        if (
            isinstance(node, ast.Call)
            and text.startswith("isinstance(")
            and kinds & {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
        ):
            yield f"{path.name}:{node.lineno}: {text}"
        if isinstance(node, ast.Compare) and any(
            text.endswith(end) for end in ("inputs == 3", "inputs == 2", "== 'images'", "== 'events'")
        ):
            yield f"{path.name}:{node.lineno}: {text}"


def test_nothing_asks_what_kind_of_data_a_thing_is() -> None:
    folders = ("pipeline", "sources", "models", "tools", "benchmarks")
    found = [line for folder in folders for path in (REPOSITORY / folder).rglob("*.py") for line in _switches(path)]
    assert found == []


def test_a_switch_on_the_kind_of_data_would_be_found(tmp_path: Path) -> None:
    lines = ("a = isinstance(x, Session | int)", "b = spec.inputs == 3", "c = kind == 'images'")
    (tmp_path / "module.py").write_text("\n".join(lines))
    assert len(list(_switches(tmp_path / "module.py"))) == 3


def test_what_a_data_set_from_outside_lacks_is_named_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_a_set.py").write_text(
        "class Half:\n    path, classes, notes, origin = None, (), (), ''\n\n"
        "def recognise(path):\n    return True\n\ndef open_set(path):\n    return Half()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    kind = DatasetKind("half_a_set", "events", "recordings", "half of what is asked for")
    with pytest.raises(ConfigError, match=r"half_a_set\.open_set gave a Half without provenance, examples, numbered"):
        kind.open(tmp_path)
