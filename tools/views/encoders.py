"""Encoders of images: a film is written image by image, an animation is kept in memory and written at its end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem
from spikecut.sources.opencv import opencv

CODECS: Final[Mapping[str, str]] = {".mkv": "mp4v", ".mp4": "mp4v", ".avi": "MJPG"}
ANIMATIONS: Final = (".webp", ".gif")

_MOST_BYTES = 512 * 2**20  # of pixels, which an animation keeps in memory until its end
_WEBP_QUALITY = 60


class Encoder(Protocol):
    """Takes images, each shown for `times` of the file's frames."""

    def write(self, image: UInt8[ndarray, "h w 3"], times: int) -> None: ...

    def close(self) -> None: ...


def encoder_for(path: Path, fps: float, size_wh: tuple[int, int]) -> Encoder:
    """The encoder for the suffix of a file.

    Raises:
        EnvironmentProblem: if OpenCV cannot write such a file.
    """
    codec = CODECS.get(path.suffix.lower())
    return _Animation(path, fps) if codec is None else _Film(path, codec, fps, size_wh)


class _Film:
    """A video file, written image by image."""

    def __init__(self, path: Path, codec: str, fps: float, size_wh: tuple[int, int]) -> None:
        cv2 = opencv()
        self._path = path
        # an absolute path, because FFmpeg takes what stands before a colon for a protocol
        self._writer: Any = cv2.VideoWriter(str(path.absolute()), cv2.VideoWriter.fourcc(*codec), fps, size_wh)
        if not self._writer.isOpened():
            self._writer.release()
            raise EnvironmentProblem(
                f"{path}: OpenCV cannot write {codec} here",
                hint="is the folder writable? .avi and .webp need no FFmpeg inside OpenCV",
            )

    def write(self, image: UInt8[ndarray, "h w 3"], times: int) -> None:
        for _ in range(times):
            if self._writer.write(image) is False:  # OpenCV 4 answers None
                raise EnvironmentProblem(
                    f"{self._path}: OpenCV refused an image", hint="is there room left on the disk?"
                )

    def close(self) -> None:
        self._writer.release()


class _Animation:
    """An animation: equal images are merged and kept in memory until the file is written at the end."""

    def __init__(self, path: Path, fps: float) -> None:
        if not hasattr(opencv(), "imwriteanimation"):
            raise EnvironmentProblem(
                f"{path}: this OpenCV writes no animations",
                hint="install OpenCV 4.11 or newer, or save an .mkv",
            )
        self._path, self._fps = path, fps
        self._images: list[UInt8[ndarray, "h w 3"]] = []
        self._times: list[int] = []

    def write(self, image: UInt8[ndarray, "h w 3"], times: int) -> None:
        if (len(self._images) + 1) * image.nbytes > _MOST_BYTES:
            raise ConfigError(
                f"{self._path}: an animation of more than {len(self._images)} images of "
                f"{image.shape[1]} x {image.shape[0]} does not fit into {_MOST_BYTES >> 20} MiB",
                hint="save an .mkv, or draw smaller: OverlayStyle(scale=0.5)",
            )
        self._images.append(image)
        self._times.append(times)

    def close(self) -> None:
        if not self._images:
            return
        cv2 = opencv()
        animation = cv2.Animation()
        animation.frames = self._images
        animation.durations = [round(times * 1000 / self._fps) for times in self._times]
        options = [cv2.IMWRITE_WEBP_QUALITY, _WEBP_QUALITY] if self._path.suffix.lower() == ".webp" else []
        try:
            written = cv2.imwriteanimation(str(self._path), animation, options)
        except cv2.error as error:
            raise EnvironmentProblem(f"{self._path}: OpenCV cannot write here: {error}") from error
        if not written:
            raise EnvironmentProblem(f"{self._path}: OpenCV cannot write here", hint="is the folder writable?")
