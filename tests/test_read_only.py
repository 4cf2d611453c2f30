"""Truths about an installation that nobody may write to, used by somebody without a home folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import spikecut
from spikecut.pipeline.errors import EnvironmentProblem
from spikecut.sources.formats.atis import write_atis
from spikecut.sources.simulation.drawn_digits import DrawnDigit
from spikecut.tools.training.frame_cache import cache_folder


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package beside whose modules nothing can be cached, by root neither: a file bears the name."""
    folder = tmp_path_factory.mktemp("installation")
    leave_out = shutil.ignore_patterns("__pycache__")
    package = Path(shutil.copytree(Path(spikecut.__file__).parent, folder / "spikecut", ignore=leave_out))
    for place in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (place / "__pycache__").touch()
    return folder


@pytest.mark.parametrize(
    "words", [["info"], pytest.param(["run", "--once", "--model", "nmnist"], marks=pytest.mark.slow)]
)
def test_commands_work_where_no_machine_code_can_be_cached(
    installation: Path, tmp_path: Path, words: list[str]
) -> None:
    write_atis(tmp_path / "seven.bin", DrawnDigit(7, seed=1))
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), "/dev/null/nowhere")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installation), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "spikecut", words[0], tmp_path / "seven.bin", *words[1:]],
        env=environment | nowhere, capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert done.stdout
    assert not list(installation.rglob("*.nbi"))


def test_a_user_without_a_home_is_told_where_frames_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("SPIKECUT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(EnvironmentProblem, match="no home folder") as caught:
        cache_folder()
    assert "SPIKECUT_CACHE" in str(caught.value.hint)


def test_machine_code_is_cached_where_it_can_be(tmp_path: Path) -> None:
    (tmp_path / "kernel.py").write_text(
        "from spikecut.pipeline.compiled import compiled\n@compiled()\ndef two(n):\n    return 2 * n\n"
    )
    code = "import kernel; assert kernel.two(4) == 8; print(sum(kernel.two.stats.cache_hits.values()))"
    hits = [subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, text=True).strip() for _ in range(2)]
    assert hits == ["0", "1"]
