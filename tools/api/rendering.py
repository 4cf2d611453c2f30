"""`spikecut.render`: what a network decides on a recording, as an overlay video."""

from os import PathLike, fspath
from pathlib import Path
from typing import Any

from spikecut.models.files.opening import load
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.files.arguments import check_path
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.representations.frame_sources import frames_of
from spikecut.pipeline.results import Decision
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.tools.api.recording import opened
from spikecut.tools.cutoff_lookup import rejecting_for, unfitted
from spikecut.tools.session.observing import observed, without_short_end
from spikecut.tools.session.opening import OpenNetwork
from spikecut.tools.views.video import video_of


def render(
    recording: Any,
    network: Any,
    cutoff: FittedCutoff | CutoffDecider[Any],
    path: str | PathLike[str],
    *,
    truth: str | None = None,
    overwrite: bool = False,
) -> tuple[Decision, ...]:
    """Writes an overlay video of a run, as `spikecut run --save`; returns the decisions in it.

    `recording` is whatever `run` takes, `network` a name, a path, or what `load_network` or `from_norse` gave. The
    suffix of `path` chooses the format: .mp4, .webm, .mkv, .avi, .webp or .gif. A network with an onset in its card is
    shown in real time and recognises continuously; of others every step is an image, and window follows window. `truth`
    is the name of the true class, which is marked. The file appears when it is complete.

    Raises:
        ConfigError: an unknown suffix or class, a file that is there, or a recording of another sensor.
        ModelError: if there is no such network, or the cutoff was fitted for another.
        EnvironmentProblem: if the video cannot be written here.

    >>> import spikecut
    >>> from tempfile import TemporaryDirectory
    >>> seven, rule = spikecut.DrawnDigit(7, seed=1), spikecut.confidence(0.9, horizon=30)
    >>> with TemporaryDirectory() as folder:
    ...     (decision,) = render(seven, "nmnist", rule, Path(folder, "seven.webp"), truth="7")
    ...     Path(folder, "seven.webp").stat().st_size > 10_000, decision.label
    (True, 7)
    """
    check_path(path, "a video")
    named = opened(network)
    stepper, card = load(named.weights) if named.loaded is None else named.loaded
    fitted = unfitted(card)
    if isinstance(cutoff, FittedCutoff):
        cutoff.check(card.weights_sha256, card.classes, card.spec.step_us)
        fitted, cutoff = cutoff, cutoff.cutoff
    if not hasattr(cutoff, "decide"):
        raise ConfigError(f"cutoff: found a {type(cutoff).__name__}; expected a FittedCutoff or a rule")
    open_network = OpenNetwork(card, stepper, cutoff, rejecting=rejecting_for(None, fitted, card))
    decisions = []
    with video_of(Path(fspath(path)), card, cutoff, overwrite=overwrite) as video:
        video.begin(Path(recording).name if isinstance(recording, str | PathLike) else "", truth)
        items = observed(frames_of(recording, stepper), open_network)
        for item in items if card.onset else without_short_end(items, card, lambda line: None):
            video.write(item)
            if isinstance(item, Decision):
                decisions.append(item)
    return tuple(decisions)
