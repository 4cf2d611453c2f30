"""Truths about what run and its friends take: paths, batches and arrays alike, and a sentence for the rest."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError, EventError, UnreadableSource
from spikecut.pipeline.events import EventBatch, Frame, SensorSize
from spikecut.pipeline.filters.parsing import filtered
from spikecut.pipeline.fit import fit_for
from spikecut.pipeline.replay import record_outputs, replay
from spikecut.pipeline.representations.frame_sources import binner_of, frames_of
from spikecut.pipeline.results import Decision, Step
from spikecut.pipeline.rules.thresholds import never
from spikecut.pipeline.runner import run, watch
from spikecut.sources import open_recording
from spikecut.sources.formats.hdf5_writer import write_hdf5

from source_contract import DVS128, pattern
from streams import batch_of


class Network:
    """A network with a spec, whose outputs are the sums of its two channels."""

    n_outputs = 2
    spec = SimpleNamespace(frame=SensorSize(64, 64), step_us=1_000, inputs=2)

    def step(self, frames: np.ndarray, state: Any) -> tuple[np.ndarray, int]:
        assert frames.shape[1:] == (2, 64, 64)
        return frames.sum(axis=(2, 3), dtype=np.float32), 0

    def select(self, state: Any, lanes: np.ndarray) -> Any:
        return state

    def copy(self, state: Any) -> Any:
        return state


BATCH = pattern(3_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_hdf5(tmp_path / "a.h5", [BATCH], DVS128)
    return tmp_path / "a.h5"


def sources(path: Path) -> dict[str, Any]:
    middle = int(BATCH.t[1_500])
    structured = BATCH.to_structured("faery")
    cut = int(np.searchsorted(BATCH.t, middle))
    return {
        "frames": CountBinner(DVS128, 1_000, downsample=2).bins([BATCH]),
        "path": path,
        "text": str(path),
        "recording": open_recording(path),
        "batches": [BATCH.between(BATCH.start_us, middle), BATCH.between(middle, BATCH.end_us)],
        "generator": (one for one in [BATCH]),
        "batch": BATCH,
        "dict": {"t": BATCH.t, "x": BATCH.x, "y": BATCH.y, "p": BATCH.p},
        "chunks": [structured[:cut], structured[cut:]],
    }


def decided(items: Any) -> list[Any]:
    return [(one.steps, one.n_events, one.total.tolist()) for one in items if isinstance(one, Decision)]


def test_run_and_watch_take_paths_batches_and_arrays_alike(path: Path) -> None:
    network: Any = Network()
    card = SimpleNamespace(sensor=DVS128, spec=Network.spec)
    network.card = card
    (expected,) = decided(run(sources(path)["frames"], network, never(40), horizon=40))
    for name, source in sources(path).items():
        assert decided(run(source, network, never(40), horizon=40)) == [expected], name
    windows = decided(watch(sources(path)["frames"], network, never(7), horizon=7))
    for name, source in sources(path).items():
        assert decided(watch(source, network, never(7), horizon=7)) == windows, name


def test_replay_and_record_outputs_do_too(path: Path) -> None:
    network: Any = Network()
    network.card = SimpleNamespace(sensor=DVS128, spec=Network.spec)
    n = len(sources(path))
    outputs = record_outputs(sources(path).values(), n, network, horizon=30, batch_size=4)
    assert outputs.any()
    assert all(np.array_equal(one, outputs[0]) for one in outputs)
    for wrong in (str(path), BATCH, 3):
        with pytest.raises(ConfigError, match="replay takes several recordings"):
            list(replay(wrong, network, never(3), horizon=3))  # type: ignore[arg-type]


def test_a_binner_takes_arrays_and_chunks_of_them(path: Path) -> None:
    binner = CountBinner(DVS128, 1_000)
    expected = [frame.pixels.tobytes() for frame in binner.bins([BATCH])]
    for name, source in sources(path).items():
        if name != "frames":
            assert [frame.pixels.tobytes() for frame in frames_of(source, binner)] == expected, name
        if name not in ("frames", "path", "text"):
            again = sources(path)[name]
            assert [frame.pixels.tobytes() for frame in binner.bins(again)] == expected, name


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "a NoneType in the place of a recording"),
        (3, "a int in the place of a recording"),
        (b"a.h5", "a bytes in the place of a recording"),
        (np.zeros((3, 2, 64, 64)), r"an array of shape \(3, 2, 64, 64\) in the place of a recording"),
        ([1, 2], "a int in the place of a batch"),
        (["a.h5"], "a str in the place of a batch"),
        ([BATCH, None], "a NoneType in the place of a batch"),
        ({"t": [1], "x": [0]}, "no column y"),
    ],
)
def test_what_holds_no_events_gets_a_sentence(source: Any, words: str) -> None:
    with pytest.raises(EventError, match=words):
        list(run(source, Network(), never(9_999), horizon=9_999))


def test_a_binner_gets_a_sentence_too() -> None:
    for source in ("a.h5", None, 3, [None], np.zeros(3)):
        with pytest.raises(EventError, match="in the place of"):
            list(CountBinner(DVS128, 10).bins(source))  # type: ignore[arg-type]
    frame = Frame(0, 0, 0, 10, np.zeros((2, 64, 64)), 0)
    with pytest.raises(EventError, match="item 1 of the frames is a EventBatch"):
        list(run([frame, BATCH], Network(), never(9), horizon=9))  # type: ignore[arg-type]
    with pytest.raises(UnreadableSource, match="none"):
        list(run("none.aedat", Network(), never(9), horizon=9))


def test_a_network_that_does_not_say_what_it_reads_takes_frames_only() -> None:
    with pytest.raises(ConfigError, match="does not say what frames it reads"):
        list(frames_of(BATCH, object()))
    with pytest.raises(ConfigError, match="does not name its sensor"):
        list(frames_of(BATCH.to_structured(), object()))
    with pytest.raises(ConfigError, match="takes pictures"):
        binner_of(SimpleNamespace(spec=SimpleNamespace(inputs=3)), DVS128)
    with pytest.raises(ConfigError, match="a 7x5 sensor; the network reads 64x64"):
        list(frames_of([batch_of([0])], Network()))
    assert list(frames_of([], Network())) == []
    assert isinstance(EventBatch.empty(DVS128), EventBatch)


@pytest.mark.parametrize("text", ["", "crop", "squeeze", "10,20,64x64"])
def test_a_network_sees_another_sensor_through_the_fit_that_is_given(text: str) -> None:
    sensor = SensorSize(200, 180)
    batch = EventBatch(BATCH.t, BATCH.x, BATCH.y, BATCH.p, BATCH.start_us, BATCH.end_us, sensor)
    binner = fit_for(text, sensor, Network.spec.frame).binner(Network.spec.step_us)
    expected = [frame.pixels.tobytes() for frame in binner.bins([batch])]
    network = Network()
    for source in (batch, [batch], batch.to_structured()):
        frames = list(frames_of(source, network, sensor=sensor, fit=text))
        assert [frame.pixels.tobytes() for frame in frames] == expected
    assert any(frame.n_events for frame in frames)


def test_a_fit_that_is_none_and_one_for_a_binner_are_refused() -> None:
    with pytest.raises(ConfigError, match="fit 'stretch'; expected crop, squeeze or a window"):
        list(frames_of(BATCH, Network(), fit="stretch"))
    with pytest.raises(ConfigError, match="a binner, which has its own window"):
        list(frames_of(BATCH, CountBinner(DVS128, 10), fit="crop"))


@pytest.mark.parametrize("kind", ["path", "text", "recording", "batches", "iterator", "batch"])
def test_run_and_its_friends_filter_and_fit_whatever_holds_events(kind: str, path: Path) -> None:
    def source() -> Any:
        return iter([BATCH]) if kind == "iterator" else [BATCH] if kind == "batches" else made[kind]

    made, network = sources(path) | {"batch": BATCH}, Network()
    filters = ["refractory:1ms", "crop:0,0,100x90"]
    spec, fit = network.spec, fit_for("squeeze", SensorSize(100, 90), network.spec.frame)
    expected = list(fit.binner(spec.step_us).bins(filtered(open_recording(path), filters)))
    options: dict[str, Any] = {"horizon": 20, "fit": "squeeze", "filters": filters}
    pixels = [item.frame.pixels for item in run(source(), network, never(20), **options) if isinstance(item, Step)]
    np.testing.assert_array_equal(pixels, [frame.pixels for frame in expected[:20]])
    (decision,) = (one for one in run(source(), network, never(20), **options) if isinstance(one, Decision))
    watched = next(one for one in watch(source(), network, never(20), **options) if isinstance(one, Decision))
    ((_, replayed),) = replay([source()], network, never(20), **options)
    assert replayed is not None
    assert decision.total.tolist() == watched.total.tolist() == replayed.total.tolist()
    (outputs,) = record_outputs([source()], 1, network, **options)
    np.testing.assert_array_equal(outputs.sum(0), decision.total)


def test_hot_pixels_of_what_can_be_read_twice_are_found_and_others_are_refused(path: Path) -> None:
    assert list(run(open_recording(path), Network(), never(5), horizon=5, filters=["hot_pixels"]))
    assert list(run([BATCH], Network(), never(5), horizon=5, filters=["hot_pixels"]))
    with pytest.raises(ConfigError, match="can be read only once"):
        list(run(iter([BATCH]), Network(), never(5), horizon=5, filters=["hot_pixels"]))


def test_frames_take_no_fit_and_no_filter_and_a_wrong_one_is_a_sentence() -> None:
    frames = list(CountBinner(DVS128, 1_000, downsample=2).bins([BATCH]))
    for options in ({"fit": "crop"}, {"filters": ["flip:x"]}):
        with pytest.raises(ConfigError, match="for events; frames are counted already"):
            list(run(frames, Network(), never(5), horizon=5, **options))
    wrong: Any = {"filters": "flip:x"}
    with pytest.raises(ConfigError, match="filters: found 'flip:x'; expected a list of filters"):
        list(run([BATCH], Network(), never(5), horizon=5, **wrong))
    with pytest.raises(ConfigError, match="more than 1 recordings"):
        record_outputs([[BATCH], [BATCH]], 1, Network(), horizon=5)
