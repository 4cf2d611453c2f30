"""Truths about several processes: together they train the network that one would have trained."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from spikecut.models.files import opening
from spikecut.models.training import epochs as training
from spikecut.models.training.distributed import (
    average_of,
    from_leader,
    leader_first,
    leads,
    n_processes,
    share_of,
    together,
)
from spikecut.models.training.epochs import TrainingPlan, TrainingRun
from spikecut.pipeline.errors import ModelError
from spikecut.sources.simulation.drawn_digits import write_digits

from small_training import SPEC
from train_together import trained


def torchrun(*words: str) -> str:
    """What two processes say on stdout."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([*start, *words], capture_output=True, text=True, env=alone, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_two_processes_train_the_network_that_one_would_have(tmp_path: Path) -> None:
    """With unequal shares; of batch normalisation, whose statistics differ, they hold the same at least."""
    torchrun(str(Path(__file__).parents[2] / "train_together.py"), str(tmp_path / "it"))
    first, second = (torch.load(tmp_path / f"it.{which}.pt", weights_only=True) for which in ("first", "second"))
    for kind in ("kernel", "tebn"):
        assert first[kind]["losses"] == second[kind]["losses"]
        for part in ("weights", "average"):
            for name, value in first[kind][part].items():
                assert torch.equal(value, second[kind][part][name])
    alone = trained("kernel")
    assert first["kernel"]["losses"] == pytest.approx(alone["losses"], rel=1e-4)
    for name, value in alone["weights"].items():
        torch.testing.assert_close(first["kernel"]["weights"][name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_command_under_torchrun_keeps_one_network_and_says_so_once(tmp_path: Path) -> None:
    write_digits(tmp_path / "data", 80, seed=0)
    words = ["train", "nmnist", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--epochs", "1"]
    said = torchrun("-m", "spikecut", *words)
    assert said.splitlines() == [str(tmp_path / "run" / "nmnist.safetensors")]
    _, card = opening.load(tmp_path / "run" / "nmnist")
    assert "2 processes" in str(card.provenance["machine"])


@pytest.mark.slow
def test_two_processes_pack_their_data_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second has the frames of the first, also where a transform draws and nothing is kept on disk."""
    monkeypatch.setenv("SPIKECUT_CACHE", str(tmp_path / "cache"))
    write_digits(tmp_path / "data", 60, seed=0)
    torchrun(str(Path(__file__).parents[2] / "pack_together.py"), str(tmp_path / "data"), str(tmp_path))
    for name, packed in (("plain", "train\nwatch\n"), ("transformed", "train\n")):  # the watched frames are kept by now
        first, second = (tmp_path / f"{name}-{rank}" for rank in (0, 1))
        assert (first.read_text(), second.read_text()) == (packed, "")
        assert first.with_suffix(".sha").read_text() == second.with_suffix(".sha").read_text()


def test_alone_everything_is_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    batch = torch.arange(5)
    with together(), leader_first():
        assert (leads(), n_processes(), average_of(0.3), from_leader(lambda: 7)) == (True, 1, 0.3, 7)
        assert torch.equal(share_of(batch), batch)


def test_a_batch_smaller_than_the_number_of_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "n_processes", lambda: 30)
    with pytest.raises(ModelError, match="a batch of 20 leaves nothing for some of 30 processes"):
        TrainingRun(SPEC, TrainingPlan(window=6, batch_size=20), 100)
