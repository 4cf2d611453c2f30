"""From a recording to the frames that a network was made for."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from spikecut.models.card import ModelCard
from spikecut.models.files import checkpoint, opening
from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import Frame
from spikecut.sources.datasets.base import FrameSpec
from spikecut.sources.datasets.frames import binner_for, still
from spikecut.sources.datasets.images.image_sets import fitted
from spikecut.sources.datasets.images.open_images import one_picture
from spikecut.sources.formats.base import DEFAULTS, ReadOptions, Recording
from spikecut.sources.formats.open import format_of, open_with


def open_for(path: Path, card: ModelCard, reading: ReadOptions = DEFAULTS) -> tuple[Recording, CountBinner]:
    """A recording, and the binner that turns it into the frames of a network.

    The network's own sensor is read as it is; one that is larger by a whole factor, the same both
    ways, is read at that much lower resolution. Nothing else is reshaped.

    Raises:
        ConfigError: if the sensor fits in neither way.
    """
    recording = open_with(path, replace(reading, sensor=reading.sensor or card.sensor))
    return recording, binner_for(recording.sensor, view_of(card, reading), str(path))


def network_for(path: Path, reading: ReadOptions = DEFAULTS) -> str:
    """The shipped network for the sensor of a recording: N-MNIST's if no sensor is named, gestures for a video."""
    if format_of(path, reading.text).simulated:
        return "gestures"
    try:
        sensor = open_with(path, reading).sensor
    except ConfigError:  # ATIS files do not state their sensor
        return "nmnist"
    cards = [checkpoint.read_card(p.with_suffix(".json")) for p in sorted(opening.SHIPPED.glob("*.safetensors"))]
    return next((card.name for card in cards if card.sensor == sensor), "nmnist")


def view_of(card: ModelCard, reading: ReadOptions = DEFAULTS) -> FrameSpec:
    """The specification of a network's frames, for sources."""
    spec = card.spec
    return FrameSpec(
        spec.input_kind,
        card.sensor,
        spec.frame,
        spec.step_us,
        card.horizon,
        reader=named(card),
        reading=reading,
    )


def named(card: ModelCard) -> str:
    """A network's name for errors."""
    return f"network {card.name!r}"


def look_at(path: Path, card: ModelCard) -> tuple[Iterator[Frame], str]:
    """One picture for a network, and the name of its class from its folder or its archive.

    Raises:
        UnreadableSource: if it is no picture.
    """
    pixels, class_name = one_picture(path)
    return still(fitted(pixels, card.spec.frame), view_of(card)), class_name
