"""What commands leave out while they load is there when something uses it: each in a process of its own."""

import subprocess
import sys

import pytest

BLAS = """
import sys
from spikecut.tools.quick_start import load_blas
load_blas()
assert "scipy.linalg" not in sys.modules
import numba, numpy as np
product = numba.njit(lambda a: np.dot(a, a))
assert np.allclose(product(np.eye(3)), np.eye(3))
assert "scipy.linalg" not in sys.modules
import scipy.linalg
assert np.allclose(scipy.linalg.inv(np.eye(3) * 2), np.eye(3) / 2)
assert scipy.linalg is sys.modules["scipy.linalg"]
"""

NORSE = """
import sys
from spikecut.tools.quick_start import load_norse
load_norse()
assert "norse.torch" in sys.modules and "matplotlib" not in sys.modules
import matplotlib.pyplot
from norse.torch.utils.plot.plot import plot_spikes_2d
"""


@pytest.mark.parametrize("script", [BLAS, NORSE], ids=["scipy.linalg", "Matplotlib"])
def test_what_was_left_out_is_loaded_when_it_is_used(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_version_is_read_when_it_is_asked_for() -> None:
    script = "import sys, spikecut; assert 'importlib.metadata' not in sys.modules; print(spikecut.__version__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip()
