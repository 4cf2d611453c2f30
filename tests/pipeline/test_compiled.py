"""Machine code that is kept on disk is that of the sources as they are."""

import os
import subprocess
import sys
from pathlib import Path

CALLER = """
from spikecut.pipeline.compiled import compiled
from callee import number

@compiled()
def twice():
    return 2 * number()

print(twice(), sum(twice.stats.cache_hits.values()))
"""
CALLEE = """
from spikecut.pipeline.compiled import compiled

@compiled()
def number():
    return {}
"""


def test_a_kernel_is_compiled_anew_when_one_that_it_calls_has_changed(tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(CALLER)

    def printed() -> str:
        source = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
        environment = os.environ | {"PYTHONPATH": source, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        command = [sys.executable, str(tmp_path / "caller.py")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
        return done.stdout.strip()

    (tmp_path / "callee.py").write_text(CALLEE.format("21"))
    assert printed() == "42 0"
    assert printed() == "42 1"  # read from the disk
    (tmp_path / "callee.py").write_text(CALLEE.format("1000"))
    assert printed() == "2000 0"
