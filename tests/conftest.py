"""Shape annotations are checked while the tests run, and nothing here depends on the machine it runs on."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

<<<<<<< HEAD
CHECKED = (
    "pipeline.binning",
    "pipeline.events",
    "pipeline.evidence.probability",
    "pipeline.replay",
    "pipeline.results",
    "pipeline.runner",
    "pipeline.evidence.scores",
    "pipeline.rules.calimera",
    "pipeline.rules.combined",
    "pipeline.rules.sets.conformal",
    "pipeline.rules.economy",
    "pipeline.rules.loss",
    "pipeline.rules.ltt",
    "pipeline.rules.sets.nonconformity",
    "pipeline.rules.observed",
    "pipeline.rules.patience",
    "pipeline.rules.sets.pooled",
    "pipeline.rules.sr1",
    "pipeline.rules.step_budget",
    "pipeline.rules.thresholds",
    "pipeline.rules.topk",
    "pipeline.metrics.intervals",
    "models.architectures.normalisation",
    "models.cells.surrogates",
    "models.policy.network",
    "models.policy.training",
    "models.training.drop_and_mix",
    "models.training.layerwise",
    "models.training.losses",
    "models.training.regularisation",
    "models.training.time_augment",
)
install_import_hook([f"spikecut.{name}" for name in CHECKED], "beartype.beartype")
=======
import shape_checks

shape_checks.install()
>>>>>>> c5e1e9b (Shapes are checked in all modules; contracts over the tables of cells and architectures; the threshold of the scan is pinned)

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Frames that tests pack are kept among their other files, not in somebody's home."""
    os.environ["SPIKECUT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real recordings; tests that need it are skipped where it is missing."""
    folder = Path(os.environ.get("SPIKECUT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder} (set SPIKECUT_DATA)")
    return folder


settings.register_profile("spikecut", deadline=None, derandomize=True)  # never a time in a test
settings.load_profile("spikecut")
