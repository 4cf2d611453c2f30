"""From a recording or an image to the frames that a network takes."""

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError, SpikecutWarning
from spikecut.pipeline.events import DropCause, Frame, SensorSize
from spikecut.pipeline.fit import FittedBinner, fit_for
from spikecut.sources.datasets.base import FrameSpec
from spikecut.sources.formats.open import open_with

_ENOUGH = 1_000  # events outside a crop that show an empty one before the end of a recording


def recording_frames(path: Path, view: FrameSpec) -> Iterator[Frame]:
    """The frames of one file; it is opened when the first is read, and not read beyond the last that is.

    Raises:
        ConfigError: if it is a recording of another sensor.
        SourceError: if it cannot be read.
    """
    recording = open_with(path, view.read_options)
    binner = binner_for(recording.sensor, view, str(path))
    yield from on_sensor(binner.bins(recording), str(path), recording.sensor)


def binner_for(sensor: SensorSize, view: FrameSpec, what: str) -> CountBinner | FittedBinner:
    """The binner from a sensor to the frames of a network; `what` names the recording in an error.

    The network's own sensor is read as it is; one that is larger by a whole factor, the same both ways, is read at
    that much lower resolution. Others are fitted (`pipeline.fit`); in training only if the recipe says so.

    Raises:
        ConfigError: if the fit is a window that does not lie on the sensor.
    """
    if view.downsample is not None and (sensor == view.sensor or not view.reading.fit):
        return CountBinner(view.sensor, view.step_us, downsample=view.downsample)
    try:
        fit = fit_for(view.reading.fit, sensor, view.frame)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}", hint=error.hint) from error
    view.fits.add(fit)
    return fit.binner(view.step_us)


def on_sensor(frames: Iterable[Frame], what: str, sensor: SensorSize) -> Iterator[Frame]:
    """The frames as they come, as long as most events lie on the sensor.

    Warns if a crop leaves less than 1 % of the events, or none of those that were read before the reader stopped.

    Raises:
        ConfigError: once 20 events, and more than half of all, lay outside: the recording is of another sensor.
    """
    inside = outside = cropped = 0
    is_whole = False
    try:
        for frame in frames:
            inside += frame.n_events
            outside += _lost(frame, DropCause.outside_sensor)
            cropped += _lost(frame, DropCause.outside_crop)
            _check_outside(inside, outside, what, sensor)
            yield frame
        is_whole = True
    finally:
        if (is_whole and 99 * inside < cropped) or (not inside and cropped >= _ENOUGH):
            warnings.warn(
                f"{what}: the crop keeps {inside:,} of {inside + cropped:,} events; "
                "another window may show more: --fit crop, squeeze or X,Y,WxH",
                SpikecutWarning,
                stacklevel=2,
            )


def _lost(frame: Frame, cause: DropCause) -> int:
    loss = frame.lost.losses.get(cause)
    return loss.events if loss else 0


def _check_outside(inside: int, outside: int, what: str, sensor: SensorSize) -> None:
    if outside >= 20 and outside > inside:
        raise ConfigError(
            f"{what}: {outside} of {inside + outside} events lie outside {sensor}; this is another sensor's recording",
            hint=f"spikecut info {what} says which; --sensor WIDTHxHEIGHT reads it so",
        )


def still(pixels: UInt8[ndarray, "3 H W"], view: FrameSpec) -> Iterator[Frame]:
    """The same image in every frame, as many as the network takes."""
    for i in range(view.horizon):
        yield Frame(i, 0, i * view.step_us, (i + 1) * view.step_us, pixels, 0)
