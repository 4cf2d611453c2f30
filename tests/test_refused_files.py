"""What a file must not hold is refused in our own words: a key twice, a number out of range, a hidden character."""

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compatibility.observed import DATA, NETWORK, RUN

from spikecut.models.files.checkpoint import read_card
from spikecut.models.files.opening import SHIPPED, load
from spikecut.models.policy.file import read_policy_card
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.files.atomic_files import claimed
from spikecut.pipeline.files.strict import parse_json
from spikecut.pipeline.rules.cutoff_file import load_cutoff
from spikecut.tools.cli import main
from spikecut.tools.cutoff_lookup import find_cutoff

CUTOFF = SHIPPED / "nmnist.topk-2pt.json"
CARD = SHIPPED / "nmnist.json"
(POLICY_CARD,) = RUN.glob("*.policy.json")
ESCAPE = chr(27)


def changed(source: Path, target: Path, keys: str, value: Any) -> Path:
    """A copy of a JSON file with one value replaced, named by its keys joined by dots."""
    document = json.loads(source.read_text())
    *above, last = keys.split(".")
    table = document
    for key in above:
        table = table[key]
    table[last] = value
    target.write_text(json.dumps(document))
    return target


@pytest.mark.parametrize(
    ("source", "read"), [(CUTOFF, load_cutoff), (CARD, read_card), (POLICY_CARD, read_policy_card)]
)
def test_a_key_that_stands_twice_is_refused(source: Path, read: Any, tmp_path: Path) -> None:
    path = tmp_path / "twice.json"
    path.write_text(source.read_text().replace('"version": ', '"version": 7, "version": ', 1))
    with pytest.raises(ModelError, match="the key 'version' twice in one object; expected it once"):
        read(path)
    assert parse_json('{"a": {"b": 1}, "b": 2}') == {"a": {"b": 1}, "b": 2}  # the same key at two places is none twice


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        ("decider.rule", f"topk{ESCAPE}[2J", "decider.rule: no rule is called 'topk"),
        ("decider.rule", "tpok", "did you mean 'topk'?"),
        ("observed.accuracy", -1, "observed.accuracy: found -1; expected 0 to 1"),
        ("observed.accuracy", 1.5, "observed.accuracy: found 1.5; expected 0 to 1"),
        ("observed.mean_steps", -1, "observed.mean_steps: found -1; expected 0 or more"),
        ("version", True, "not a spikecut cutoff of version 2"),
    ],
)
def test_a_cutoff_out_of_bounds_is_refused(keys: str, value: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load_cutoff(changed(CUTOFF, tmp_path / "cutoff.json", keys, value))
    assert said in str(caught.value)
    assert ESCAPE not in str(caught.value)


@pytest.mark.parametrize(("source", "read"), [(CARD, read_card), (POLICY_CARD, read_policy_card)])
@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        ("version", True, "not a card of version 1"),
        ("version", 1.0, "not a card of version 1"),
        ("name", f"nm{ESCAPE}nist", "expected a text without control characters"),
        ("name", "nm\nnist", "expected a text without control characters"),
    ],
)
def test_a_card_out_of_bounds_is_refused(
    source: Path, read: Any, keys: str, value: Any, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError) as caught:
        read(changed(source, tmp_path / "a.json", keys, value))
    assert said in str(caught.value)


def test_the_names_of_classes_in_a_card_hide_nothing(tmp_path: Path) -> None:
    names = [*json.loads(CARD.read_text())["classes"][1:], f"nine{ESCAPE}[2J"]
    with pytest.raises(ModelError, match="expected names without control characters") as caught:
        read_card(changed(CARD, tmp_path / "a.json", "classes", names))
    assert ESCAPE not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("spec.channels", [-1]),
        ("spec.channels", [8, 0]),
        ("spec.n_classes", 0),
        ("spec.tebn_steps", -1),
        ("spec.levels", -1),
        ("spec.step_us", 0),
    ],
)
def test_a_card_of_a_network_that_cannot_be_is_refused(keys: str, value: Any, tmp_path: Path) -> None:
    shutil.copy(SHIPPED / "nmnist.safetensors", tmp_path)
    changed(CARD, tmp_path / "nmnist.json", keys, value)
    with pytest.raises(ModelError):
        load(tmp_path / "nmnist.safetensors")


@pytest.mark.parametrize(
    ("keys", "value"), [("spec.channels", [3000, 3000]), ("spec.frame", {"width": 65_536, "height": 65_536})]
)
def test_a_card_takes_no_memory_for_a_network_that_its_weights_are_not(keys: str, value: Any, tmp_path: Path) -> None:
    shutil.copy(SHIPPED / "nmnist.safetensors", tmp_path)
    changed(CARD, tmp_path / "nmnist.json", keys, value)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        ModelError, match=r"the weights do not fit the card: \S+ is \(.*\) in the file, \(.*\) by the card"
    ):
        load(tmp_path / "nmnist.safetensors")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_a_network_without_convolutions_of_its_own_is_no_mistake() -> None:
    assert NetworkSpec("norse", (), 3, 1_000, SensorSize(4, 4)).channels == ()
    with pytest.raises(ModelError, match="channels none, -1 classes, steps of 1000 us; expected 1 or more of each"):
        NetworkSpec("norse", (), -1, 1_000, SensorSize(4, 4))


def test_a_number_of_thousands_of_digits_is_refused_without_a_word_of_python() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_json('{"a": ' + "9" * 5000 + "}")
    assert str(caught.value) == "not JSON: a whole number of thousands of digits; expected 64 bits"


def test_what_is_no_file_is_not_said_to_be_missing(tmp_path: Path) -> None:
    weights = SHIPPED / "nmnist.safetensors"
    with pytest.raises(ModelError, match="is a directory"):
        find_cutoff(str(tmp_path), weights, read_card(CARD))
    with pytest.raises(ModelError, match="/dev/null is no regular file"):
        find_cutoff("/dev/null", weights, read_card(CARD))
    with pytest.raises(ModelError, match="does not exist"):
        find_cutoff(str(tmp_path / "nowhere"), weights, read_card(CARD))


def test_outputs_are_written_under_the_name_that_was_asked_for_or_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["calibrate", str(RUN / "calibration.npz"), "--model", str(NETWORK), "--out", str(tmp_path)]
    assert main([*words, "--rule", "topk", "--tolerance", "0.05", "--outputs", str(tmp_path / "mine.dat")]) == 2
    assert "mine.dat: expected the name of an .npz file" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]
    assert main([*words, "--rule", "topk", "--tolerance", "0.05", "--outputs", str(tmp_path / "mine.npz")]) == 0
    assert (tmp_path / "mine.npz").is_file()


def test_damaged_outputs_in_the_place_of_recordings_are_nothing_readable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut.npz").write_bytes((RUN / "calibration.npz").read_bytes()[:500])
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    for name in ("cut.npz", "other.npz"):
        words = [str(tmp_path / name), "--model", str(NETWORK), "--out", str(tmp_path / "out")]
        for command in (["evaluate", *words], ["calibrate", *words, "--rule", "topk", "--tolerance", "0.05"]):
            assert main(command) == 4, command
            assert f"{name}: no recorded outputs" in capsys.readouterr().err


def test_an_output_that_another_is_writing_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(DATA / "run" / "seed0" / "calibration.npz"), "--model", str(NETWORK)]
    with claimed(tmp_path / "evaluation.json"):
        assert main([*words, "--out", str(tmp_path)]) == 5
    assert "another process is writing it" in capsys.readouterr().err
