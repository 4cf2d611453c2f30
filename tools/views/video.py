"""Overlays as a file: a video (.mp4, .webm, .mkv, .avi) or an animation (.webp, .gif).

The file appears under its name when it is complete; until then, and after an error, the images drawn so far are
in `name.partial.mp4` beside it. A killed process leaves a video that plays, without its last second or two, but no
animation. Browsers play .mp4 (H.264), .webm (VP9) and animations.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from jaxtyping import UInt8
from numpy import ndarray

from spikecut.models.card import ModelCard
from spikecut.pipeline.errors import ConfigError, EnvironmentProblem
from spikecut.pipeline.events import Frame
from spikecut.pipeline.files.atomic_files import new_file, partial_of, refuse_existing, refuse_full_disk
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.results import Decision, Item, Rejection
from spikecut.tools.views.base import Summary, ViewKind, ViewOptions, Wish
from spikecut.tools.views.encoders import ANIMATIONS, CODECS, Encoder, encoder_for
from spikecut.tools.views.overlay import Overlay
from spikecut.tools.views.overlay_view import OverlayOptions, OverlayView, overlay_options


class VideoSink(OverlayView):
    """A `View` that draws every step of one recording after another, and stands still at every decision.

    The other keywords are those of `Overlay`. With a `speed` the recording plays that fast (1 is real time, and bins
    shorter than an image are skipped); without one every step is one image. A decision stays for `hold_s` seconds.

        with VideoSink("out.mkv", names=names, horizon=30, step_us=10_000) as video:
            video.begin("seven.bin", truth="7")
            for item in run(binner.bins(source), model, decider, horizon=30):
                video.write(item)

    Raises:
        ConfigError: an unknown suffix, a file that is there and may not be overwritten, or a rate that is not
            positive.
        EnvironmentProblem: PyAV or OpenCV is missing or cannot write such a file, there is no such folder, or the
            disk is full.
        InUse: from `with`, if another process is writing the file.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        speed: float | None = None,
        fps: float = 25.0,
        hold_s: float = 0.6,
        overwrite: bool = False,
        **drawing: Unpack[OverlayOptions],
    ) -> None:
        self.path = Path(path)
        _check_path(self.path)
        refuse_existing(self.path, overwrite=overwrite)
        if fps <= 0 or (speed is not None and speed <= 0) or hold_s < 0:
            raise ConfigError(
                f"fps {fps:g}, speed {speed}, hold_s {hold_s:g}; the first two have to be positive, "
                "the third not negative"
            )
        self.partial = partial_of(self.path, visible=True)
        self.n_images = 0
        note = playback_note(fps * drawing["step_us"] / 1e6 if speed is None else speed)
        super().__init__(Overlay(**drawing, note=note))
        self._speed, self._fps, self._hold_s = speed, fps, hold_s
        self._due = 0.0  # images, of the time that has passed and is not shown yet
        self._overwrite = overwrite
        self._file = self._encoding()
        self._encoder: Encoder | None = None

    def __enter__(self) -> Self:
        self._encoder = self._file.__enter__()
        return self

    def write(self, item: Item) -> None:
        """Draws the next item, as one image or several."""
        self.see(item)
        if isinstance(item, Decision):
            self._encode(self.draw(), max(1, round(self._hold_s * self._fps)))
        elif isinstance(item, Rejection):
            return
        elif n_images := self._images_due(item.frame):
            self._encode(self.draw(), n_images)

    def card(self, lines: Sequence[str], seconds: float = 3.0) -> None:
        """A page of text for so many seconds; see `summary_card`."""
        self._encode(self.overlay.card(lines), max(1, round(seconds * self._fps)))

    def finish(self, summary: Summary) -> None:
        """Shows the score, if there is one, and completes the file."""
        if page := summary.page():
            self.card(page)
        self._complete()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._complete()
        elif self._encoder is not None:
            self._abandon(self._encoder, error)

    @contextmanager
    def _encoding(self) -> Iterator[Encoder]:
        """The open file: it gets its name after a good end, if there is an image in it."""
        with suppress(_Abandoned), new_file(self.path, overwrite=self._overwrite, keep_partial=True) as self.partial:
            encoder = encoder_for(self.partial, self._fps, self.overlay.size_wh)
            yield encoder
            encoder.close()
            if not self.n_images:
                self.partial.unlink(missing_ok=True)
                raise _Abandoned
            if not self.partial.is_file() or not self.partial.stat().st_size:
                raise EnvironmentProblem(f"{self.partial}: no file was written", hint="is there room left on the disk?")
            refuse_full_disk(self.partial)

    def _complete(self) -> None:
        if self._encoder is not None:
            self._encoder = None
            self._file.__exit__(None, None, None)

    def _abandon(self, encoder: Encoder, error: BaseException) -> None:
        """Closes the file so that it plays, and never hides the error that ended the run."""
        self._encoder = None
        try:
            encoder.close()
        except (EnvironmentProblem, OSError) as second:
            error.add_note(f"the video could not be closed either: {second}")
        else:
            if self.n_images:
                error.add_note(f"what was drawn until then is in {self.partial}")
            else:
                self.partial.unlink(missing_ok=True)
        self._file.__exit__(_Abandoned, _Abandoned(), None)

    def _images_due(self, frame: Frame) -> int:
        """How many images the frame lasts on the screen: none where bins are shorter than an image."""
        if self._speed is None:
            return 1
        self._due += (frame.end_us - frame.start_us) * 1e-6 * self._fps / self._speed
        times = int(self._due + 1e-9)
        self._due -= times
        return times

    def _encode(self, image: UInt8[ndarray, "h w 3"], times: int) -> None:
        if self._encoder is None:
            raise ConfigError(f"{self.path} is not open", hint="with VideoSink(...) as video: ...")
        self._encoder.write(image, times)
        self.n_images += times


def playback_note(speed: float) -> str:
    """The playback speed of a video as text, empty in real time.

    >>> playback_note(0.25), playback_note(0.4), playback_note(1.0), playback_note(2.0)
    ('slow motion 1/4', 'slow motion 0.4x', '', 'fast motion 2x')
    """
    if abs(speed - 1) < 0.005:
        return ""
    if speed > 1:
        return f"fast motion {speed:.3g}x"
    parts = round(1 / speed)
    return f"slow motion 1/{parts}" if abs(parts * speed - 1) < 0.01 else f"slow motion {speed:.2g}x"


def video_of(
    path: Path,
    card: ModelCard,
    decider: CutoffDecider[Any],
    *,
    overwrite: bool,
    options: ViewOptions | None = None,
) -> VideoSink:
    """An overlay video for one network and one cutoff: continuous recognition in real time, else an image a step."""
    speed = 1.0 if card.onset else None
    return VideoSink(path, speed=speed, overwrite=overwrite, **overlay_options(card, decider, options))


def _make_video(card: ModelCard, decider: CutoffDecider[Any], options: ViewOptions) -> VideoSink:
    named = options.named.get("video")
    if named is not None and options.save is not None:
        raise ConfigError(f"two files for one video: {options.save}, {named}", hint="--save FILE is --view video=FILE")
    path = named or options.save
    assert path is not None  # without --save it is named, and a named one has a file
    return video_of(path, card, decider, overwrite=options.overwrite, options=options)


def _wish_video(options: ViewOptions) -> Wish:
    return Wish.no if options.save is None else Wish.yes


VIDEO = ViewKind(
    "an overlay video: --save FILE, or --view video=FILE", _make_video, (*CODECS, *ANIMATIONS), _wish_video
)


class _Abandoned(Exception):
    """Raised to keep the file from its final name: there was an error, or no image was drawn."""


def _check_path(path: Path) -> None:
    known = (*CODECS, *ANIMATIONS)
    if path.suffix.lower() not in known:
        raise ConfigError(f"{path}: no format is called {path.suffix!r}", hint=f"known are {' '.join(known)}")
    if not path.parent.is_dir():
        raise EnvironmentProblem(f"{path}: there is no folder {path.parent}", hint=f"mkdir -p {path.parent}")
