"""Only a guard: a checkout without symbolic links would install a package without its subpackages."""

from pathlib import Path

from setuptools import setup

for name in ("pipeline", "sources", "models", "tools"):
    if not (Path(__file__).parent / "src" / "spikecut" / name).is_dir():
        raise SystemExit(
            f"error: src/spikecut/{name} is not a folder: this checkout has no symbolic links\n"
            "hint: git config core.symlinks true && git checkout -- src"
        )
setup()
