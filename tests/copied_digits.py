"""A small data set of drawn digits for tests of runs: each drawing several times, in class folders."""

import shutil
from pathlib import Path

import pytest

from spikecut.sources.simulation.drawn_digits import write_digits


def copied_digits(tmp_path_factory: pytest.TempPathFactory, copies: int) -> Path:
    """Ten drawings, each so many times: `<class>/<copy>.bin`, the copies numbered in two digits from 10 copies on."""
    drawn, folder = tmp_path_factory.mktemp("drawn"), tmp_path_factory.mktemp("digits")
    for path in write_digits(drawn, 10, seed=3):
        for copy in range(copies):
            target = folder / path.parent.name / f"{copy:0{len(str(copies))}}.bin"
            target.parent.mkdir(exist_ok=True)
            shutil.copy(path, target)
    return folder
