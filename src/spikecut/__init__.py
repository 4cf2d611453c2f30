"""Deciding early on event-camera streams: a spiking network that stops the moment the evidence suffices."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

if (Path(__file__).parent / "pipeline").is_file():  # git wrote the links as text
    raise ImportError(
        "this checkout of spikecut has no symbolic links, so it holds no subpackages; "
        "mend it with: git config core.symlinks true && git checkout -- src"
    )

try:
    __version__ = version("spikecut")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
