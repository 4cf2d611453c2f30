"""`spikecut label`: a recording plays, keys mark what it shows, and the marks are saved as its label file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spikecut.pipeline.errors import ConfigError, printable
from spikecut.pipeline.files.atomic_files import refuse_existing, write_text
from spikecut.sources.datasets.gesture_labels import GESTURES, GestureSpan, Movement, labels_beside, text_of
from spikecut.sources.live.bin_file import is_bin_file
from spikecut.sources.live.inputs import live_input
from spikecut.sources.live.marks import Mark, Marks, key_hints
from spikecut.sources.live.pacing import Clock, WallClock, parse_speed
from spikecut.tools.reading_options import read_options
from spikecut.tools.session.opening import open_network, open_stream
from spikecut.tools.session.output import Output
from spikecut.tools.session.playing import Playing
from spikecut.tools.views.base import ViewOptions

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.label import Label


def run_label(options: "Label", *, clock: Clock | None = None) -> int:
    """The command: plays the recording, and writes the marks, however playing ended.

    Raises:
        ConfigError: if the speed is max, it is no file of events, the label file exists, or classes cannot be marked.
        EmptyRecording: if there is not a single event.
    """
    speed = parse_speed(options.speed)
    if speed is None:
        raise ConfigError("--speed max: nobody can mark what passes that fast", hint="--speed 1, or 0.5")
    if live_input(options.file, follow=False) is not None or is_bin_file(options.file):
        raise ConfigError(
            f"label {options.file}: marks are of the events of a file; expected a recording or a video",
            hint="label the recording that it comes from",
        )
    target = options.out or labels_beside(options.file)
    refuse_existing(target, overwrite=options.overwrite)
    marks = Marks(speed, classes=options.classes or GESTURES)
    network = open_network(options.playing())
    stream = open_stream(options.file, network, read_options(options))
    shown = ViewOptions(window={"auto": None, "on": True, "off": False}[options.window], controls=marks)
    playing = Playing(stream, options.playing(), shown, clock or WallClock(), Output())
    marks.now_us = lambda: playing.tally.end_us
    print(f"keys of classes: {printable(key_hints(marks.classes))}", file=sys.stderr)
    try:
        return playing.run()
    finally:
        _save(target, marks.finish(playing.tally.end_us), overwrite=options.overwrite)


def _save(target: Path, marks: tuple[Mark, ...], *, overwrite: bool) -> None:
    """Writes a label file: gestures by their number, other classes by their names; without a mark it writes none."""
    if not marks:
        print("no marks, so no file was written", file=sys.stderr)
        return
    numbers = {name: number for number, name in enumerate(GESTURES)}
    spans = [GestureSpan(numbers[one.name], one.start_us, one.end_us) for one in marks if one.name in numbers]
    others = [Movement(one.name, one.start_us, one.end_us) for one in marks if one.name not in numbers]
    write_text(target, text_of(spans, others), overwrite=overwrite)
    print(printable(f"{len(marks)} marks -> {target}"), file=sys.stderr)
