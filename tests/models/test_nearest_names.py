"""Truths about names that are nearly right: what is refused comes with the nearest known name."""

from dataclasses import replace
from pathlib import Path

import pytest

from spikecut.models.architectures import architecture_of
from spikecut.models.cells import cell_of
from spikecut.models.engines import engine_called
from spikecut.models.files.opening import SHIPPED, card_of, locate
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ConfigError, ModelError


@pytest.fixture
def spec() -> NetworkSpec:
    return card_of(SHIPPED / "nmnist.safetensors").spec


def test_an_architecture_that_is_nearly_right_gets_the_right_one(spec: NetworkSpec) -> None:
    with pytest.raises(ModelError, match="expected one of compact") as caught:
        architecture_of(replace(spec, architecture="compact-lgo"))
    assert caught.value.hint == "did you mean 'compact-log'?"


def test_a_cell_that_is_nearly_right_gets_the_right_one(spec: NetworkSpec) -> None:
    with pytest.raises(ModelError, match="expected lif or qcfs") as caught:
        cell_of(replace(spec, architecture="compact:qfcs"))
    assert caught.value.hint == "did you mean 'qcfs'?"


def test_an_engine_that_is_nearly_right_gets_the_right_one() -> None:
    with pytest.raises(ConfigError, match="expected auto or norse") as caught:
        engine_called("nosre")
    assert caught.value.hint == "did you mean 'norse'?"


@pytest.mark.parametrize("name", ["mien", "mien.safetensors", "minee.safetensors"])
def test_a_mistyped_network_gets_the_file_beside_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.safetensors").touch()
    with pytest.raises(ModelError, match="no network") as caught:
        locate(tmp_path / name)
    assert caught.value.hint == f"did you mean {str(tmp_path / 'mine.safetensors')!r}?"


def test_a_mistyped_network_gets_the_shipped_one() -> None:
    with pytest.raises(ModelError, match="no network") as caught:
        locate("gesture")
    assert caught.value.hint == "did you mean 'gestures'?"
