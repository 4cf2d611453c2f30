"""Deciding early on event-camera streams: a spiking network that stops the moment the evidence suffices.

A drawn digit, named as early as the evidence allows:

>>> import spikecut
>>> network, card = spikecut.load_network("nmnist")
>>> events = spikecut.EventBatch.concatenate(spikecut.DrawnDigit(7, seed=1))
>>> events = spikecut.events_from_arrays(events.t, events.x, events.y, events.p, sensor=(34, 34))
>>> rule = spikecut.confidence(0.9, card.horizon)
>>> for item in spikecut.run(events, network, rule, horizon=card.horizon):
...     if isinstance(item, spikecut.Decision):
...         print(card.classes[item.label], item.steps < card.horizon, item.reason.value)
7 True the decider was sure enough

Events
- `open_recording`: a recorded file, whatever its format; `convert` writes it in another one (`ConversionReport`)
- `events_from_arrays`: four columns t, x, y, p; `EventBatch.from_structured` takes whatever names its columns
- `EventBatch`, `SensorSize`: a stretch of a stream; the size of a sensor
- `filtered`, `EventTransform`, `find_hot_pixels`: events filtered, or changed by a function
- `DrawnDigit`: simulated events of a drawn digit, for trials without data

Frames
- `CountBinner`: events counted over bins of time, which the shipped networks read
- `VoxelBinner`, `TimeSurfaceBinner`, `SliceCounter`: other representations
- `frames_of`: the frames of whatever holds events, for a network or by a binner
- `Frame`, `FrameTransform`: one bin; frames changed by a function

Networks
- `load_network`: a shipped network by its name, any other by its path, with its `ModelCard`
- `from_norse`: a Norse network of your own
- `export`: one step as ONNX or NIR, for other programs: an `ExportedFile`
- `SteppedModel`: any network that is stepped by hand: `output, state = network.step(pixels, state)`

Decisions
- `run`, `watch`: one window of a stream, or window after window: `Step`, `Decision`, `Rest`
- `recognise`, `Onset`: an endless stream: movement starts the network, quiet arms it again; `Rejection`
- `replay`: many recordings at once: a lane that is decided makes room for the next
- `render`: what a network decides, as an overlay video
- `StopReason`: why the network was not stepped again
- `fixed`, `topk`, `confidence`, `never`, `ThresholdCutoff`: rules when to stop; `CutoffDecider` is the protocol of all

Rules fitted on recordings
- `record`: a network's outputs at every step of labelled recordings, a folder or pairs: `LabelledOutputs`
- `calibrate`: rules fitted for tolerated losses: `FittedCutoff`s with their promises; `fit`: one rule
- `evaluate`: accuracy and time of rules on other recordings: an `Evaluation` of `Assessment`, `Anytime`, `Estimate`
- `record_outputs`, `RecordedOutputs`, `Readout`: the same as arrays; how outputs become evidence
- `FittedCutoff`, `load_cutoff`: a fitted rule with its promise, saved and read again

Errors
- `SpikecutError`: the base of all errors; its `hint` says what to do
- `SpikecutWarning`: what was assumed because a recording does not state it

`__version__` is the version that is installed.
"""

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
    from spikecut.models.card import ModelCard
    from spikecut.models.files.norse_network import from_norse
    from spikecut.models.files.opening import load as load_network
    from spikecut.pipeline.binning import CountBinner
    from spikecut.pipeline.errors import SpikecutError, SpikecutWarning
    from spikecut.pipeline.events import EventBatch, Frame, SensorSize
    from spikecut.pipeline.evidence.readout import Readout
    from spikecut.pipeline.filters.hot_pixels import find_hot_pixels
    from spikecut.pipeline.filters.parsing import filtered
    from spikecut.pipeline.metrics.evaluation import Anytime, Assessment
    from spikecut.pipeline.metrics.intervals import Estimate
    from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
    from spikecut.pipeline.recognition import Onset, recognise
    from spikecut.pipeline.recorded import RecordedOutputs
    from spikecut.pipeline.replay import record_outputs, replay
    from spikecut.pipeline.representations.counts import SliceCounter
    from spikecut.pipeline.representations.frame_sources import frames_of
    from spikecut.pipeline.representations.time_surface import TimeSurfaceBinner
    from spikecut.pipeline.representations.transforms import EventTransform, FrameTransform
    from spikecut.pipeline.representations.voxel import VoxelBinner
    from spikecut.pipeline.results import Decision, Rejection, Rest, Step, StopReason
    from spikecut.pipeline.rules.cutoff_file import FittedCutoff, load_cutoff
    from spikecut.pipeline.rules.thresholds import ThresholdCutoff, confidence, fixed, never, topk
    from spikecut.pipeline.runner import run, watch
    from spikecut.sources import open_recording
    from spikecut.sources.arrays import events_from_arrays
    from spikecut.sources.simulation.drawn_digits import DrawnDigit
    from spikecut.tools.api.calibrating import calibrate, fit
    from spikecut.tools.api.evaluating import Evaluation, evaluate
    from spikecut.tools.api.recording import record
    from spikecut.tools.api.rendering import render
    from spikecut.tools.batch.gathered import LabelledOutputs
    from spikecut.tools.exports.exporting import ExportedFile, export
    from spikecut.tools.recordings.convert import ConversionReport, convert

    __version__: str

from spikecut.moved import MovedFinder

sys.meta_path.append(MovedFinder())

_HOMES = {
    "spikecut.models.card": "ModelCard",
    "spikecut.models.files.norse_network": "from_norse",
    "spikecut.models.files.opening": "load_network=load",
    "spikecut.pipeline.binning": "CountBinner",
    "spikecut.pipeline.errors": "SpikecutError SpikecutWarning",
    "spikecut.pipeline.events": "EventBatch Frame SensorSize",
    "spikecut.pipeline.evidence.readout": "Readout",
    "spikecut.pipeline.filters.hot_pixels": "find_hot_pixels",
    "spikecut.pipeline.filters.parsing": "filtered",
    "spikecut.pipeline.metrics.evaluation": "Anytime Assessment",
    "spikecut.pipeline.metrics.intervals": "Estimate",
    "spikecut.pipeline.protocols": "CutoffDecider SteppedModel",
    "spikecut.pipeline.recognition": "Onset recognise",
    "spikecut.pipeline.recorded": "RecordedOutputs",
    "spikecut.pipeline.replay": "record_outputs replay",
    "spikecut.pipeline.representations.counts": "SliceCounter",
    "spikecut.pipeline.representations.frame_sources": "frames_of",
    "spikecut.pipeline.representations.time_surface": "TimeSurfaceBinner",
    "spikecut.pipeline.representations.transforms": "EventTransform FrameTransform",
    "spikecut.pipeline.representations.voxel": "VoxelBinner",
    "spikecut.pipeline.results": "Decision Rejection Rest Step StopReason",
    "spikecut.pipeline.rules.cutoff_file": "FittedCutoff load_cutoff",
    "spikecut.pipeline.rules.thresholds": "ThresholdCutoff confidence fixed never topk",
    "spikecut.pipeline.runner": "run watch",
    "spikecut.sources": "open_recording",
    "spikecut.sources.arrays": "events_from_arrays",
    "spikecut.sources.simulation.drawn_digits": "DrawnDigit",
    "spikecut.tools.api.calibrating": "calibrate fit",
    "spikecut.tools.api.evaluating": "Evaluation evaluate",
    "spikecut.tools.api.recording": "record",
    "spikecut.tools.api.rendering": "render",
    "spikecut.tools.batch.gathered": "LabelledOutputs",
    "spikecut.tools.exports.exporting": "ExportedFile export",
    "spikecut.tools.recordings.convert": "ConversionReport convert",
}
"""Where public names are at home; `public=name` where a name is another one there."""

__all__ = [
    "Anytime",
    "Assessment",
    "ConversionReport",
    "CountBinner",
    "CutoffDecider",
    "Decision",
    "DrawnDigit",
    "Estimate",
    "Evaluation",
    "EventBatch",
    "EventTransform",
    "ExportedFile",
    "FittedCutoff",
    "Frame",
    "FrameTransform",
    "LabelledOutputs",
    "ModelCard",
    "Onset",
    "Readout",
    "RecordedOutputs",
    "Rejection",
    "Rest",
    "SensorSize",
    "SliceCounter",
    "SpikecutError",
    "SpikecutWarning",
    "Step",
    "SteppedModel",
    "StopReason",
    "ThresholdCutoff",
    "TimeSurfaceBinner",
    "VoxelBinner",
    "__version__",
    "calibrate",
    "confidence",
    "convert",
    "evaluate",
    "events_from_arrays",
    "export",
    "filtered",
    "find_hot_pixels",
    "fit",
    "fixed",
    "frames_of",
    "from_norse",
    "load_cutoff",
    "load_network",
    "never",
    "open_recording",
    "recognise",
    "record",
    "record_outputs",
    "render",
    "replay",
    "run",
    "topk",
    "watch",
]


def __getattr__(name: str) -> object:
    """Each public name is loaded from its home when it is first used, so that `import spikecut` is instant."""
    if name == "__version__":
        return _version()
    for home, names in _HOMES.items():
        for entry in names.split():
            public, _, there = entry.partition("=")
            if public == name:
                return getattr(import_module(home), there or public)
    raise AttributeError(f"module 'spikecut' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, also those that are not loaded yet: for `help`, `dir` and completion."""
    return sorted({*globals(), *__all__})


def _version() -> str:
    """The version that was installed; what reads it takes as long to load as all the rest of this module."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("spikecut")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"
