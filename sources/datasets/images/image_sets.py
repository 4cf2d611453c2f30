"""Labelled pictures, and a set of them that is divided: what every reader of a picture set makes.

A picture is red, green and blue, 8 bits each, rows from the top. Its part was settled when the set was opened: what
was published to test tests, and nothing else does; about a tenth of what was published to train calibrates.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import SensorSize
from spikecut.sources.datasets.class_folders import Division, Part
from spikecut.sources.datasets.images.image_files import bytes_of, colours
from spikecut.sources.opencv import opencv


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPicture:
    """One picture and what it shows: `label` is the number of its class.

    It lies as the file `entry` in a folder or in a zip archive; or it is `held` in memory, where many came out of one
    file, and then `entry` is that file and its number there. `name` is what a split is told by.
    """

    images: Path
    entry: str
    name: str
    label: int
    class_name: str
    part: Division
    held: UInt8[ndarray, "3 H W"] | None = None

    @property
    def path(self) -> Path:
        """Where it is, for people: of a picture in an archive, the archive's path with its own behind it."""
        return self.images / self.entry

    def pixels(self) -> UInt8[ndarray, "3 H W"]:
        """Red, green and blue.

        Raises:
            UnreadableSource: if it is no whole picture.
        """
        return self.held if self.held is not None else colours(self._raw(), self.path)

    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of its file, or of its pixels where many share a file.

        Raises:
            UnreadableSource: if it cannot be read.
        """
        return hashlib.sha256(self._raw()).hexdigest()[:16]

    def _raw(self) -> bytes:
        return self.held.tobytes() if self.held is not None else bytes_of(self.images, self.entry)


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

    def of(self, part: Part) -> list[LabelledPicture]:
        """The pictures of one part."""
        return [picture for picture in self.pictures if part in ("all", picture.part)]

    def numbered(self, classes: Iterable[str]) -> tuple[int, ...]:
        """For each class of this set, its number among `classes`.

        Raises:
            ConfigError: if it is none of them.
        """
        names = list(classes)
        if strangers := [name for name in self.classes if name not in names]:
            raise ConfigError(
                f"{self.path}: class {strangers[0]!r} is none of the classes {', '.join(names)}",
                hint="a network names only what it was trained on",
            )
        return tuple(names.index(name) for name in self.classes)


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
