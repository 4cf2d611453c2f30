"""From a recording to the frames that a network was made for."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray

from spikecut.models.card import ModelCard
from spikecut.models.files import checkpoint, opening
from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError, SpikecutError
from spikecut.pipeline.events import DropCause, Frame, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.datasets.images.image_sets import LabelledPicture, fitted
from spikecut.sources.datasets.images.open_images import one_picture
from spikecut.sources.formats.base import Recording
from spikecut.sources.simulation.video import VideoRecording


def open_for(path: Path, card: ModelCard, batch_events: int = 65_536) -> tuple[Recording, CountBinner]:
    """A recording, and the binner that turns it into the frames of a network.

    The network's own sensor is read as it is; one that is larger by a whole factor, the same both
    ways, is read at that much lower resolution. Nothing else is reshaped.

    Raises:
        ConfigError: if the sensor fits in neither way.
    """
    recording = open_recording(path, sensor=card.sensor, batch_events=batch_events)
    return recording, binner_for(recording.sensor, card, str(path))


def network_for(path: Path) -> str:
    """The shipped network made for the sensor of a recording: N-MNIST's where none is named, gestures for a video."""
    try:
        recording = open_recording(path)
    except ConfigError:  # ATIS files do not say
        return "nmnist"
    if isinstance(recording, VideoRecording):
        return "gestures"
    sensor = recording.sensor
    cards = [checkpoint.read_card(p.with_suffix(".json")) for p in sorted(opening.SHIPPED.glob("*.safetensors"))]
    return next((card.name for card in cards if card.sensor == sensor), "nmnist")


def binner_for(sensor: SensorSize, card: ModelCard, what: str) -> CountBinner:
    """The binner from a sensor to the frames of a network; see `open_for`."""
    frame = card.spec.frame
    factor = max(sensor.width // frame.width, 1)
    if (sensor.width, sensor.height) != (frame.width * factor, frame.height * factor):
        raise ConfigError(
            f"{what}: a {sensor} sensor; network {card.name!r} reads {frame}, or whole multiples of it",
            hint="choose a network made for this sensor",
        )
    return CountBinner(sensor, card.spec.step_us, downsample=factor)


def still(pixels: UInt8[ndarray, "3 H W"], card: ModelCard) -> Iterator[Frame]:
    """One look after another at a picture, as many as the network is to have."""
    step_us = card.spec.step_us
    for i in range(card.horizon):
        yield Frame(i, 0, i * step_us, (i + 1) * step_us, pixels, 0)


def look_at(path: Path, card: ModelCard) -> tuple[Iterator[Frame], str]:
    """One picture for a network, and the name of its class as its folder or its archive says it.

    Raises:
        UnreadableSource: if it is no picture.
    """
    pixels, class_name = one_picture(path)
    return still(fitted(pixels, card.spec.frame), card), class_name


def told_sizes(pictures: Sequence[LabelledPicture], size: SensorSize) -> tuple[str, ...]:
    """A line for people if pictures have another size than the network's: a few are looked at, all through the set."""
    for picture in pictures[:: max(1, len(pictures) // 16)]:
        try:
            height, width = picture.pixels().shape[1:]
        except SpikecutError:
            continue
        if (width, height) != (size.width, size.height):
            told = f"pictures are resized to {size}, and cut where their shape is another: {picture.name} is"
            return (f"{told} {width}x{height}",)
    return ()


def on_sensor(frames: Iterable[Frame], what: str, sensor: SensorSize) -> Iterator[Frame]:
    """The frames as they come, as long as most events lie on the sensor.

    Raises:
        ConfigError: once 20 events, and more than half of all, lay outside: the recording is of another sensor.
    """
    inside = outside = 0
    for frame in frames:
        inside += frame.n_events
        loss = frame.lost.losses.get(DropCause.outside_sensor)
        outside += loss.events if loss else 0
        if outside >= 20 and outside > inside:
            raise ConfigError(
                f"{what}: {outside} of {inside + outside} events lie outside {sensor}; "
                "this is another sensor's recording",
                hint=f"spikecut info {what} says which; choose a network made for it",
            )
        yield frame
