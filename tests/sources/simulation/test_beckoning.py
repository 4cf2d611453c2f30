"""Truths about the twelfth gesture: one hand, drawn towards the shoulder, as class folders; what was drawn stays."""

from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.sources.datasets import open_dataset
from spikecut.sources.simulation.beckoning import MOST, Beckoning, write_beckoning
from spikecut.sources.simulation.choreography import BECKON, NAMES, Manner, perform
from spikecut.sources.simulation.scenes.session import CLASSES
from spikecut.tools.cli import main


def test_beckoning_is_none_of_the_classes_that_networks_were_trained_on() -> None:
    assert NAMES[BECKON] not in CLASSES
    assert len(CLASSES) <= BECKON


@pytest.mark.parametrize("seed", range(20))
def test_the_right_hand_goes_to_and_from_the_shoulder_and_the_left_one_hangs(seed: int) -> None:
    t = np.arange(0, 4, 0.01)
    hands = perform(BECKON, t, Manner(1, 1, 0), np.random.default_rng(seed))
    away = np.hypot(*hands[:, 0].T)
    assert np.ptp(away) > 0.03
    assert np.ptp(hands[:, 0, 1]) > 5 * np.ptp(hands[:, 1, 1])
    assert away.max() < 0.58  # as far as an arm reaches


@pytest.mark.parametrize("version", [1, 2])
def test_fewer_performances_are_the_first_of_more(version: int) -> None:
    one, two = (list(Beckoning(1, n, 18, version).performances()) for n in (1, 2))
    assert (len(one), len(two)) == (1, 2)
    assert one[0].to_structured().tobytes() == two[0].to_structured().tobytes()
    assert len(two[1]) > 1_000


def test_performances_are_written_as_a_class_folder(tmp_path: Path) -> None:
    person = Beckoning(1, 2, 18)
    write_beckoning(tmp_path, person)
    examples = open_dataset(tmp_path, "events").examples("all")
    assert [example.name for example in examples] == list(person.names)


def test_the_command_keeps_what_is_there_and_refuses_what_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simulate", "beckon", str(tmp_path / "one"), "--users", "1", "--part", "train", "--seed", "18"]
    assert main(words) == 0
    (file,) = (tmp_path / "one").glob("*/*.aedat")
    first = file.stat()
    assert main(words) == 0
    assert file.stat().st_mtime_ns == first.st_mtime_ns
    assert "no real person" in open_dataset(tmp_path / "one", "events").origin
    assert main([*words, "--count", str(MOST + 1)]) == 2
    assert main([*words, "--images", "x.zip"]) == 2
    capsys.readouterr()
    with pytest.raises(ConfigError):
        Beckoning(1, 0)
