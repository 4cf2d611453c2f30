"""Truths about the machine that computes: as many threads as were asked for, whoever starts first."""

import os
import subprocess
import sys

import pytest

CODE = """
import torch
{before}
from spikecut.tools.machine import use
use(1)
import numba, numpy as np
from spikecut.models.cells.lif_scan import fire
from spikecut.models.cells.surrogates import Surrogate
fire(torch.ones(3, 2, 4, 8, 8), torch.full((4,), 0.3), 3, 2, Surrogate())
print(torch.get_num_threads(), numba.get_num_threads())
"""


@pytest.mark.parametrize("before", ["", "torch.zeros(100_000) + 1  # its threads are there"])
def test_one_thread_is_one_thread_though_torch_and_numba_share_openmp(before: str) -> None:
    code = CODE.format(before=before)
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=free)
    assert done.stdout.split() == ["1", "1"]
