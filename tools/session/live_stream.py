"""Opens a live source for `spikecut run`: what comes once, at its own time."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from spikecut.pipeline.errors import ConfigError, printable
from spikecut.sources.datasets.gesture_labels import SessionLabels
from spikecut.sources.formats.base import Recording
from spikecut.sources.live.inputs import SOURCES, live_input, word_of
from spikecut.sources.live.inputs.base import Wanted
from spikecut.sources.live.inputs.waiting import Waiting
from spikecut.sources.live.pacing import Clock
from spikecut.tools.reading_options import read_options
from spikecut.tools.session.opening import OpenNetwork, OpenStream, labels_for, stream_of

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.run import Run


def check_live(options: "Run") -> None:
    """Refuses flags that live sources do not have, and flags of live sources for a recording.

    Raises:
        ConfigError: naming the flag.
    """
    files = (options.file, *options.more)
    rows = {word_of(file): row for file in files if (row := live_input(file, follow=options.follow)) is not None}
    for row in rows.values() if options.loop else ():
        raise ConfigError(f"--loop: what is live, such as {row.name}, comes once", hint="leave --loop out")
    if options.follow and (words := [word_of(one) for one in files if live_input(one, follow=False) is not None]):
        raise ConfigError(f"--follow {words[0]}: it is no file that is being written", hint="leave --follow out")
    for word, row in rows.items():
        if row.once and sum(word_of(file) == word for file in files) > 1:
            raise ConfigError(f"{word} twice: {row.name} can be read once", hint="name it once")
    given = {"--format": options.format, "--idle-timeout": options.idle_timeout}
    for flag, value in given.items():
        if not rows and value is not None:
            forms = ", ".join(one.form for one in SOURCES.values())
            raise ConfigError(f"{flag} {value}: {options.file} is no live source", hint=f"live sources: {forms}")


def is_live(options: "Run") -> bool:
    """Whether the file of the options is a live source, which may have to be waited for."""
    return live_input(options.file, follow=options.follow) is not None


@contextmanager
def open_live(
    options: "Run", network: OpenNetwork, stopped: Callable[[], bool], clock: Clock, max_gap_us: int | None
) -> Iterator[OpenStream]:
    """The stream of a live source, for a network, while it lasts. It is waited for until its sensor is known.

    Raises:
        SourceError: if nothing can be read from it.
        ConfigError: if it has no such format, or its sensor does not fit the network.
    """
    row = live_input(options.file, follow=options.follow)
    assert row is not None
    reading = read_options(options)
    waiting = Waiting(clock, stopped, options.idle_timeout)
    if row.own_pace:
        print(printable(f"waiting for {row.name}: {word_of(options.file)}"), file=sys.stderr, flush=True)
    live = row.open(Wanted(word_of(options.file), reading, network.card.sensor, waiting, options.format))

    def whole(start_us: int) -> Recording:
        return live.recording

    try:
        stream = stream_of(live.recording, whole, network, reading, max_gap_us, is_checked=not row.own_pace)
        given = None if live.spans is None else labels_for(SessionLabels(live.spans, ()), network.card)
        spans = stream.spans if given is None else given.spans
        simulated = row is SOURCES["drawn"] or (row is SOURCES["follow"] and stream.simulated)
        yield replace(stream, path=options.file, live=live, spans=spans, waiting=waiting, simulated=simulated)
    finally:
        live.close()
