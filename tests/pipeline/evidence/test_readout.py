"""Truths about readouts: what they hold, that streams and batches read the same, and that temperatures help."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.evidence.probability import softmax
from spikecut.pipeline.evidence.readout import Readout, fit_temperatures, parse_temperatures
from spikecut.pipeline.results import Evidence

outputs_of_two = hnp.arrays(np.float32, (3, 5, 4), elements=st.integers(-32, 32).map(lambda n: n / 8))


def test_readouts_worked_by_hand() -> None:
    """One class says 2, 0, 4: sums 2, 2, 6; means 2, 1, 2; with a leak of a half 2, 1, 4.5."""
    outputs = np.array([[[2.0], [0.0], [4.0]]], np.float32)
    expected = {"sum": [2, 2, 6], "mean": [2, 1, 2], "last": [2, 0, 4], "leaky": [2, 1, 4.5]}
    for kind, values in expected.items():
        assert Readout(kind, leak=0.5).of(outputs).ravel().tolist() == values
    scaled = Readout("sum", temperatures=np.array([1.0, 2.0, 4.0])).of(outputs)
    assert scaled.ravel().tolist() == [2, 1, 1.5]


@given(outputs_of_two, st.sampled_from(["sum", "mean", "last", "leaky"]))
def test_a_leak_of_nothing_is_a_sum_and_lanes_at_different_steps_read_their_own(outputs: Any, kind: str) -> None:
    np.testing.assert_array_equal(Readout("leaky", 0.0).of(outputs), Readout("sum").of(outputs))
    readout = Readout(kind, 0.25, temperatures=np.arange(1.0, 6.0))
    together, held, total = readout.of(outputs), None, np.zeros((3, 4), np.float32)
    for t in range(5):
        total = total + outputs[:, t]
        read, held = readout.read(Evidence(np.full(3, t + 1), outputs[:, t], total), held)
        np.testing.assert_array_equal(read, together[:, t])
    mixed = Evidence(np.array([1, 5, 3]), outputs[:, 0], total)
    if kind == "mean":
        np.testing.assert_allclose(readout.read(mixed, None)[0], total / np.array([[1], [25], [9]]), rtol=1e-6)


def test_an_ensemble_averages_probabilities() -> None:
    members = np.log(np.array([[0.9, 0.1, 0.5, 0.5]], np.float32))
    read, _ = Readout(members=2).read(Evidence(np.array([1]), members, members), None)
    np.testing.assert_allclose(np.exp(read), [[0.7, 0.3]], rtol=1e-5)


@pytest.mark.parametrize("true", [0.25, 4.0])
def test_a_fitted_temperature_is_the_one_that_made_the_labels(true: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4_000, 2, 5)).astype(np.float32)
    chances = softmax(logits[:, 0]).cumsum(axis=1)
    labels = (rng.random((4_000, 1)) > chances).sum(axis=1).clip(0, 4)
    logits[:, 0] *= true
    logits[:, 1] = 0
    found = fit_temperatures(logits, labels)
    assert found[0] == pytest.approx(true, rel=0.06)
    assert found[1] == 1


def test_temperatures_are_said_as_a_number_or_as_the_step() -> None:
    np.testing.assert_array_equal(parse_temperatures("8", 3), [8, 8, 8])
    np.testing.assert_array_equal(parse_temperatures("t", 3), [1, 2, 3])
    assert parse_temperatures("fitted", 3) is None
    for wrong in ("0", "-1", "inf", "nan", "warm"):
        with pytest.raises(ConfigError, match=f"temperature '{wrong}'; expected a number above 0"):
            parse_temperatures(wrong, 3)


def test_a_readout_that_cannot_be_is_refused() -> None:
    wrong: list[dict[str, Any]] = [{"kind": "median"}, {"leak": 1.0}, {"temperatures": np.zeros(3)}]
    for fields in wrong:
        with pytest.raises(ConfigError):
            Readout(**fields)


def test_outputs_that_are_not_those_of_so_many_members_are_refused() -> None:
    with pytest.raises(ModelError, match="8 outputs; expected those of 3 members, equally many"):
        Readout(members=3).of(np.ones((2, 5, 8), np.float32))
