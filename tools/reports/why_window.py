"""The window of a recording that `spikecut why` explains: its frames, and what is labelled in it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from jaxtyping import Float32
from numpy import ndarray

from spikecut.models.card import ModelCard
from spikecut.models.spec import InputKind
from spikecut.pipeline.errors import ConfigError, EmptyRecording
from spikecut.pipeline.events import Frame
from spikecut.pipeline.fit import Fits
from spikecut.sources.datasets.frames import on_sensor
from spikecut.sources.datasets.gesture_labels import GestureSpan
from spikecut.sources.formats.base import ReadOptions
from spikecut.tools.frame_streams import look_at, open_for, say_fits
from spikecut.tools.session.opening import labels_of

FULL_WINDOW = "full window"


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The frames of one window, and a title for them.

    `spans` are the labelled classes in it, in the clock of the frames; `truth` is the label of most of the labelled
    time, None where nothing is labelled. `fit` says how another sensor is shown to the network, empty for its own.
    """

    frames: tuple[Frame, ...]
    title: str
    truth: int | None = None
    spans: tuple[GestureSpan, ...] = ()
    fit: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one rule: the class, the number of steps, and whether the full window agrees."""

    rule: str
    label: int
    steps: int
    as_full: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """A rule's score after every step, and the threshold that it must exceed there; None for a rule without any."""

    rule: str
    scores: tuple[float, ...]
    thresholds: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Why each rule answered what and when: the summed outputs after every step, and the answers.

    The first answer is that of the full window. `rule` is the one whose answer stands out: the network's default, or
    the first, or the full window. `trace` is its score, None if it has none.
    """

    window: Window
    card: ModelCard
    totals: Float32[ndarray, "T K"]
    answers: tuple[Answer, ...]
    rule: str
    trace: Trace | None

    @property
    def main(self) -> Answer:
        """The answer of `rule`."""
        return next(one for one in self.answers if one.rule == self.rule)

    @property
    def stops(self) -> bool:
        """Whether a rule stands out, not the full window."""
        return self.rule != FULL_WINDOW


def window_of(path: Path, card: ModelCard, start_s: float, reading: ReadOptions) -> Window:
    """The first window of a recording from `start_s` seconds on, or that of a picture.

    Raises:
        ConfigError: if a start is given for a picture.
        EmptyRecording: if no bin is left from the start on.
    """
    window = _WINDOWS[card.spec.input_kind](path, card, start_s, reading)
    if not window.frames:
        raise EmptyRecording(path, f"no events from {start_s:g} s on")
    return window


def labelled(frames: tuple[Frame, ...], title: str, spans: tuple[GestureSpan, ...], fit: str = "") -> Window:
    """A window with those of the labelled spans that lie in it."""
    if not frames:
        return Window(frames, title, fit=fit)
    start_us, end_us = frames[0].start_us, frames[-1].end_us
    inside = tuple(one for one in spans if one.start_us < end_us and start_us < one.end_us)
    lengths = [min(one.end_us, end_us) - max(one.start_us, start_us) for one in inside]
    truth = inside[lengths.index(max(lengths))].label if inside else None
    return Window(frames, title, truth, inside, fit)


def _stream_window(path: Path, card: ModelCard, start_s: float, reading: ReadOptions) -> Window:
    fits = Fits()
    recording, binner = open_for(path, card, reading, fits)
    say_fits(fits, reading)
    n_skipped = round(start_s * 1e6 / card.spec.step_us)
    bins = on_sensor(binner.bins(recording), str(path), recording.sensor)
    frames = tuple(islice(bins, n_skipped, n_skipped + card.horizon))
    title = f"{path.name} from {start_s:g} s"
    if path.parent.name in card.classes:
        return Window(frames, title, card.classes.index(path.parent.name), fit=str(fits))
    labels = labels_of(path, card)
    return labelled(frames, title, () if labels is None else labels.spans, str(fits))


def _image_window(path: Path, card: ModelCard, start_s: float, reading: ReadOptions) -> Window:
    if start_s:
        raise ConfigError(f"a start at {start_s:g} s in a picture, which stands still")
    frames, class_name = look_at(path, card)
    truth = card.classes.index(class_name) if class_name in card.classes else None
    return Window(tuple(frames), path.name, truth)


_WINDOWS: dict[InputKind, Callable[[Path, ModelCard, float, ReadOptions], Window]] = {
    "events": _stream_window,
    "images": _image_window,
}
