"""Encoders of images: a film is written image by image, an animation is kept in memory and written at its end."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem
from spikecut.sources.opencv import opencv
from spikecut.sources.pyav import pyav


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec of FFmpeg with its settings, and those of the file around it."""

    name: str
    pixels: str
    colours: int  # the matrix, by its number in ITU-T H.273
    settings: Mapping[str, str]
    file_settings: Mapping[str, str]


_BT709: Final = 1  # is stated in the file: without it players guess
_BT601: Final = 5  # of every JPEG

# A killed process loses the images since the last fragment (.mp4) or cluster (.mkv, .webm): a second, and those that
# the encoder keeps to look ahead. `hybrid_fragmented` makes an ordinary file of the fragments at a good end.
_H264: Final = {"preset": "veryfast", "crf": "23", "bf": "0"}
_VP9: Final = {"deadline": "realtime", "cpu-used": "6", "crf": "32", "b": "0", "lag-in-frames": "0"}
_CLUSTERS: Final = {"cluster_time_limit": "1000"}
_FRAGMENTS: Final = {"movflags": "hybrid_fragmented+frag_keyframe+default_base_moof"}

CODECS: Final[Mapping[str, Codec]] = {
    ".mkv": Codec("libx264", "yuv420p", _BT709, _H264, _CLUSTERS),
    ".mp4": Codec("libx264", "yuv420p", _BT709, _H264, _FRAGMENTS),
    ".webm": Codec("libvpx-vp9", "yuv420p", _BT709, _VP9, _CLUSTERS),
    ".avi": Codec("mjpeg", "yuvj420p", _BT601, {"flags": "+qscale", "global_quality": "590"}, {}),
}
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
        EnvironmentProblem: if such a file cannot be written here.
    """
    codec = CODECS.get(path.suffix.lower())
    return _Animation(path, fps) if codec is None else _Film(path, codec, fps, size_wh)


class _Film:
    """A video file, written image by image; where a side is odd, its last line of pixels is doubled."""

    def __init__(self, path: Path, codec: Codec, fps: float, size_wh: tuple[int, int]) -> None:
        av = pyav()
        self._path, self._codec, self._size_wh, self._n_images = path, codec, size_wh, 0
        self._rate = Fraction(fps).limit_denominator(1001)
        with _problems(path):
            # an absolute path, because FFmpeg takes what stands before a colon for a protocol
            settings = {"flush_packets": "1", **codec.file_settings}
            self._file: Any = av.open(os.path.abspath(path), "w", options=settings)
            self._stream = self._file.add_stream(
                codec.name, self._rate, {"g": str(max(1, round(fps))), **codec.settings}
            )
            self._stream.width, self._stream.height = (side + side % 2 for side in size_wh)
            self._stream.pix_fmt = codec.pixels
            context = self._stream.codec_context
            context.thread_count = 1  # others look further ahead
            context.colorspace, context.color_primaries, context.color_trc = codec.colours, _BT709, _BT709
            self._file.start_encoding()

    def write(self, image: UInt8[ndarray, "h w 3"], times: int) -> None:
        height, width, _ = image.shape
        if (width, height) != self._size_wh:
            raise ConfigError(
                f"{self._path}: an image of {width} x {height} pixels in a video of {self._size_wh}",
                hint="every image of a video must have the same size",
            )
        even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        frame = pyav().VideoFrame.from_ndarray(even, format="bgr24")
        frame = frame.reformat(format=self._codec.pixels, dst_colorspace=self._codec.colours)
        with _problems(self._path):
            for _ in range(times):
                frame.pts, frame.time_base = self._n_images, 1 / self._rate
                self._file.mux(self._stream.encode(frame))
                self._n_images += 1

    def close(self) -> None:
        with _problems(self._path):
            try:
                self._file.mux(self._stream.encode(None))
            finally:
                self._file.close()


@contextmanager
def _problems(path: Path) -> Iterator[None]:
    """Errors of FFmpeg become errors of ours."""
    av = pyav()
    try:
        yield
    except av.codec.codec.UnknownCodecError as error:
        raise EnvironmentProblem(
            f"{path}: this FFmpeg has no encoder {error}", hint="pip install av brings all; .webp needs none"
        ) from error
    except av.FFmpegError as error:
        raise EnvironmentProblem(
            f"{path}: cannot be written: {(error.strerror or str(error)).lower()}",
            hint="is the folder writable, and room left on the disk?",
        ) from error


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
