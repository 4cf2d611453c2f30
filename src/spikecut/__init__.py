"""Deciding early on event-camera streams: a spiking network that stops the moment the evidence suffices."""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if (Path(__file__).parent / "pipeline").is_file():  # git wrote the links as text
    raise ImportError(
        "this checkout of spikecut has no symbolic links, so it holds no subpackages; "
        "mend it with: git config core.symlinks true && git checkout -- src"
    )

if TYPE_CHECKING:
    from spikecut.models.files.norse_network import from_norse
    from spikecut.models.files.opening import load as load_network
    from spikecut.pipeline.binning import CountBinner
    from spikecut.pipeline.errors import SpikecutError
    from spikecut.pipeline.events import EventBatch, Frame, SensorSize
    from spikecut.pipeline.filters.hot_pixels import find_hot_pixels
    from spikecut.pipeline.filters.parsing import filtered
    from spikecut.pipeline.replay import record_outputs, replay
    from spikecut.pipeline.representations.counts import SliceCounter
    from spikecut.pipeline.representations.frame_sources import frames_of
    from spikecut.pipeline.representations.time_surface import TimeSurfaceBinner
    from spikecut.pipeline.representations.transforms import EventTransform, FrameTransform
    from spikecut.pipeline.representations.voxel import VoxelBinner
    from spikecut.pipeline.results import Decision, Rest, Step, StopReason
    from spikecut.pipeline.rules.cutoff_file import load_cutoff
    from spikecut.pipeline.rules.thresholds import ThresholdCutoff, confidence, fixed, never, topk
    from spikecut.pipeline.runner import run, watch
    from spikecut.sources import open_recording

    __version__: str

from spikecut.moved import MovedFinder

sys.meta_path.append(MovedFinder())

_HOMES = {
    "spikecut.models.files.norse_network": "from_norse",
    "spikecut.pipeline.binning": "CountBinner",
    "spikecut.pipeline.rules.thresholds": "ThresholdCutoff confidence fixed never topk",
    "spikecut.pipeline.errors": "SpikecutError",
    "spikecut.pipeline.events": "EventBatch Frame SensorSize",
    "spikecut.pipeline.filters.hot_pixels": "find_hot_pixels",
    "spikecut.pipeline.filters.parsing": "filtered",
    "spikecut.pipeline.representations.frame_sources": "frames_of",
    "spikecut.pipeline.rules.cutoff_file": "load_cutoff",
    "spikecut.pipeline.replay": "record_outputs replay",
    "spikecut.pipeline.representations.counts": "SliceCounter",
    "spikecut.pipeline.representations.time_surface": "TimeSurfaceBinner",
    "spikecut.pipeline.representations.transforms": "EventTransform FrameTransform",
    "spikecut.pipeline.representations.voxel": "VoxelBinner",
    "spikecut.pipeline.results": "Decision Rest Step StopReason",
    "spikecut.pipeline.runner": "run watch",
    "spikecut.sources": "open_recording",
}

__all__ = [
    "CountBinner",
    "Decision",
    "EventBatch",
    "EventTransform",
    "Frame",
    "FrameTransform",
    "Rest",
    "SensorSize",
    "SliceCounter",
    "SpikecutError",
    "Step",
    "StopReason",
    "ThresholdCutoff",
    "TimeSurfaceBinner",
    "VoxelBinner",
    "__version__",
    "confidence",
    "filtered",
    "find_hot_pixels",
    "fixed",
    "frames_of",
    "from_norse",
    "load_cutoff",
    "load_network",
    "never",
    "open_recording",
    "record_outputs",
    "replay",
    "run",
    "topk",
    "watch",
]


def __getattr__(name: str) -> object:
    """Each public name is loaded from its home when it is first used, so that `import spikecut` is instant."""
    if name == "__version__":
        return _version()
    if name == "load_network":
        return import_module("spikecut.models.files.opening").load
    for home, names in _HOMES.items():
        if name in names.split():
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'spikecut' has no attribute {name!r}")


def _version() -> str:
    """The version that was installed; what reads it takes as long to load as all the rest of this module."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("spikecut")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"
