"""`spikecut run`: one recording, classified as it plays, as early as the evidence allows."""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from spikecut.pipeline.errors import ConfigError, EmptyRecording, printable
from spikecut.pipeline.events import Frame
from spikecut.pipeline.results import Item, Step
from spikecut.sources.datasets.base import INPUTS
from spikecut.sources.datasets.labelled_events import LabelledEvents, empty_sentence
from spikecut.sources.live.controls import Controls
from spikecut.sources.live.pacing import Clock, Lag, WallClock
from spikecut.sources.live.playing import Player
from spikecut.tools.cutoff_lookup import level_for
from spikecut.tools.reading_options import read_options
from spikecut.tools.rejection_rates import level_object, rates_text
from spikecut.tools.session.observing import Stopwatch, Tally, observed, until_answered, without_short_end
from spikecut.tools.session.opening import OpenNetwork, OpenStream, open_network, open_stream, open_views, view_options
from spikecut.tools.session.run_image import run_picture
from spikecut.tools.session.summarising import Effort, Report, gaps_text, totals_text
from spikecut.tools.session.terminal_keys import terminal_keys
from spikecut.tools.views.base import Closed, Judging, Listening, View, ViewOptions

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.run import Run


def run_run(options: "Run", *, clock: Clock | None = None) -> int:
    """The command: decisions to stdout, a summary to stderr; 3 if the recording was damaged.

    Networks whose card has an onset recognise continuously; the others decide window after window. A network for
    pictures decides once.

    Raises:
        ConfigError: if the speed is invalid, there is no such view, or a speed or a view is given for a picture.
        EmptyRecording: if there is not a single event.
    """
    shown = view_options(options)
    network = open_network(options)
    if INPUTS[network.card.spec.input_kind].still:
        if shown.save is not None or shown.controls.speed is not None or shown.window or shown.named or options.loop:
            raise ConfigError("a picture stands still: there is nothing to film or to play", hint="spikecut why draws")
        return run_picture(options.file, network, as_json=options.json)
    say_level(options, network)
    max_gap_us = None if options.max_gap is None else round(options.max_gap * 1e6)
    stream = open_stream(options.file, network, read_options(options), max_gap_us=max_gap_us)
    return _play(stream, options, shown, clock or WallClock())


def _play(stream: OpenStream, options: "Run", shown: ViewOptions, clock: Clock) -> int:
    """Plays a stream to its end, or until the viewer ends it; returns the exit code."""
    controls, speed = shown.controls, shown.controls.speed
    tally, lag, stopwatch = Tally(), Lag(), Stopwatch()
    labelled = LabelledEvents((stream.spans or ()) if read_options(options).is_whole else ())
    player = Player(lambda start_us: labelled.over(stream.read(start_us)), clock, controls, options.loop)
    report = Report(stream, tally, as_json=options.json)
    started = time.perf_counter()
    with ExitStack() as stack:
        views = open_views(stream.network, shown, stack)
        player.idle = lambda: _idle(views, controls)
        if speed is not None:
            stack.enter_context(terminal_keys(controls))
        items = _items(tally.over_bins(player, clock, lag), options, stream.network, shows_rest=bool(views))
        try:
            _watch(stopwatch.over(items), report, views, controls)
        except Closed as reason:
            print(printable(str(reason)), file=sys.stderr)
            labelled = LabelledEvents(())  # what was not played may well have events
        if not tally.n_events and not tally.lost:
            raise EmptyRecording(stream.path, f"no events in this {stream.format} recording")
        summary = report.finish(complete=not options.once)
        for view in views:
            view.finish(summary)
    files = tuple(target for target in (shown.save, *shown.named.values()) if target is not None)
    effort = Effort(stopwatch.seconds, time.perf_counter() - started, controls.speed, lag, bool(views), files)
    for line in (*totals_text(stream, summary, tally, effort), *gaps_text(player)):
        print(printable(line), file=sys.stderr)
    empty = [] if options.once or player.n_jumps else labelled.empty
    for span in empty:
        print(printable(f"{stream.path}: {empty_sentence(span)}"), file=sys.stderr)
    return 3 if tally.lost.damage or empty else 0


def _items(frames: Iterator[Frame], options: "Run", network: OpenNetwork, *, shows_rest: bool) -> Iterator[Item]:
    """The items of the loop, up to the first decision with `--once`."""
    items = observed(frames, network)
    if options.once:
        items = until_answered(items, and_its_rest=shows_rest)
    return items if network.card.onset else without_short_end(items, network.card)


def _watch(items: Iterable[Item], report: Report, views: Sequence[View], controls: Controls) -> None:
    """Prints and shows every item.

    Raises:
        Closed: when the viewer ends it.
    """
    stream, playing = report.stream, None
    for item in items:
        _end_if_stopped(controls)
        if report.tally.playing != playing:
            playing = report.tally.playing
            for view in views:
                view.begin(stream.path.name, stream.class_name)
        report.write(item)
        for view in views:
            if stream.spans is not None and isinstance(item, Step) and item.index == 0:
                view.expect(stream.class_at(item.frame.end_us))
            if report.verdict is not None and isinstance(view, Judging):
                view.judge(*report.verdict)
            view.write(item)
    _end_if_stopped(controls)


def _idle(views: Sequence[View], controls: Controls) -> None:
    """Lets views listen to keys."""
    for view in views:
        if isinstance(view, Listening):
            view.idle()
    _end_if_stopped(controls)


def _end_if_stopped(controls: Controls) -> None:
    if controls.stopped:
        raise Closed("stopped with q")


def say_level(options: "Run", network: OpenNetwork) -> None:
    """Says at the beginning which level of sensitivity is used, with its two measured rates, where there is one."""
    level = None if network.fitted is None else level_for(options.sensitivity, network.fitted, network.card)
    if level is not None and options.json:
        print(json.dumps({"sensitivity": level_object(*level)}), flush=True)
    elif level is not None:
        print(rates_text(*level), file=sys.stderr)
