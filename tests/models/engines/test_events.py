"""The event-driven engine against its twin in double precision, and what it promises beyond the contract of engines."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import naive_network
import numpy as np
import pytest
from engine_networks import NETWORKS, frames_for, network_of
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray
from torch import nn

from spikecut.models.engines import ENGINES
from spikecut.models.engines.events import entry_kernels, layer_kernels
from spikecut.models.engines.events.program import tapped
from spikecut.models.engines.events.stepper import EventStepper
from spikecut.models.engines.lowering import lowered
from spikecut.models.graph import Graph, Path, Pool
from spikecut.models.layers import Colours, sequential
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize


@pytest.mark.parametrize("density", [0.0, 0.03, 0.6])
@pytest.mark.parametrize("name", NETWORKS)
def test_it_says_what_its_twin_says(name: str, density: float) -> None:
    graph = lowered(network_of(name), NETWORKS[name])
    engine, mine, theirs = EventStepper(graph), None, None
    for frame in frames_for(NETWORKS[name], n_steps=6, density=density):
        output, mine = engine.step(frame, mine)
        twin, theirs = naive_network.step(graph, frame[0], theirs)
        np.testing.assert_allclose(output[0], twin, rtol=1e-4, atol=1e-4 * np.abs(twin).max())


@pytest.mark.parametrize("name", ["compact-odd", "traces", "resnet19-events", "vgg16"])
def test_a_lane_says_the_same_to_the_bit_in_any_batch(name: str) -> None:
    engine, spec = EventStepper(lowered(network_of(name), NETWORKS[name])), NETWORKS[name]
    frames = frames_for(spec, n_steps=5, lanes=5)
    together, state = [], None
    for frame in frames:
        output, state = engine.step(frame, state)
        together.append(output)
    for lane in range(5):
        state = None
        for t, frame in enumerate(frames):
            output, state = engine.step(frame[lane : lane + 1], state)
            np.testing.assert_array_equal(output[0], together[t][lane])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32, np.float64])
def test_frames_of_every_dtype_mean_the_same(dtype: type) -> None:
    for name in ("compact-odd", "traces", "compact-log"):
        engine = EventStepper(lowered(network_of(name), NETWORKS[name]))
        frame = frames_for(NETWORKS[name], n_steps=1, lanes=2, density=0.4)[0]
        expected, _ = engine.step(frame, None)
        np.testing.assert_array_equal(engine.step(frame.astype(dtype), None)[0], expected)
        turned: ndarray = np.asfortranarray(frame.astype(dtype))
        np.testing.assert_array_equal(engine.step(turned, None)[0], expected)


def test_silence_costs_nothing_behind_the_first_layers() -> None:
    engine = EventStepper(lowered(network_of("traces", seed=1), NETWORKS["traces"]))
    (busy,) = frames_for(NETWORKS["traces"], n_steps=1, density=0.5)
    engine.step(busy, None)
    assert engine.operations[0] > 0
    engine.step(np.zeros_like(busy), None)
    assert engine.operations[0] == 0


def test_operations_are_those_of_a_count_by_hand() -> None:
    spec = NETWORKS["compact"]
    graph = lowered(network_of("compact"), spec)
    engine = EventStepper(graph)
    frame = np.zeros((1, 2, 34, 34), np.uint8)
    frame[0, 0, 0, 0] = frame[0, 1, 10, 10] = 3  # a corner reaches 4 windows, the middle 9, of 8 channels
    engine.step(frame, None)
    signals, n_first = _signals(graph, frame[0]), (4 + 9) * 8
    assert engine.operations[0] == n_first + sum(_reached(graph, signals, i) for i in (1, 2))


def _signals(graph: Graph, frame: ndarray) -> list[ndarray]:
    state: naive_network.State = {"n": 0, "v": {}, "traces": {}}
    return naive_network.signals(graph, frame, state, {"n": 1, "v": {}, "traces": {}})


def _reached(graph: Graph, signals: list[ndarray], index: int) -> int:
    """Synaptic operations of the path that reads a signal, window by window."""
    path: Path = next(path for path in graph.paths if path.source == index)
    x = signals[index]
    for pool in path.pools:
        x = naive_network.pooled(pool, x)
    assert path.kernel is not None
    return int(naive_network.convolved((x != 0) * 1.0, np.ones_like(path.kernel[0]), path).sum())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_scattered_convolution_is_a_convolution(data: st.DataObject) -> None:
    def number(low: int, high: int) -> int:
        return data.draw(st.integers(low, high))

    stride, tall, wide = number(1, 4), number(1, 5), number(1, 5)
    padding, n_in, n_out = number(0, 4), number(1, 6), number(1, 5)
    height, width = number(max(1, tall - 2 * padding), 9), number(max(1, wide - 2 * padding), 9)
    rng = np.random.default_rng(number(0, 10**6))
    kernel = rng.normal(size=(1, n_out, n_in, tall, wide)).astype(np.float32)
    path = Path(0, (), kernel, np.zeros(n_out, np.float32), stride, padding)
    signal = np.where(rng.random((n_in, height, width)) < 0.4, rng.normal(size=(n_in, height, width)), 0)
    _, tall_out, wide_out = path.shaped(signal.shape)
    first, channel, value = as_list(signal)
    state = np.zeros(tall_out * wide_out * n_out, np.float32)
    out, window = (tall_out, wide_out, n_out), (stride, padding, tall, wide)
    taps = tapped(kernel, stride)
    one = np.float32(1)
    source = (height, width, n_in)
    layer_kernels.scatter(state, 0, out, taps, 0, window, first, channel, value, source, one)
    expected = naive_network.convolved(signal, kernel[0], path)
    np.testing.assert_allclose(state.reshape(tall_out, wide_out, n_out).transpose(2, 0, 1), expected, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["max", "mean"]), st.integers(1, 4), st.booleans(), st.floats(0, 1))
def test_a_pooled_list_is_the_list_of_the_pooled_map(
    seed: int, kind: str, side: int, rest: bool, density: float
) -> None:
    rng = np.random.default_rng(seed)
    shape = (3, *rng.integers(side, 9, 2).tolist())
    signal = np.where(rng.random(shape) < density, rng.random(shape) + 0.1, 0)
    pool = Pool(kind, side, rest)  # type: ignore[arg-type]
    expected = as_list(naive_network.pooled(pool, signal))
    n = signal.size + 1
    first, channel, value = np.zeros(n, np.int64), np.empty(n, np.int64), np.empty(n, np.float32)
    how = (side, int(kind == "mean"), int(rest))
    sums = np.empty(3, np.float32)
    layer_kernels.pooled(as_list(signal), (shape[1], shape[2], 3), how, sums, first, channel, value, 0)
    pixels, entries = len(expected[0]), len(expected[1])
    np.testing.assert_array_equal(first[:pixels], expected[0])
    np.testing.assert_array_equal(channel[:entries], expected[1])
    np.testing.assert_allclose(value[:entries], expected[2], rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.sampled_from([np.uint8, np.float32]), st.integers(1, 4))
def test_a_frame_becomes_its_list(seed: int, density: float, dtype: type, side: int) -> None:
    rng = np.random.default_rng(seed)
    tall, wide = rng.integers(1, 20, 2).tolist()
    frame: ndarray = np.where(rng.random((2, tall * side, wide * side)) < density, rng.integers(1, 9), 0).astype(dtype)
    expected = as_list(frame.reshape(2, tall, side, wide, side).sum((2, 4)))
    flat = frame.ravel()
    per = 8 // flat.itemsize
    fits = frame[0].size % per == 0
    n = 2 * frame.size + 2
    sums, places = np.empty(n, np.float32), np.empty(n, np.int32)
    first, channel, value = np.zeros(n, np.int64), np.empty(n, np.int64), np.empty(n, np.float32)
    words, floats = flat.view(np.uint64) if fits else np.empty(0, np.uint64), np.empty(0, np.float32)
    target = (places, first, channel, value)
    if side == 1:
        entry_kernels.enter_pixels(flat, words, 2, floats, -1, -1, *target)
    else:
        entry_kernels.enter_squares(flat, words, frame.shape, side, floats, -1, sums, *target)
    np.testing.assert_array_equal(first[: len(expected[0])], expected[0])
    np.testing.assert_array_equal(channel[: len(expected[1])], expected[1])
    np.testing.assert_array_equal(value[: len(expected[2])], expected[2])


def as_list(signal: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """The list of a map `(C, H, W)`, as its definition reads."""
    first, channel, value = [0], list[int](), list[float]()
    for row in range(signal.shape[1]):
        for column in range(signal.shape[2]):
            for c in np.flatnonzero(signal[:, row, column]):
                channel.append(int(c))
                value.append(float(signal[c, row, column]))
            first.append(len(channel))
    return np.array(first, np.int64), np.array(channel, np.int64), np.array(value, np.float32)


def test_a_long_silence_leaves_no_denormal_numbers() -> None:
    engine, state = EventStepper(lowered(network_of("traces"), NETWORKS["traces"])), None
    _, state = engine.step(frames_for(NETWORKS["traces"], 1, density=0.5)[0], state)
    for _ in range(4000):
        _, state = engine.step(np.zeros((1, 2, 64, 64), np.uint8), state)
    assert np.all((state == 0) | (np.abs(state) >= 1e-30))


def test_it_can_be_copied_and_pickled() -> None:
    engine = EventStepper(lowered(network_of("compact"), NETWORKS["compact"]))
    frame = frames_for(NETWORKS["compact"], 1)[0]
    expected, _ = engine.step(frame, None)
    for twin in (pickle.loads(pickle.dumps(engine)), copy.deepcopy(engine)):
        np.testing.assert_array_equal(twin.step(frame, None)[0], expected)


def test_frames_of_another_byte_order_and_batches_without_a_lane_are_stepped() -> None:
    engine = EventStepper(lowered(network_of("compact"), NETWORKS["compact"]))
    frame = frames_for(NETWORKS["compact"], 1)[0]
    np.testing.assert_array_equal(engine.step(frame.astype(">f4"), None)[0], engine.step(frame, None)[0])
    output, state = engine.step(frame[:0], None)
    assert output.shape == (0, 5)
    resting = engine.select(state, np.array([-1]))
    np.testing.assert_array_equal(engine.step(frame, resting)[0], engine.step(frame, None)[0])


@pytest.mark.parametrize("engine", ["auto", "events", "dense", "norse"])
def test_frames_that_are_not_as_many_as_the_lanes_are_refused(engine: str) -> None:
    model: Any = ENGINES[engine].make(network_of("compact"), NETWORKS["compact"])
    frames = frames_for(NETWORKS["compact"], 1, lanes=3)[0]
    for first, then in ((frames[:1], frames), (frames, frames[:1])):
        _, state = model.step(first, None)
        with pytest.raises(ModelError, match=f"{len(then)} frames for a state of {len(first)} lanes"):
            model.step(then, state)


def test_threads_that_share_a_network_do_not_share_its_lists() -> None:
    engine = EventStepper(lowered(network_of("traces"), NETWORKS["traces"]))
    streams = [frames_for(NETWORKS["traces"], 30, density=density) for density in (0.02, 0.2, 0.5, 0.1)]

    def outputs(frames: list[ndarray]) -> ndarray:
        state, every = None, []
        for frame in frames:
            output, state = engine.step(frame, state)
            every.append(output)
        return np.concatenate(every)

    with ThreadPoolExecutor(len(streams)) as pool:
        together = list(pool.map(outputs, streams))
    for frames, one in zip(streams, together, strict=True):
        np.testing.assert_array_equal(one, outputs(frames))


def test_a_state_of_another_network_is_refused() -> None:
    one, other = (EventStepper(lowered(network_of(name), NETWORKS[name])) for name in ("compact", "compact-odd"))
    _, state = one.step(frames_for(NETWORKS["compact"], 1)[0], None)
    with pytest.raises(ModelError, match="numbers a lane; that of this network has"):
        other.step(frames_for(NETWORKS["compact-odd"], 1)[0], state)


def test_the_maximum_of_negative_pixels_is_left_to_other_engines() -> None:
    spec = NetworkSpec("compact", (2,), 3, 10_000, SensorSize(4, 4), inputs=3)
    network = sequential(Colours(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 3))
    with pytest.raises(ModelError, match="maximum of centred pixels"):
        ENGINES["events"].make(network, spec)
    frame = np.arange(48, dtype=np.uint8).reshape(1, 3, 4, 4) % 8
    wanted, _ = ENGINES["norse"].make(network, spec).step(frame, None)
    for engine in ("auto", "dense"):
        np.testing.assert_allclose(ENGINES[engine].make(network, spec).step(frame, None)[0], wanted, rtol=1e-5)


def test_frames_of_another_size_are_refused() -> None:
    engine = EventStepper(lowered(network_of("compact"), NETWORKS["compact"]))
    with pytest.raises(ModelError, match=r"\(2, 30, 34\) for a network made for \(2, 34, 34\)"):
        engine.step(np.zeros((1, 2, 30, 34), np.uint8), None)


@pytest.mark.parametrize("side", [2, 3, 4, 8])
@pytest.mark.parametrize("width", [16, 21, 24])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_squares_of_a_frame_are_summed_whatever_their_side_and_the_kind_of_numbers(
    side: int, width: int, dtype: type
) -> None:
    rng = np.random.default_rng(side * width)
    frame = (rng.random((2, 25, width)) < 0.3) * rng.integers(0, 255, (2, 25, width))
    tall, wide = 25 // side, width // side
    cut = frame[:, : tall * side, : wide * side]
    expected = cut.reshape(2, tall, side, wide, side).sum((2, 4)).transpose(1, 2, 0)
    flat: ndarray = frame.astype(dtype).ravel()
    words = flat.view(np.uint64) if 25 * width * flat.itemsize % 8 == 0 else np.empty(0, np.uint64)
    sums, places = np.empty(2 * tall * wide + 1, np.float32), np.empty(4 * flat.size, np.int32)
    first, channel = np.zeros(tall * wide + 1, np.int64), np.empty(2 * tall * wide + 1, np.int64)
    value = np.empty(2 * tall * wide + 1, np.float32)
    entry_kernels.enter_squares(flat, words, (2, 25, width), side, value, -1, sums, places, first, channel, value)
    dense = np.zeros((tall * wide, 2))
    for square in range(tall * wide):
        for entry in range(first[square], first[square + 1]):
            dense[square, channel[entry]] = value[entry]
    np.testing.assert_array_equal(dense.reshape(tall, wide, 2), expected)


@pytest.mark.parametrize("engine", ["auto", "events", "dense", "norse"])
def test_a_batch_without_lanes_takes_in_lanes_at_rest(engine: str) -> None:
    model: Any = ENGINES[engine].make(network_of("compact"), NETWORKS["compact"])
    frame = frames_for(NETWORKS["compact"], 1)[0]
    _, state = model.step(frame, None)
    nothing = model.select(state, np.empty(0, np.int64))
    resting = model.select(nothing, np.array([-1]))
    np.testing.assert_array_equal(model.step(frame, resting)[0], model.step(frame, None)[0])


def test_a_pixel_that_is_no_number_spoils_the_same_cells_in_all_engines() -> None:
    frames = frames_for(NETWORKS["compact"], 8, density=0.3)
    frames[1] = frames[1].astype(np.float32)
    frames[1][0, :, 3:6, 3:6] = np.nan
    outputs = []
    for engine in ("norse", "dense", "events"):
        model: Any = ENGINES[engine].make(network_of("compact"), NETWORKS["compact"])
        state, rows = None, []
        for frame in frames:
            output, state = model.step(frame, state)
            rows.append(output[0])
        outputs.append(np.stack(rows))
    for one in outputs[1:]:
        np.testing.assert_allclose(one, outputs[0], rtol=1e-4, atol=1e-4)
