"""Labelled pictures, and a set of them that is divided: what every reader of a picture set makes.

A picture is red, green and blue, 8 bits each, rows from the top. Its part was settled when the set was opened: what
was published to test tests, and nothing else does; about a tenth of what was published to train calibrates.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import SpikecutError
from spikecut.pipeline.events import Frame, SensorSize
from spikecut.sources.datasets.base import Example, FrameSpec, in_part, numbers_among
from spikecut.sources.datasets.frames import still
from spikecut.sources.datasets.images.image_files import bytes_of, colours
from spikecut.sources.datasets.parts import Division, Part
from spikecut.sources.opencv import opencv


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPicture:
    """One picture and what it shows: `label` is the number of its class.

    It is the file `entry` in a folder or in a zip archive; or, if one file holds many, it is `loaded` in memory, and
    `entry` is that file and its number there. Digests of splits are made of `name`.
    """

    images: Path
    entry: str
    name: str
    label: int
    class_name: str
    part: Division
    loaded: UInt8[ndarray, "3 H W"] | None = None

    @property
    def path(self) -> Path:
        """Where it is, for people: of a picture in an archive, the archive's path with its own behind it."""
        return self.images / self.entry

    def pixels(self) -> UInt8[ndarray, "3 H W"]:
        """Red, green and blue.

        Raises:
            UnreadableSource: if it is no whole picture.
        """
        return self.loaded if self.loaded is not None else colours(self._raw(), self.path)

    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of its file, or of its pixels where many share a file.

        Raises:
            UnreadableSource: if it cannot be read.
        """
        return hashlib.sha256(self._raw()).hexdigest()[:16]

    def streams(self, view: FrameSpec) -> Iterator[Iterator[Frame]]:
        """The frames of the one example that it is: the same image again and again."""
        yield self._frames(view)

    def _frames(self, view: FrameSpec) -> Iterator[Frame]:
        yield from still(fitted(self.pixels(), view.frame), view)

    def _raw(self) -> bytes:
        return self.loaded.tobytes() if self.loaded is not None else bytes_of(self.images, self.entry)


@dataclass(frozen=True, slots=True, eq=False)
class PictureSet:
    """Pictures of `classes`, in the order of their names. `origin` says what they are and whether they are genuine.

    `notes` are about what was found and not used.
    """

    path: Path
    origin: str
    classes: tuple[str, ...]
    pictures: tuple[LabelledPicture, ...]
    notes: tuple[str, ...] = ()

    def provenance(self, licence: str, attribution: str) -> dict[str, str]:
        """The origin as `data`, and what a recipe says."""
        return {"data": self.origin, "data_licence": licence, "attribution": attribution}

    def of(self, part: Part) -> list[LabelledPicture]:
        """The pictures of one part."""
        return [picture for picture in self.pictures if in_part(part, picture.part)]

    def examples(self, part: Part) -> list[Example]:
        """One for every image."""
        return [Example(one.name, one.label, one.part, one, place := str(one.path), place) for one in self.of(part)]

    def numbered(self, classes: Iterable[str], reader: str = "") -> tuple[int, ...]:
        """For each class of this set, its number among `classes`.

        Raises:
            ConfigError: if it is none of them.
        """
        hint = "a network names only what it was trained on"
        return numbers_among(self.path, self.classes, list(classes), "class", hint)

    def notes_on(self, part: Part, view: FrameSpec) -> tuple[str, ...]:
        """The notes, and one more if images have another size than the network's."""
        return (*self.notes, *resized_notes(self.of(part), view.frame))


def resized_notes(images: Sequence[LabelledPicture], size: SensorSize) -> tuple[str, ...]:
    """A note if images have another size than the network's; 16 or so are read, from all through the set."""
    for one in images[:: max(1, len(images) // 16)]:
        try:
            height, width = one.pixels().shape[1:]
        except SpikecutError:
            continue
        if (width, height) != (size.width, size.height):
            note = f"pictures are resized to {size}, and cut where their shape is another: {one.name} is"
            return (f"{note} {width}x{height}",)
    return ()


def fitted(pixels: UInt8[ndarray, "3 H W"], size: SensorSize) -> UInt8[ndarray, "3 h w"]:
    """A picture at another size: as small or large as covers it, and of that the middle. Its shape is not changed.

    Shrunk by area, enlarged by cubic interpolation; a picture of that size comes back as it is.
    """
    height, width = pixels.shape[1:]
    if (width, height) == (size.width, size.height):
        return pixels
    cv2 = opencv()
    scale = max(size.width / width, size.height / height)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    covering = max(size.width, round(width * scale)), max(size.height, round(height * scale))
    image = np.asarray(cv2.resize(np.ascontiguousarray(pixels.transpose(1, 2, 0)), covering, interpolation=how))
    top, left = (image.shape[0] - size.height) // 2, (image.shape[1] - size.width) // 2
    return np.ascontiguousarray(image[top : top + size.height, left : left + size.width].transpose(2, 0, 1))
