"""Shape annotations are checked while the tests run, and nothing here depends on the machine it runs on."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

import shape_checks

shape_checks.install()

REPOSITORY = Path(__file__).parent.parent

# Numba's first parallel kernel would tell torch of as many threads as there are cores, and sums come out otherwise from
# then on; and of two test processes whose threads spin, each waits for the other.
for threads in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(threads, "1")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Frames that tests pack are kept among their other files, not in somebody's home."""
    os.environ["SPIKECUT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def _hears_interruptions() -> None:
    """A shell starts what it runs in the background with interruptions ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real recordings; tests that need it are skipped where it is missing."""
    folder = Path(os.environ.get("SPIKECUT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder} (set SPIKECUT_DATA)")
    return folder


settings.register_profile("spikecut", deadline=None, derandomize=True)  # never a time in a test
settings.load_profile("spikecut")
