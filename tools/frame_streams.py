"""From a recording to the frames that a network was made for."""

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from spikecut.models.card import ModelCard
from spikecut.models.files import checkpoint, opening
from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError, SpikecutWarning, printable
from spikecut.pipeline.events import Frame
from spikecut.pipeline.fit import Fits, FittedBinner
from spikecut.sources.datasets.base import INPUTS, FrameSpec
from spikecut.sources.datasets.frames import binner_for, still
from spikecut.sources.datasets.images.image_sets import fitted
from spikecut.sources.datasets.images.open_images import one_picture
from spikecut.sources.formats.base import DEFAULTS, ReadOptions, Recording
from spikecut.sources.formats.open import format_of, open_expecting, open_with
from spikecut.sources.live.bin_file import BinFile, is_bin_file


def open_for(
    path: Path, card: ModelCard, reading: ReadOptions = DEFAULTS, fits: Fits | None = None
) -> tuple[Recording, CountBinner | FittedBinner]:
    """A recording, and the binner that turns it into the frames of a network.

    Other sensors than the network's own are fitted (`binner_for`), which `fits` notes.

    Raises:
        ConfigError: if the fit is a window that does not lie on the sensor.
    """
    recording = open_expecting(path, card.sensor, reading)
    return recording, named_binner(recording, card, reading, fits)


def named_binner(
    recording: Recording, card: ModelCard, reading: ReadOptions, fits: Fits | None = None
) -> CountBinner | FittedBinner:
    """The binner of `open_for`, for an open recording."""
    return binner_for(recording.sensor, view_of(card, reading, fits), str(recording.path))


def network_for(path: Path, reading: ReadOptions = DEFAULTS) -> str:
    """The shipped network for the sensor of a recording: N-MNIST's if no sensor is named, gestures for a video.

    For any other sensor it is, of the networks for streams (with an onset), that with the largest sensor that lies
    within, of several the first by name. Where there is one, a network for recordings of one thing is chosen only for a
    recording of its own sensor in a folder named after one of its classes: cameras have the sensor of N-Caltech101,
    too.
    """
    if format_of(path, reading.text).simulated:
        return "gestures"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpikecutWarning)  # comes where the recording is opened for the network
        sensor = open_with(path, reading).sensor
    shipped = sorted(path.stem for path in opening.SHIPPED.glob("*.safetensors"))  # gestures before gestures-2
    cards = [checkpoint.read_card(opening.SHIPPED / f"{name}.json") for name in shipped]
    cards = [card for card in cards if not INPUTS[card.spec.input_kind].still]
    streams = [c for c in cards if c.onset and c.sensor.width <= sensor.width and c.sensor.height <= sensor.height]
    named = path.absolute().parent.name
    own = [c for c in cards if c.sensor == sensor and (c.onset or not streams or named in c.classes)]
    return (own[0] if own else max(streams, key=lambda card: card.sensor.width, default=cards[-1])).name


def usual_network(path: Path, reading: ReadOptions) -> str:
    """The name of the network that a recording is shown to where none is given.

    Bins name theirs. A name from a file is never taken for a path: only a network that ships is opened by it.

    Raises:
        ConfigError: if bins were kept for a network that does not ship.
    """
    if not is_bin_file(path):
        return network_for(path, reading)
    model = BinFile.open(path).origin.model
    if model not in (weights.stem for weights in opening.SHIPPED.glob("*.safetensors")):
        raise ConfigError(
            f"{path} was kept for the network {model!r}, which does not ship", hint="--model says where it is"
        )
    return model


def on_stderr(line: str) -> None:
    """Prints a line on stderr."""
    print(printable(line), file=sys.stderr)


def say_fits(fits: Fits, reading: ReadOptions, say: Callable[[str], None] = on_stderr) -> None:
    """Says which part of which sensor was shown, where the fit was not given."""
    for fit in fits.used.values() if not reading.fit else ():
        x, y, width, height = fit.window
        what = f"its central {width}x{height} pixels (from {x},{y}) are shown"
        if fit.window == (0, 0, fit.sensor.width, fit.sensor.height):
            what = "it is smaller than the frame and shown in the middle"
        say(f"note: {fit.sensor} recording, {fit.frame} frames: {what}; --fit squeeze or --fit X,Y,WxH changes that")


def view_of(card: ModelCard, reading: ReadOptions = DEFAULTS, fits: Fits | None = None) -> FrameSpec:
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
        fits=Fits() if fits is None else fits,
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
