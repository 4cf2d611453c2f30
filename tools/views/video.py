"""Overlays as a file: a video for players (.mkv, .mp4, .avi) or an animation for pages (.webp, .gif).

The file appears under its name when it is complete; until then, and after an error, what has been drawn so
far is found beside it as `name.partial.mkv`. A killed process leaves a playable .mkv or .avi, but no .mp4;
browsers play none of the three, but every animation.
"""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from jaxtyping import UInt8
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem
from spikecut.pipeline.events import Frame
from spikecut.pipeline.results import Decision, Rest, Step
from spikecut.sources.opencv import opencv
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.palette import OverlayStyle

CODECS: Final = {".mkv": "mp4v", ".mp4": "mp4v", ".avi": "MJPG"}
ANIMATIONS: Final = (".webp", ".gif")

_MOST_BYTES = 512 * 2**20  # of pixels, which an animation holds in memory until its end
_WEBP_QUALITY = 60


class VideoSink:
    """A `Sink` that draws every step of one recording after another, and holds still at every decision.

    `names`, `horizon`, `step_us` and `thresholds` are those of `Overlay`; `title` and `truth` belong to the
    first recording, `begin` starts the next. With a `speed` the recording plays that fast (1 is real time,
    and bins shorter than an image are skipped); without one every step is one image. A decision stays for
    `hold_s` seconds.

        with VideoSink("out.mkv", names=names, horizon=30, step_us=10_000) as video:
            for item in run(binner.bins(source), model, decider, horizon=30):
                video.write(item)

    Raises:
        ConfigError: an unknown suffix, a file that is there and may not be overwritten, or a rate that is not
            positive.
        EnvironmentProblem: OpenCV is missing, cannot write such a file, there is no such folder, or the disk is full.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        names: Sequence[str],
        horizon: int,
        step_us: int,
        thresholds: Sequence[float] | None = None,
        title: str = "",
        truth: int | None = None,
        speed: float | None = None,
        fps: float = 25.0,
        hold_s: float = 0.6,
        overwrite: bool = False,
        style: OverlayStyle | None = None,
    ) -> None:
        self.path = Path(path)
        _check_path(self.path, overwrite)
        if fps <= 0 or (speed is not None and speed <= 0) or hold_s < 0:
            raise ConfigError(
                f"fps {fps:g}, speed {speed}, hold_s {hold_s:g}; the first two have to be positive, "
                "the third not negative"
            )
        self.partial = self.path.with_name(f"{self.path.stem}.partial{self.path.suffix}")
        self.n_images = 0
        note = playback_note(fps * step_us / 1e6 if speed is None else speed)
        self._overlay = Overlay(names, horizon=horizon, step_us=step_us, thresholds=thresholds, note=note, style=style)
        self._scene = self._overlay.begin(title, truth)
        self._speed, self._fps, self._hold_s = speed, fps, hold_s
        self._due = 0.0
        self._encoder: _Encoder | None = None

    def __enter__(self) -> Self:
        suffix = self.path.suffix.lower()
        if suffix in CODECS:
            self._encoder = _Film(self.partial, CODECS[suffix], self._fps, self._overlay.size_wh)
        else:
            self._encoder = _Animation(self.partial, self._fps)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        encoder, self._encoder = self._encoder, None
        if encoder is None:
            return
        if error is not None:
            self._keep_partial(encoder, error)
            return
        encoder.close()
        if not self.n_images:  # nothing was drawn: no file rather than one that no player opens
            self.partial.unlink(missing_ok=True)
            return
        if not self.partial.is_file() or not self.partial.stat().st_size:
            raise EnvironmentProblem(f"{self.partial}: OpenCV wrote no file", hint="is there room left on the disk?")
        self.partial.replace(self.path)

    def _keep_partial(self, encoder: "_Encoder", error: BaseException) -> None:
        """Close the file so that it plays, and never hide the error that brought us here."""
        try:
            encoder.close()
        except (EnvironmentProblem, OSError) as second:
            error.add_note(f"the video could not be closed either: {second}")
            return
        if self.n_images:
            error.add_note(f"what was drawn until then is in {self.partial}")
        else:
            self.partial.unlink(missing_ok=True)

    def begin(self, title: str = "", truth: int | None = None) -> None:
        """The next recording starts; the picture begins anew."""
        self._scene = self._overlay.begin(title, truth)

    def expect(self, truth: int | None) -> None:
        """The right label of what comes next, where that is known; the picture goes on."""
        self._scene = replace(self._scene, truth=truth)

    def write(self, item: Step | Decision | Rest) -> None:
        """What comes next, as one image or a few."""
        self._scene = self._overlay.see(self._scene, item)
        if isinstance(item, Decision):
            self._show(max(1, round(self._hold_s * self._fps)))
        else:
            self._play(item.frame)

    def card(self, lines: Sequence[str], seconds: float = 3.0) -> None:
        """A page of text for so many seconds; see `summary_card`."""
        self._encode(self._overlay.card(lines), max(1, round(seconds * self._fps)))

    def _play(self, frame: Frame) -> None:
        """As many images as the frame lasts on the screen: none where bins are shorter than an image."""
        if self._speed is None:
            self._show(1)
            return
        self._due += (frame.end_us - frame.start_us) * 1e-6 * self._fps / self._speed
        times = int(self._due + 1e-9)
        self._due -= times
        if times:
            self._show(times)

    def _show(self, times: int) -> None:
        self._encode(self._overlay.draw(self._scene), times)

    def _encode(self, image: UInt8[ndarray, "h w 3"], times: int) -> None:
        if self._encoder is None:
            raise ConfigError(f"{self.path} is not open", hint="with VideoSink(...) as video: ...")
        self._encoder.write(image, times)
        self.n_images += times


def playback_note(speed: float) -> str:
    """A word on how fast a video plays, none in real time.

    >>> playback_note(0.25), playback_note(0.4), playback_note(1.0), playback_note(2.0)
    ('slow motion 1/4', 'slow motion 0.4x', '', 'fast motion 2x')
    """
    if abs(speed - 1) < 0.005:
        return ""
    if speed > 1:
        return f"fast motion {speed:.3g}x"
    parts = round(1 / speed)
    return f"slow motion 1/{parts}" if abs(parts * speed - 1) < 0.01 else f"slow motion {speed:.2g}x"


class _Encoder(Protocol):
    def write(self, image: UInt8[ndarray, "h w 3"], times: int) -> None: ...

    def close(self) -> None: ...


class _Film:
    """Images go to the disk as they come."""

    def __init__(self, path: Path, codec: str, fps: float, size_wh: tuple[int, int]) -> None:
        cv2 = opencv()
        self._path = path
        self._writer: Any = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, size_wh)
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
    """Images wait in memory, one for each moment that differs, until the file is written at the end."""

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


def _check_path(path: Path, overwrite: bool) -> None:
    known = (*CODECS, *ANIMATIONS)
    if path.suffix.lower() not in known:
        raise ConfigError(f"{path}: no format is called {path.suffix!r}", hint=f"known are {' '.join(known)}")
    if not path.parent.is_dir():
        raise EnvironmentProblem(f"{path}: there is no folder {path.parent}", hint=f"mkdir -p {path.parent}")
    if path.is_dir() or (path.exists() and not overwrite):
        raise ConfigError(f"{path} is there already", hint="choose another name, or pass --overwrite")
