"""`spikecut run`: one recording, classified as it plays, as early as the evidence allows."""

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from spikecut.pipeline.errors import ConfigError, EmptyRecording, printable
from spikecut.pipeline.results import Step
from spikecut.sources.datasets.base import INPUTS
from spikecut.sources.datasets.labelled_events import LabelledEvents, empty_sentence
from spikecut.sources.live.pacing import Clock, Lag, WallClock, paced
from spikecut.tools.reading_options import read_options
from spikecut.tools.session.observing import Stopwatch, Tally, observed, until_answered, without_short_end
from spikecut.tools.session.opening import open_network, open_stream, open_views, view_options
from spikecut.tools.session.run_image import run_picture
from spikecut.tools.session.summarising import Effort, Report, totals_text
from spikecut.tools.views.base import Closed

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
        if shown.save is not None or shown.speed is not None or shown.window or shown.named:
            raise ConfigError("a picture stands still: there is nothing to film or to play", hint="spikecut why draws")
        return run_picture(options.file, network, as_json=options.json)
    stream = open_stream(options.file, network, read_options(options))
    tally, lag, stopwatch = Tally(), Lag(), Stopwatch()
    labelled = LabelledEvents((stream.spans or ()) if read_options(options).is_whole else ())
    frames = labelled.over(stream.frames)
    if shown.speed is not None:
        frames = paced(frames, shown.speed, clock or WallClock(), lag)
    report = Report(stream, tally, as_json=options.json)
    started = time.perf_counter()
    with ExitStack() as stack:
        views = open_views(network, shown, stack)
        items = observed(tally.over(frames), network)
        if options.once:
            items = until_answered(items, and_its_rest=bool(views))
        if not network.card.onset:
            items = without_short_end(items, network.card)
        for view in views:
            view.begin(stream.path.name, stream.class_name)
        try:
            for item in stopwatch.over(items):
                report.write(item)
                for view in views:
                    if stream.spans is not None and isinstance(item, Step) and item.index == 0:
                        view.expect(stream.class_at(item.frame.end_us))
                    view.write(item)
        except Closed as reason:
            print(printable(str(reason)), file=sys.stderr)
            labelled = LabelledEvents(())  # what was not played may well have events
        if not tally.n_events and not tally.lost:
            raise EmptyRecording(stream.path, f"no events in this {stream.format} recording")
        summary = report.finish(complete=not options.once)
        for view in views:
            view.finish(summary)
    files = tuple(target for target in (shown.save, *shown.named.values()) if target is not None)
    effort = Effort(stopwatch.seconds, time.perf_counter() - started, shown.speed, lag, bool(views), files)
    for line in totals_text(stream, summary, tally, effort):
        print(printable(line), file=sys.stderr)
    empty = [] if options.once else labelled.empty
    for span in empty:
        print(printable(f"{stream.path}: {empty_sentence(span)}"), file=sys.stderr)
    return 3 if tally.lost.damage or empty else 0
