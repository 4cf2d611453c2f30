"""Truths about copies of networks: deep-copied, pickled or in another process, they answer as the original does."""

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spikecut.models.architectures.networks import build
from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.files.network_file import load_file
from spikecut.models.files.norse_network import from_norse
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.protocols import SteppedModel

from norse_nets import KINDS, SENSOR, clips, round_numbers

COPIES: dict[str, Callable[[Any], Any]] = {
    "deep copy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
}
SPECS = {
    "lif": NetworkSpec("compact", (4, 6), 3, 10, SENSOR),
    "converted": NetworkSpec("compact", (4,), 3, 10, SENSOR, levels=4),
    "residual with TEBN": NetworkSpec("resnet19", (4, 6, 6), 3, 10, SENSOR, "tebn", 3, inputs=3),
}
SOURCE = """
import norse.torch as snn, torch
from spikecut import SensorSize, from_norse

class Doubled(torch.nn.Module):
    def forward(self, x):
        return 2 * x

torch.manual_seed(1)
layers = torch.nn.Flatten(), Doubled(), torch.nn.Linear(48, 3), snn.LIFBoxCell()
network = from_norse(snn.SequentialState(*layers), classes=list("abc"), step_us=10, sensor=SensorSize(6, 4))
"""


def outputs(model: SteppedModel[Any], frames: np.ndarray, through: Callable[[Any], Any] = lambda value: value) -> Any:
    """The outputs of all steps; network and state go `through` a copy before each."""
    state, steps = None, []
    for frame in frames:
        output, state = through(model).step(frame, through(state))
        steps.append(output.copy())
    return np.stack(steps)


def norse_network(kind: str = "convolutional") -> SteppedModel[Any]:
    return from_norse(round_numbers(KINDS[kind]()), classes=list("abc"), step_us=10, sensor=SENSOR)


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_copied_network_of_ones_own_goes_on_from_a_copied_state(kind: str, how: str) -> None:
    model, frames = norse_network(kind), clips(3, steps=4)
    np.testing.assert_array_equal(outputs(model, frames, COPIES[how]), outputs(model, frames))


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("name", SPECS)
def test_a_copied_trained_network_goes_on_from_a_copied_state(name: str, how: str) -> None:
    torch.manual_seed(0)
    spec = SPECS[name]
    model = NetworkStepper(build(spec), spec)
    frames = np.random.default_rng(0).poisson(0.8, (4, 3, spec.inputs, 4, 6)).astype(np.uint8)
    np.testing.assert_array_equal(outputs(model, frames, COPIES[how]), outputs(model, frames))


def test_in_a_process_pool_networks_answer_as_here(tmp_path: Path) -> None:
    """Spawned processes, which share nothing: a trained network, one of one's own, and one that a file makes."""
    path = tmp_path / "nets.py"
    path.write_text(SOURCE)
    torch.manual_seed(0)
    trained = NetworkStepper(build(SPECS["lif"]), SPECS["lif"])
    models: list[SteppedModel[Any]] = [trained, norse_network(), load_file(path)[0]]
    frames = clips(3, steps=4)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        answers = list(pool.map(outputs, models, [frames] * 3))
    for model, answer in zip(models, answers, strict=True):
        np.testing.assert_array_equal(answer, outputs(model, frames))


def test_a_copy_of_a_network_from_a_file_does_not_execute_it_again(tmp_path: Path) -> None:
    path = tmp_path / "nets.py"
    path.write_text(SOURCE)
    model, frames = load_file(path)[0], clips(2, steps=3)
    path.unlink()
    np.testing.assert_array_equal(outputs(copy.deepcopy(model), frames), outputs(model, frames))


def test_a_file_that_makes_another_network_by_then_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nets.py"
    path.write_text(SOURCE)
    pickled = pickle.dumps(load_file(path)[0])
    path.write_text(SOURCE.replace("manual_seed(1)", "manual_seed(2)"))
    with pytest.raises(ModelError, match=r"in this process, .* in the other") as caught:
        pickle.loads(pickled)
    assert "the same network each time" in (caught.value.hint or "")


def test_what_cannot_be_pickled_is_refused_in_words() -> None:
    class Local(nn.Module):
        def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
            return x.flatten(1)[:, :3], None

    model = from_norse(Local(), classes=list("abc"), step_us=10, sensor=SensorSize(6, 4))
    with pytest.raises(ModelError, match=r"cannot be pickled.*Local"):
        pickle.dumps(model)
