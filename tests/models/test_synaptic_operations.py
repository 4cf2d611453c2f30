"""Truths about synaptic operations: every synapse behind an input that is not 0, once."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from spikecut.models.architectures.networks import NetworkSpec, build
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.synaptic_operations import Operations, counting, of_layer
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import Frame, SensorSize
from spikecut.pipeline.rules.step_budget import Planned
from spikecut.pipeline.rules.thresholds import fixed, never
from spikecut.tools.batch.cost import costs_of


def slowly(layer: nn.Conv2d, x: torch.Tensor) -> int:
    """One output at a time, one synapse at a time."""
    high, wide = layer.kernel_size
    stride, padding = layer.stride[0], int(layer.padding[0])
    padded = torch.nn.functional.pad(x, (padding,) * 4)
    out, n = layer(x), 0
    inside = layer.in_channels // layer.groups
    outside = layer.out_channels // layer.groups
    for lane, channel, row, column in np.ndindex(*out.shape):
        of = channel // outside * inside
        window = padded[lane, of : of + inside, row * stride : row * stride + high, column * stride :][..., :wide]
        n += int((window != 0).sum())
    return n


@settings(max_examples=40)
@given(
    hnp.arrays(np.float32, (2, 4, 5, 6), elements=st.sampled_from([0.0, 0.0, 1.0])),
    st.sampled_from([(1, 0), (2, 0), (1, 1), (2, 1)]),
    st.sampled_from([1, 2]),
)
def test_a_convolution_is_counted_as_one_synapse_after_another(x: Any, how: tuple[int, int], groups: int) -> None:
    layer = nn.Conv2d(4, 6, 3, stride=how[0], padding=how[1], groups=groups)
    frames = torch.from_numpy(x)
    found = of_layer(layer, frames, layer(frames))
    assert found.effective == slowly(layer, frames)
    assert found.multiplications == 0
    everything = torch.ones_like(frames)
    if how[1] == 0:  # without an edge of zeros all synapses work
        assert of_layer(layer, everything, layer(everything)).effective == found.dense


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([0.0, 0.0, 0.0], Operations(0, 0, 6)),
        ([1.0, 0.0, 1.0], Operations(4, 0, 6)),
        ([0.7, 0.7, 0.0], Operations(4, 0, 6)),  # spikes of one height
        ([1.0, 2.0, 0.0], Operations(0, 4, 6)),  # counts
        ([-1.0, 1.0, 0.0], Operations(0, 4, 6)),
    ],
)
def test_spikes_are_added_and_graded_inputs_multiplied(inputs: list[float], expected: Operations) -> None:
    layer, x = nn.Linear(3, 2), torch.tensor([inputs])
    assert of_layer(layer, x, layer(x)) == expected


def network(seed: int = 0) -> tuple[NetworkStepper, NetworkSpec]:
    spec = NetworkSpec("compact", (3, 4), 5, 10_000, SensorSize(8, 8))
    torch.manual_seed(seed)
    return NetworkStepper(build(spec), spec), spec


def recordings(n: int, steps: int) -> list[list[Frame]]:
    rng = np.random.default_rng(3)
    drawn = rng.poisson(0.5, (n, steps, 2, 8, 8)).astype(np.uint8)
    return [
        [Frame(t, 0, 10 * t, 10 * t + 10, pixels, int(pixels.sum())) for t, pixels in enumerate(one)] for one in drawn
    ]


def test_counting_changes_no_output_and_ends() -> None:
    stepper, _ = network()
    frames = recordings(1, 1)[0][0].pixels[None]
    before, _ = stepper.step(frames, None)
    with counting(stepper.network) as done:
        during, _ = stepper.step(frames, None)
    assert [one.dense > 0 for one in done] == [True, False, True, False, True]  # layers of weights, and of cells
    assert [one.updates for one in done] == [0, 3 * 8 * 8, 0, 4 * 4 * 4, 0]
    assert all(one.spikes <= one.updates for one in done)
    assert np.array_equal(before, during)
    stepper.step(frames, None)
    assert len(done) == 5


def test_a_layer_that_nobody_counts_is_named() -> None:
    with pytest.raises(ModelError, match="'1' is a Conv1d"), counting(nn.Sequential(nn.ReLU(), nn.Conv1d(2, 2, 1))):
        pass


def test_half_the_steps_cost_what_the_first_half_of_the_window_did() -> None:
    stepper, _ = network()
    seen = recordings(4, 6)
    full, half = costs_of({"none": never(6), "fixed": fixed(3, 6)}, seen, (stepper, stepper), 6, 1, 0)
    assert (full.steps, half.steps) == (6, 3)
    beginnings = [frames[:3] for frames in seen]
    (alone,) = costs_of({"none": never(3)}, beginnings, (stepper, stepper), 3, 1, 0)
    assert half.additions_m == pytest.approx(alone.additions_m)
    assert half.multiplications_m == pytest.approx(alone.multiplications_m)
    assert 0 < half.operations_m < full.operations_m


class Grants:
    """A policy that grants every recording three steps."""

    policy, look, cost = "abc", 1, 0.5

    def plan(self, frames: Any) -> Any:
        return np.tile(np.array([0, 0, 9, 0, 0, 0], np.float32), (len(frames), 1))


def test_asking_a_policy_costs_multiplications_once() -> None:
    stepper, _ = network()
    planned = Planned("abc", 6, cost=0.5, planner=Grants())
    constant, asked = costs_of({"a": fixed(3, 6), "b": planned}, recordings(4, 6), (stepper, stepper), 6, 1, 2_000_000)
    assert asked.steps == constant.steps == 3
    assert asked.additions_m == constant.additions_m
    assert asked.multiplications_m == pytest.approx(constant.multiplications_m + 1.0)
