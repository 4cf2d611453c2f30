"""Truths about the API reference that `make docs` writes."""

import subprocess
import sys
from pathlib import Path

import pytest

import spikecut

ROOT = Path(__file__).parent.parent


def test_the_reference_is_built_without_a_warning_and_has_every_public_name_and_no_other_module(tmp_path: Path) -> None:
    pytest.importorskip("pdoc", reason="the extra dev has pdoc")
    command = [sys.executable, str(ROOT / "docs" / "reference.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "search.js", "spikecut.html"]
    page = (tmp_path / "spikecut.html").read_text(encoding="utf-8")
    assert [name for name in spikecut.__all__ if f'id="{name}"' not in page] == []
    assert str(ROOT) not in page
