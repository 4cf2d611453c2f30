"""Truths about every row of the tables of networks: cells, architectures, engines."""

from dataclasses import replace
from pathlib import Path

import pytest

from spikecut.models.architectures import ARCHITECTURES
from spikecut.models.architectures.networks import build
from spikecut.models.cells import CELLS
from spikecut.models.engines import ENGINES
from spikecut.models.files import opening
from spikecut.models.spec import NetworkSpec
from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.events import SensorSize

from network_contracts import check_cell, check_network, small_specs

SPEC = NetworkSpec("compact", (4, 6), 3, 1_000, SensorSize(16, 16))


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_keeps_the_contract(name: str) -> None:
    check_cell(name)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_keeps_the_contract(name: str, tmp_path: Path) -> None:
    """All of its kinds of input, levels and normalisation are built, the first is checked; the slow test checks all."""
    first, *_ = small_specs(name)
    check_network(first, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_keeps_the_contract_whatever_its_input_and_normalisation(name: str, tmp_path: Path) -> None:
    for spec in list(small_specs(name))[1:]:
        check_network(spec, tmp_path)


def test_every_row_says_what_it_is() -> None:
    assert all(row.description for row in ARCHITECTURES.values())
    assert all(row.description for row in ENGINES.values())
    assert all(row.description and row.state for row in CELLS.values())


def test_a_cell_may_be_named_after_the_architecture_and_is_then_the_usual_one_or_another() -> None:
    named = replace(SPEC, architecture="compact:lif")
    assert (named.layout, named.cell) == ("compact", "lif")
    assert str(build(named)) == str(build(SPEC))
    assert replace(SPEC, levels=4).cell == "qcfs"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "compakt"}, r"architecture 'compakt'; expected one of compact, "),
        ({"architecture": "compact:liv"}, r"cell 'liv' in architecture 'compact:liv'; expected lif or qcfs"),
        ({"architecture": "compact:qcfs"}, r"cell 'qcfs' with levels 0; expected 1 or more"),
        ({"architecture": "compact:lif", "levels": 4}, r"cell 'lif' with levels 4; expected 0"),
        ({"architecture": "traces", "levels": 4}, r"architecture 'traces' with levels 4; expected 0"),
        ({"architecture": "traces", "inputs": 3}, r"architecture 'traces' with inputs 3; expected 2"),
    ],
)
def test_a_spec_that_no_row_answers_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build(replace(SPEC, **change))  # type: ignore[arg-type]


def test_an_unknown_engine_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="engine 'nurse'; expected auto or norse or "):
        opening.load("nmnist", engine="nurse")
