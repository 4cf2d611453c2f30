"""`spikecut run`: one recording, classified as it plays, as early as the evidence allows."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from spikecut.pipeline.errors import ConfigError
from spikecut.sources.datasets.base import INPUTS
from spikecut.sources.live.bin_file import is_bin_file
from spikecut.sources.live.inputs import live_input
from spikecut.sources.live.pacing import Clock, WallClock
from spikecut.tools.cutoff_lookup import level_for
from spikecut.tools.frame_streams import usual_network
from spikecut.tools.reading_options import read_options
from spikecut.tools.rejection_rates import level_object, rates_text
from spikecut.tools.session.live_stream import check_live, open_live
from spikecut.tools.session.many import play_many
from spikecut.tools.session.opening import (
    STREAMS,
    OpenNetwork,
    open_network,
    open_stream,
    view_options,
)
from spikecut.tools.session.output import Output
from spikecut.tools.session.playing import Playing
from spikecut.tools.session.recorded import open_recorded
from spikecut.tools.session.run_image import run_picture
from spikecut.tools.session.signals import End
from spikecut.tools.views.base import ViewOptions

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.run import Run


def run_run(options: "Run", *, clock: Clock | None = None) -> int:
    """The command: decisions to stdout, a summary to stderr; 3 if the recording was damaged.

    Networks whose card has an onset recognise continuously; the others decide window after window. A network for
    pictures decides once. Several recordings play at the same time, on one network.

    Raises:
        ConfigError: if the speed is invalid, there is no such view, a speed or a view is given for a picture, what a
            live source does not have, or several recordings are pictures or are for different networks.
        EmptyRecording: if there is not a single event.
    """
    check_live(options)
    clock = clock or WallClock()
    shown = view_options(options)
    network = open_network(options)
    _check_same_network(options)
    if INPUTS[network.card.spec.input_kind].still:
        if options.more or options.record or options.loop or _shows_motion(shown):
            raise ConfigError(
                "a picture stands still: there is nothing to film or to play, and one is judged at a time",
                hint="spikecut why draws",
            )
        return run_picture(options.file, network, as_json=options.json)
    paced = [shown, *(view_options(replace(options, file=file)) for file in options.more)]
    if options.when_full != "block" and not any(one.controls.is_paced for one in paced):
        raise ConfigError(
            f"--when-full {options.when_full} without a pace: nothing is ever late at --speed max",
            hint="--speed 1, or spikecut live",
        )
    say_level(options, network)
    if options.more:
        return play_many(options, network, clock, _opened)
    with _opened(options, network, clock, Output(), None) as playing:
        return playing.run()


def _shows_motion(shown: ViewOptions) -> bool:
    is_watched = bool(shown.window) or shown.web or shown.listen is not None or bool(shown.named)
    return is_watched or shown.save is not None or shown.controls.speed is not None


@contextmanager
def _opened(options: "Run", network: OpenNetwork, clock: Clock, output: Output, end: End | None) -> Iterator[Playing]:
    """One recording or live source before a network, ready to play."""
    max_gap_us = None if options.max_gap is None else round(options.max_gap * 1e6)
    reading, shown = read_options(options), view_options(options)
    interrupted = None if end is None else end.check
    if shown.controls.live:

        def stopped() -> bool:
            return shown.controls.stopped or bool(end)

        with open_live(options, network, stopped, clock, max_gap_us) as live:
            yield Playing(live, options, shown, clock, output, interrupted)
        return
    if is_bin_file(options.file):
        if max_gap_us is not None:
            raise ConfigError("--max-gap: bins that were kept have the gaps that they had", hint="leave it out")
        stream = open_recorded(options.file, network, reading)
    else:
        stream = open_stream(options.file, network, reading, max_gap_us=max_gap_us)
    yield Playing(stream, options, shown, clock, output, interrupted)


def say_level(options: "Run", network: OpenNetwork) -> None:
    """Says at the beginning which level of sensitivity is used, with its two measured rates, where there is one."""
    level = None if network.fitted is None else level_for(options.sensitivity, network.fitted, network.card)
    if level is not None and options.json:
        print(json.dumps({"sensitivity": level_object(*level)}), flush=True)
    elif level is not None:
        print(rates_text(*level), file=sys.stderr)


def _usual(options: "Run", file: Path) -> str:
    """The network for a recording; that for streams where the file is a live source."""
    is_file = live_input(file, follow=options.follow) is None
    return usual_network(file, read_options(options)) if is_file else STREAMS


def _check_same_network(options: "Run") -> None:
    """Refuses several recordings that are not for one network, where none is given.

    Raises:
        ConfigError: naming the first recording that is for another one.
    """
    if options.model is not None or not options.more:
        return
    first = _usual(options, options.file)
    for path in options.more:
        if (other := _usual(options, path)) != first:
            raise ConfigError(
                f"{options.file} is for the network {first!r}, {path} for {other!r}; several streams share one",
                hint="--model says which",
            )
