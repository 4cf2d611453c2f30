"""Truths about calibrating and evaluating in Python: from arrays to a decision, as the commands do, and quietly."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spikecut
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.rules import RULES
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.cli import main

N = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn digits in class folders."""
    digits = tmp_path_factory.mktemp("digits")
    write_digits(digits, N, seed=100)
    return digits


@pytest.fixture(scope="module")
def outputs(folder: Path) -> spikecut.LabelledOutputs:
    return spikecut.record(folder, "nmnist")


@pytest.fixture
def silent(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing is printed by the test."""
    yield
    assert capfd.readouterr() == ("", "")


Column = np.ndarray[Any, Any]


def arrays(n: int) -> tuple[Column, Column, Column, Column]:
    """A drawn digit as somebody else's columns."""
    events = spikecut.EventBatch.concatenate(spikecut.DrawnDigit(n % 10, seed=n))
    return events.t, events.x, events.y, events.p


@pytest.mark.usefixtures("silent")
def test_from_arrays_to_a_calibrated_cutoff_to_a_decision(tmp_path: Path) -> None:
    network, card = spikecut.load_network("nmnist")
    digits = [(spikecut.events_from_arrays(*arrays(n), sensor=(34, 34)), n % 10) for n in range(N)]
    cutoffs = spikecut.calibrate(digits, network, ["confidence", "fixed"], tolerances=0.05)
    assert {one.simulated for one in cutoffs.values()} == {None}, "nobody says of arrays whether they are simulated"
    cutoffs["confidence-5pt"].save(tmp_path / "mine.json")
    cutoff = spikecut.load_cutoff(tmp_path / "mine.json").cutoff
    *steps, decision = spikecut.run(
        spikecut.events_from_arrays(*arrays(1_007), sensor=(34, 34)), network, cutoff, horizon=card.horizon
    )
    assert isinstance(decision, spikecut.Decision)
    assert (card.classes[decision.label], decision.reason) == ("7", spikecut.StopReason.cutoff)
    assert len(steps) < card.horizon
    others = [(spikecut.DrawnDigit(n % 10, seed=500 + n), str(n % 10)) for n in range(20)]
    evaluation = spikecut.evaluate(others, network, cutoffs)
    assert evaluation.n == 20
    for name in ("confidence-5pt", "fixed-5pt"):
        assert evaluation.rules[name].mean_steps.value < card.horizon / 2
        assert evaluation.rules[name].accuracy.high > 0.95
    assert 0.8 < evaluation.anytime.accuracy[-1].value <= 1


def test_calibrating_in_python_fits_the_cutoffs_of_the_command(
    folder: Path, outputs: spikecut.LabelledOutputs, tmp_path: Path
) -> None:
    words = ["--model", "nmnist", "--part", "all", "--rule", "topk", "entropy", "--tolerance", "0.05", "0.1"]
    assert main(["calibrate", str(folder), *words, "--out", str(tmp_path)]) == 0
    fitted = spikecut.calibrate(outputs, rules=("topk", "entropy"), tolerances=(0.05, 0.1))
    assert sorted(fitted) == ["entropy-10pt", "entropy-5pt", "topk-10pt", "topk-5pt"]
    for name, cutoff in fitted.items():
        cutoff.save(tmp_path / "python.json", overwrite=True)
        assert (tmp_path / "python.json").read_text() == (tmp_path / f"nmnist.{name}.json").read_text()
        twin = spikecut.fit(name.split("-")[0], outputs, tolerance=cutoff.tolerance)
        assert twin.observed == cutoff.observed


def test_evaluating_in_python_gives_the_figures_of_the_command(
    folder: Path, outputs: spikecut.LabelledOutputs, tmp_path: Path
) -> None:
    assert main(["evaluate", str(folder), "--model", "nmnist", "--part", "all", "--out", str(tmp_path / "run")]) == 0
    document = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    evaluation = spikecut.evaluate(outputs)
    assert [row["name"] for row in document["rules"]] == list(evaluation.rules)
    for row in document["rules"]:
        figures = evaluation.rules[row["name"]]
        for name in ("accuracy", "loss", "mean_steps"):
            estimate = getattr(figures, name)
            assert row[name] == pytest.approx([estimate.value, estimate.low, estimate.high], abs=1e-6)


@pytest.mark.usefixtures("silent")
def test_recordings_in_memory_are_recorded_as_those_in_files(
    folder: Path, outputs: spikecut.LabelledOutputs, tmp_path: Path
) -> None:
    network, _ = spikecut.load_network("nmnist")
    files = [folder / name for name in outputs.names] if (folder / outputs.names[0]).is_file() else None
    files = files or [Path(name) for name in outputs.names]
    given = spikecut.record([(file, file.parent.name) for file in files], network)
    np.testing.assert_array_equal(given.recorded.outputs, outputs.recorded.outputs)
    np.testing.assert_array_equal(given.recorded.labels, outputs.recorded.labels)
    assert given.data == outputs.data  # so what trained a network, or fitted a rule, is known again
    outputs.save(tmp_path / "outputs.npz")
    kept = spikecut.record(tmp_path / "outputs.npz", network)
    np.testing.assert_array_equal(kept.recorded.outputs, outputs.recorded.outputs)
    assert kept.data == outputs.data


def test_a_data_set_with_targets_is_read_once_and_only_when_the_network_is_shown_it() -> None:
    read: list[int] = []

    class Tonics:
        """As a data set of Tonic: `targets`, and pairs (events, target)."""

        targets = (3, 1, 4)

        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> tuple[Any, int]:
            read.append(index)
            events = spikecut.EventBatch.concatenate(spikecut.DrawnDigit(self.targets[index], seed=index))
            return events.to_structured(), self.targets[index]

    outputs = spikecut.record(Tonics(), "nmnist")
    assert sorted(read) == [0, 1, 2]
    assert outputs.recorded.labels.tolist() == [3, 1, 4]
    assert outputs.recorded.logits()[:, -1].argmax(axis=1).tolist() == [3, 1, 4]


def test_a_network_of_ones_own_in_memory_is_calibrated() -> None:
    layers = torch.nn.Flatten(), torch.nn.Linear(2 * 4 * 4, 2, bias=False)

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(*layers)
            weight = torch.zeros(2, 2, 4, 4)
            weight[0, 0], weight[1, 1] = 1, 1  # OFF events are class 0, ON events class 1
            self.layers[1].weight.data = weight.reshape(2, -1)

        def forward(self, x: torch.Tensor, state: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
            state = torch.zeros(len(x), 1) if state is None else state
            return self.layers(x), state + 1

    network = spikecut.from_norse(
        Net(), classes=["off", "on"], step_us=1_000, sensor=spikecut.SensorSize(4, 4), horizon=5
    )
    rng = np.random.default_rng(0)
    data = []
    for n in range(30):
        t = np.sort(rng.integers(0, 5_000, 50))
        p = rng.random(50) < (0.8 if n % 2 else 0.2)
        data.append(
            (spikecut.events_from_arrays(t, rng.integers(0, 4, 50), rng.integers(0, 4, 50), p, sensor=(4, 4)), n % 2)
        )
    threads = torch.get_num_threads()
    outputs = spikecut.record(data, network)
    assert torch.get_num_threads() == threads
    fitted = spikecut.fit("confidence", outputs, tolerance=0.1)
    assert fitted.network == network.card.weights_sha256
    assert fitted.observed["mean_steps"] < 5
    raw = spikecut.record_outputs([events for events, _ in data], len(data), network, horizon=5)
    twin = spikecut.fit("confidence", spikecut.RecordedOutputs(raw, outputs.recorded.labels), network, tolerance=0.1)
    assert twin.observed == fitted.observed


def test_recordings_that_cannot_be_read_are_left_out_with_one_warning(tmp_path: Path) -> None:
    digits = write_digits(tmp_path, 4, seed=0)
    for path in digits[:2]:
        path.write_bytes(b"")
    with pytest.warns(spikecut.SpikecutWarning, match=r"^2 recordings could not be read whole, such as: .*0 bytes"):
        outputs = spikecut.record(tmp_path, "nmnist")
    assert len(outputs.recorded) == 2


def test_recordings_of_one_person_weaken_the_promise_and_others_do_not() -> None:
    frames = list(spikecut.frames_of(spikecut.DrawnDigit(7, seed=1), spikecut.load_network("nmnist")[0]))
    alone = spikecut.record([(frames, 7)] * 30, "nmnist")
    people = spikecut.record([(frames, 7, f"person {n % 3}") for n in range(30)], "nmnist")
    assert len(set(alone.recorded.groups)) == 30
    assert set(people.recorded.groups) == {"person 0", "person 1", "person 2"}
    promises = [spikecut.fit("ltt", outputs, tolerance=0.2).promise for outputs in (alone, people)]
    assert "people" not in promises[0]
    assert promises[1] == f"{promises[0]} The 30 recordings are of 3 people: for new people it may be less."


def test_recordings_that_trained_the_network_are_refused_unless_forced(outputs: spikecut.LabelledOutputs) -> None:
    known = replace(outputs, n_trained_on=2, example="digits/0/drawn_000.bin")
    with pytest.raises(ConfigError, match=r"2 of these recordings trained this network.*drawn_000\.bin"):
        spikecut.calibrate(known, rules="fixed")
    assert list(spikecut.calibrate(known, rules="fixed", force=True)) == ["fixed-2pt"]
    with pytest.warns(spikecut.SpikecutWarning, match="2 of these recordings trained the network"):
        assert spikecut.evaluate(known, cutoffs=spikecut.fixed(3, 30)).n_trained_on == 2


def test_figures_that_flatter_come_with_a_warning(outputs: spikecut.LabelledOutputs) -> None:
    cutoff = spikecut.fit("fixed", outputs)
    with pytest.warns(spikecut.SpikecutWarning, match="so their figures flatter: fixed"):
        assert spikecut.evaluate(outputs, cutoffs=cutoff).fitted_here == ("fixed",)


def test_choosing_among_promises_is_warned_of_and_divided_on_demand(outputs: spikecut.LabelledOutputs) -> None:
    rules = ("ltt", "ltt_fixed")
    with pytest.warns(spikecut.SpikecutWarning, match="With simultaneous=True all hold at once"):
        spikecut.calibrate(outputs, rules=rules, tolerances=0.4)
    fitted = spikecut.calibrate(outputs, rules=rules, tolerances=0.4, simultaneous=True)
    assert {cutoff.delta for cutoff in fitted.values()} == {0.025}


def test_the_docstring_of_fit_names_every_rule() -> None:
    words = set(str(spikecut.fit.__doc__).replace(",", " ").replace(";", " ").split())
    assert set(RULES) <= words


def test_what_cannot_be_recorded_is_refused(outputs: spikecut.LabelledOutputs) -> None:
    digit = spikecut.DrawnDigit(7, seed=1)
    with pytest.raises(ConfigError, match="item 0: label 'ten' is no class of network 'nmnist'"):
        spikecut.record([(digit, "ten")], "nmnist")
    with pytest.raises(ConfigError, match="item 0: label 10 is no class"):
        spikecut.record([(digit, 10)], "nmnist")
    with pytest.raises(ConfigError, match=r"item 0 is a DrawnDigit; expected a sequence of pairs"):
        spikecut.record([digit], "nmnist")
    with pytest.raises(ConfigError, match="no labelled recordings"):
        spikecut.record([], "nmnist")
    with pytest.raises(ConfigError, match="a int in the place of labelled recordings"):
        spikecut.record(7, "nmnist")
    with pytest.raises(ConfigError, match="network: found a tuple; expected a name"):
        spikecut.record([(digit, 7)], spikecut.load_network("nmnist"))
    with pytest.raises(ConfigError, match="jobs=2 with recordings in memory"):
        spikecut.record([(digit, 7)], "nmnist", jobs=2)
    with pytest.raises(ModelError, match="outputs of network 'nmnist'; expected those of 'gestures'"):
        spikecut.record(outputs, "gestures")
    with pytest.raises(ModelError, match="outputs of 2 steps and 10 classes; network 'nmnist' has 30 and 10"):
        spikecut.record(spikecut.RecordedOutputs(np.zeros((1, 2, 10), np.float32), np.zeros(1, np.int64)), "nmnist")
    with pytest.raises(ConfigError, match="no rule 'ltx'"):
        spikecut.fit("ltx", outputs)
    with pytest.raises(ConfigError, match="no cutoffs to evaluate"):
        spikecut.evaluate(outputs, cutoffs={})
    with pytest.raises(ConfigError, match="cutoffs: found a int"):
        spikecut.evaluate(outputs, cutoffs={"mine": 3})  # type: ignore[dict-item]
