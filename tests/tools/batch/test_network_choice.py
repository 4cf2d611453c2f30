"""Truths about the network that is chosen for a data set: it knows the classes, or the error says which there are."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from spikecut.models.engines.norse import NetworkStepper
from spikecut.models.files import checkpoint, opening
from spikecut.pipeline.errors import ConfigError, UnreadableSource
from spikecut.sources.datasets.class_folders import MADE_BY
from spikecut.sources.simulation.drawn_digits import write_digits
from spikecut.tools.batch.examples import examples_of
from spikecut.tools.batch.network_choice import network_for_data


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    write_digits(tmp_path / "digits", 3, seed=0)
    return tmp_path / "digits"


def test_the_network_that_knows_the_classes_is_chosen_with_a_note(
    digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert network_for_data(None, digits) == opening.locate("nmnist")
    assert "network 'nmnist' fits this data" in capsys.readouterr().err
    assert network_for_data("gestures", digits) == opening.locate("gestures")
    assert capsys.readouterr().err == ""


def test_a_network_beside_the_data_is_chosen_and_an_ambiguity_is_named(digits: Path) -> None:
    stepper, card = opening.load("nmnist", engine="norse")
    assert isinstance(stepper, NetworkStepper)
    classes = ("zero", "one", "two", *card.classes[3:])
    for digit, name in enumerate(classes[:3]):
        (digits / str(digit)).rename(digits / name)
    with pytest.raises(ConfigError, match="no network here knows its classes, one, two, zero") as error:
        network_for_data(None, digits)
    assert error.value.hint is not None
    assert "nmnist: 0, 1, 2, 3, 4, 5 and 4 more" in error.value.hint
    checkpoint.save(digits, dataclasses.replace(card, name="words", classes=classes), stepper.network)
    assert network_for_data(None, digits) == digits / "words.safetensors"
    more = dataclasses.replace(card, name="others", classes=(*classes[:-1], "nine"))
    checkpoint.save(digits, more, stepper.network)
    with pytest.raises(ConfigError, match="all know its classes"):
        network_for_data(None, digits)


def test_promises_from_simulated_recordings_are_suspended_on_others(digits: Path) -> None:
    _, card = opening.load("nmnist")
    simulated = dataclasses.replace(card, provenance={"data": "counterpart of N-MNIST, seed 0: simulated"})
    assert not any("suspended" in note for note in examples_of(digits, card, "all").notes)
    assert any("suspended until" in note for note in examples_of(digits, simulated, "all").notes)
    (digits / MADE_BY).write_text("counterpart of N-MNIST, seed 1")
    assert not any("suspended" in note for note in examples_of(digits, simulated, "all").notes)


def test_without_a_data_set_the_error_is_about_that(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="no such folder"):
        network_for_data(None, tmp_path / "nowhere")
    shutil.copy(opening.locate("nmnist"), tmp_path / "mine.safetensors")  # without a card it is no network
    with pytest.raises(UnreadableSource, match="no such folder"):
        network_for_data(None, tmp_path / "nowhere")
