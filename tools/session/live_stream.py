"""Opens a live source for `spikecut run`: what comes once, at its own time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from spikecut.pipeline.errors import ConfigError, printable
from spikecut.sources.datasets.gesture_labels import GESTURES
from spikecut.sources.formats.base import Recording
from spikecut.sources.live.controls import Controls
from spikecut.sources.live.inputs import SOURCES, live_input, word_of
from spikecut.sources.live.inputs.base import Wanted
from spikecut.sources.live.inputs.waiting import Waiting
from spikecut.sources.live.pacing import Clock
from spikecut.tools.reading_options import read_options
from spikecut.tools.session.opening import OpenNetwork, OpenStream, stream_of

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.run import Run


def check_live(options: "Run") -> None:
    """Refuses flags that live sources do not have, and flags of live sources for a recording.

    Raises:
        ConfigError: naming the flag.
    """
    row = live_input(options.file, follow=options.follow)
    if options.more and (
        live := [one for one in (options.file, *options.more) if live_input(one, follow=options.follow)]
    ):
        raise ConfigError(
            f"{word_of(live[0])} beside others: several streams are recordings; a live source is watched alone",
            hint="one command for each live source",
        )
    if row is not None and options.loop:
        raise ConfigError(f"--loop: {row.name} comes only once", hint="leave --loop out")
    given = {"--format": options.format, "--idle-timeout": options.idle_timeout}
    for flag, value in given.items():
        if row is None and value is not None:
            forms = ", ".join(one.form for one in SOURCES.values())
            raise ConfigError(f"{flag} {value}: {options.file} is no live source", hint=f"live sources: {forms}")


@contextmanager
def open_live(
    options: "Run", network: OpenNetwork, controls: Controls, clock: Clock, max_gap_us: int | None
) -> Iterator[OpenStream]:
    """The stream of a live source, for a network, while it lasts. It is waited for until its sensor is known.

    Raises:
        SourceError: if nothing can be read from it.
        ConfigError: if it has no such format, or its sensor does not fit the network.
    """
    row = live_input(options.file, follow=options.follow)
    assert row is not None
    reading = read_options(options)
    waiting = Waiting(clock, lambda: controls.stopped, options.idle_timeout)
    if row.own_pace:
        print(printable(f"waiting for {row.name}: {word_of(options.file)}"), file=sys.stderr, flush=True)
    live = row.open(Wanted(word_of(options.file), reading, network.card.sensor, waiting, options.format))

    def whole(start_us: int) -> Recording:
        return live.recording

    try:
        stream = stream_of(live.recording, whole, network, reading, max_gap_us, is_checked=not row.own_pace)
        spans = stream.spans if live.spans is None or network.card.classes[: len(GESTURES)] != GESTURES else live.spans
        yield replace(stream, path=options.file, live=live, spans=spans, waiting=waiting)
    finally:
        live.close()
