"""Truths about Tonic: its data sets are examples here, recordings are a data set there, with the same events."""

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.models.training.epochs import TrainingPlan
from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError, EventError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.replay import record_outputs
from spikecut.sources import open_recording
from spikecut.sources.datasets.class_folders import LabelledRecording, list_recordings
from spikecut.sources.datasets.segments import whole
from spikecut.sources.datasets.tonic import as_tonic, batch_of, from_tonic, whole_recording
from spikecut.sources.formats.atis import write_atis
from spikecut.tools.training.packing import pack_recordings
from spikecut.tools.training.recipe import read_recipe

from fakes import Script
from source_contract import DVS128, pattern
from streams import SENSOR, batches

RECIPE = dataclasses.replace(read_recipe("nmnist"), sensor=DVS128, training=TrainingPlan(window=4), downsample=8)
X_Y_T_P = [("x", "<i8"), ("y", "<i8"), ("t", "<i8"), ("p", "<i8")]  # NMNIST, NCALTECH101
T_X_Y_P = [("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("p", "?")]  # CIFAR10DVS
FLOATS = [("p", "<f4"), ("t", "<f8"), ("y", "<f4"), ("x", "<f4")]


def columns(batch: EventBatch) -> list[list[int]]:
    return [getattr(batch, name).tolist() for name in "txyp"]


def events_of(batch: EventBatch, dtype: Any) -> Any:
    events = np.zeros(len(batch), dtype)
    for name in "txyp":
        events[name] = getattr(batch, name)
    return events


@pytest.fixture
def recordings(tmp_path: Path) -> list[LabelledRecording]:
    for seed, name in enumerate(("ant", "bass", "bass")):
        (tmp_path / name).mkdir(exist_ok=True)
        write_atis(tmp_path / name / f"{seed}.bin", [pattern(900, seed)])
    return list_recordings(tmp_path)


class Few:
    """A data set as Tonic's are: with a sensor and class names of its own."""

    sensor_size = (7, 5, 2)
    classes: Any = ("0 - zero", "1 - one")

    def __init__(self, items: list[tuple[Any, Any]]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.items[index]


@given(batch=batches(), dtype=st.sampled_from([X_Y_T_P, [X_Y_T_P[i] for i in (3, 1, 2, 0)]]), signed=st.booleans())
def test_events_are_the_same_whatever_their_fields(batch: EventBatch, dtype: Any, signed: bool) -> None:
    events = events_of(batch, dtype)
    if signed:
        events["p"] = 2 * events["p"] - 1
    untouched = events.copy()
    found, label = from_tonic(Few([(events, 1)]))[0]
    assert columns(found) == columns(batch)
    assert (label, found.sensor, found.lost.total) == (1, SENSOR, 0)
    assert np.array_equal(events, untouched)


@pytest.mark.parametrize("dtype", [T_X_Y_P, FLOATS])
def test_unsigned_times_and_fractions_are_read(dtype: Any) -> None:
    batch = pattern(500)
    events = events_of(batch, dtype)
    if dtype is FLOATS:
        events["t"] += 0.25
        with pytest.raises(EventError, match=r"one: the times are float64 without a unit"):
            batch_of(events, DVS128, "one")
    assert columns(batch_of(events, DVS128, "one", time_unit="us")) == columns(batch)


def test_what_transforms_leave_in_disorder_is_put_in_order_and_what_they_push_out_is_counted() -> None:
    events = np.array([(1, 2, 30, 1), (7, 0, 5, 1), (0, -1, 6, 0), (3, 4, 10, 0), (0, 0, 10, 1)], X_Y_T_P)
    batch = batch_of(events, SENSOR, "one")
    assert columns(batch) == [[10, 10, 30], [3, 0, 1], [4, 0, 2], [0, 1, 1]]
    assert batch.lost.events_by_cause() == {"outside_sensor": 2}
    assert (batch.start_us, batch.end_us) == (10, 31)
    assert len(batch_of(events[:0], SENSOR, "none")) == 0


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (np.zeros((3, 2, 5, 7)), r"Few\[0\]: an array of shape \(3, 2, 5, 7\); expected an array of events"),
        (("events", "imu"), r"Few\[0\]: a tuple; expected an array of events"),
        (np.zeros(2, [("t", int), ("x", int), ("p", int)]), r"Few\[0\]: no field y among t, x, p"),
        (np.array([(1, 1, 1, 2)], X_Y_T_P), r"Few\[0\]: event 0: polarity 2"),
        (np.array([(1, np.nan, 1, 1)], FLOATS), r"Few\[0\]: event 0: time nan"),
    ],
)
def test_what_is_no_events_is_refused_by_name(events: Any, words: str) -> None:
    with pytest.raises(EventError, match=words):
        from_tonic(Few([(events, 0)]))[0]


def test_a_class_is_known_by_its_number_or_its_name() -> None:
    nothing = np.zeros(0, X_Y_T_P)
    items = [(nothing, "1 - one"), (nothing, np.int64(0)), (nothing, np.array(1))]
    assert [label for _, label in from_tonic(Few(items))] == [1, 0, 1]
    named = Few([(nothing, "cat")])
    named.classes = {"dog": 1, "cat": 0}
    assert from_tonic(named)[0][1] == 0
    assert from_tonic([(nothing, 17)], sensor=SENSOR)[0][1] == 17
    for target, words in (("ten", "'ten' is no class"), (2, "expected 0 to 1"), (-1, "expected 0"), (None, "None")):
        with pytest.raises(ConfigError, match=words):
            from_tonic(Few([(nothing, target)]))[0]


def test_a_sensor_must_be_known() -> None:
    with pytest.raises(ConfigError, match="list names no sensor") as caught:
        from_tonic([])
    assert "sensor=SensorSize" in str(caught.value.hint)


def test_a_tonic_set_is_recorded_like_any_other() -> None:
    batch = pattern(300, pause_us=100)
    items = [(events_of(batch, X_Y_T_P), label) for label in (1, 0)]
    labels = []

    def streams() -> Any:
        for one, label in from_tonic(items, sensor=DVS128):
            labels.append(label)
            yield CountBinner(one.sensor, 10_000).bins([one])

    said = np.arange(1, 400 * 4 * 2 + 1, dtype=np.float32).reshape(400, 4, 2)
    outputs = record_outputs(streams(), len(items), Script(said), horizon=4)
    assert labels == [1, 0]
    assert outputs.shape == (2, 4, 2)
    assert (outputs[:, :3] > 0).all()


def test_there_and_back_again_nothing_changes(recordings: list[LabelledRecording]) -> None:
    dataset = as_tonic(recordings, sensor=DVS128)
    assert (len(dataset), dataset.targets, dataset.classes) == (3, [0, 1, 1], ["ant", "bass"])
    assert dataset.sensor_size == (128, 128, 2)
    for (batch, label), recording in zip(from_tonic(dataset), recordings, strict=True):
        assert columns(batch) == columns(whole(open_recording(recording.path, sensor=DVS128)))
        assert label == recording.label


def test_tonics_own_loaders_give_the_same_events(real_data: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("tonic.datasets")
    names = ["Train/5/00001.bin", "Train/0/00002.bin"]
    zipfile.ZipFile(real_data / "nmnist_train1000.zip").extractall(tmp_path, names)
    theirs = datasets.NMNIST.__new__(datasets.NMNIST)  # without its download
    theirs.data, theirs.targets = [str(tmp_path / name) for name in names], [5, 0]
    theirs.transform = theirs.target_transform = theirs.transforms = None
    theirs.first_saccade_only = theirs.stabilize = False
    examples = from_tonic(theirs)
    assert (examples.sensor, len(examples.classes or ())) == (SensorSize(34, 34), 10)
    for (batch, label), name in zip(examples, names, strict=True):
        ours = whole(open_recording(tmp_path / name))
        assert columns(batch) == columns(ours)
        assert label == int(name.split("/")[1])


def test_tonics_transforms_act_on_recordings(recordings: list[LabelledRecording]) -> None:
    transforms = pytest.importorskip("tonic.transforms")
    plain = as_tonic(recordings, sensor=DVS128)
    frames = as_tonic(recordings, sensor=DVS128, transform=transforms.ToImage(sensor_size=plain.sensor_size))
    denoised = as_tonic(recordings, sensor=DVS128, transform=transforms.Denoise(filter_time=2_000))
    for i, recording in enumerate(recordings):
        counted = CountBinner(DVS128, 10_000, counter="uint16").bins(open_recording(recording.path, sensor=DVS128))
        assert np.array_equal(frames[i][0], sum(frame.pixels.astype(int) for frame in counted))
        assert 0 < len(denoised[i][0]) < len(plain[i][0])
    both = as_tonic(
        recordings,
        sensor=DVS128,
        target_transform=lambda label: label + 10,
        transforms=lambda e, target: (len(e), target),
    )
    assert [both[i] for i in range(3)] == [(900, 10), (900, 11), (900, 11)]


def test_tonics_cache_takes_recordings(recordings: list[LabelledRecording], tmp_path: Path) -> None:
    tonic = pytest.importorskip("tonic")
    cached = tonic.DiskCachedDataset(as_tonic(recordings, sensor=DVS128), cache_path=str(tmp_path / "theirs"))
    for _ in range(2):
        examples = from_tonic(cached, sensor=DVS128)
        assert columns(examples[1][0]) == columns(whole_recording(recordings[1], DVS128))
        assert examples[1][1] == 1


def test_a_transform_acts_before_events_are_counted_into_frames(
    recordings: list[LabelledRecording], capsys: pytest.CaptureFixture[str]
) -> None:
    transforms = pytest.importorskip("tonic.transforms")
    plain, labels = pack_recordings(recordings, RECIPE, "train")
    same, same_labels = pack_recordings(recordings, RECIPE, "train", transform=lambda events: events)
    assert np.array_equal(same, plain)
    assert np.array_equal(same_labels, labels)
    longer = dataclasses.replace(RECIPE, training=TrainingPlan(window=60))
    dropped, _ = pack_recordings(recordings, longer, "train", transform=transforms.DropEvent(p=0.5))
    assert dropped.sum(axis=(1, 2, 3, 4)).tolist() == [450] * 3
    crop = transforms.Compose([transforms.CropTime(max=20_000), transforms.RandomFlipPolarity(p=1.0)])
    cropped, _ = pack_recordings(recordings, RECIPE, "train", transform=crop)
    assert np.array_equal(cropped[:, 0], plain[:, 0, ::-1])
    assert not cropped[:, 2:].any()
    assert capsys.readouterr().err.strip() == ""

    def shifted(events: Any) -> Any:
        events["x"] += 100
        return events

    pack_recordings(recordings[:1], longer, "train", transform=shifted)
    assert "train: events lost: ant/0.bin: " in capsys.readouterr().err
    with pytest.raises(EventError, match=r"0\.bin: an array of shape"):
        pack_recordings(recordings, RECIPE, "train", transform=transforms.ToImage(sensor_size=(128, 128, 2)))


def test_damage_is_told_as_a_warning(recordings: list[LabelledRecording]) -> None:
    path = recordings[0].path
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.warns(UserWarning, match=r"0\.bin: events lost: 1 cut_off"):
        events, _ = as_tonic(recordings, sensor=DVS128)[0]
    assert len(events) == 899


def test_a_recording_of_another_sensor_and_an_empty_list_are_refused(
    recordings: list[LabelledRecording], tmp_path: Path
) -> None:
    from spikecut.sources.formats.aedat2 import write_aedat2

    write_aedat2(tmp_path / "bass" / "9.aedat", [pattern(10)])
    dataset = as_tonic(list_recordings(tmp_path))
    assert dataset.sensor == SensorSize(240, 180)
    with pytest.raises(ConfigError, match=r"9\.aedat: a 128x128 sensor; the others are 240x180"):
        dataset[3]
    with pytest.raises(ConfigError, match="no recordings"):
        as_tonic([])
