"""`spikecut send`: a recording as datagrams, to another program or machine."""

import json
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

from spikecut.pipeline.drop_counts import NOTHING_LOST
from spikecut.pipeline.errors import ConfigError, EmptyRecording
from spikecut.pipeline.events import EventBatch
from spikecut.pipeline.files.strict import did_you_mean
from spikecut.sources.formats.open import open_with
from spikecut.sources.live.datagrams import LAYOUTS
from spikecut.sources.live.inputs.addresses import Address, connected, sending_problem
from spikecut.sources.live.pacing import Clock, WallClock, parse_speed
from spikecut.sources.live.sending import Sent, send
from spikecut.tools.reading_options import read_options

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator

    from spikecut.tools.commands.files.send import Send


def run_send(options: "Send", *, clock: Clock | None = None) -> int:
    """The command: what was sent to stdout, 3 if the recording was damaged.

    Raises:
        ConfigError: if the address, the layout or the speed is none.
        EmptyRecording: if there is not a single event.
    """
    address, speed = Address.of(options.to), parse_speed(options.speed)
    if options.format not in LAYOUTS:
        known = ", ".join(LAYOUTS)
        raise ConfigError(
            f"there is no layout of datagrams {options.format!r}",
            hint=did_you_mean(options.format, LAYOUTS, otherwise=f"known are {known}"),
        )
    recording = open_with(options.file, read_options(options))
    encoder = LAYOUTS[options.format].encoder(recording.sensor)
    lost, sent, started_s, ended = NOTHING_LOST, Sent(), time.monotonic(), "end"

    def counted(batches: "Iterable[EventBatch]") -> "Iterator[EventBatch]":
        nonlocal lost
        for batch in batches:
            lost += batch.lost
            yield batch

    with closing(connected(address)) as sender:
        sending = send(counted(recording), encoder, _way_to(address, sender), clock or WallClock(), speed)
        try:
            with closing(sending):
                for sent in sending:  # noqa: B007  # the last one counts
                    pass
        except BaseException as error:
            ended = "interrupted" if isinstance(error, KeyboardInterrupt) else "error"
            raise
        finally:
            if sent.n_events or ended == "interrupted":
                _say(options, sent, time.monotonic() - started_s, ended)
    if not sent.n_events:
        raise EmptyRecording(options.file, f"no events in this {recording.format} recording")
    if damage := lost.damage:
        causes = ", ".join(f"{n} {cause}" for cause, n in damage.events_by_cause().items())
        print(f"damaged: {damage.total} events were not sent ({causes}); spikecut info says where", file=sys.stderr)
    return 3 if lost.damage else 0


def _way_to(address: Address, sender: "socket.socket") -> "Callable[[bytes], object]":
    """Sends a datagram; a way that ends meanwhile is an error that names the address."""

    def transmit(data: bytes) -> object:
        try:
            return sender.send(data)
        except ConnectionRefusedError:
            raise
        except OSError as error:
            raise sending_problem(address, error) from error

    return transmit


def _say(options: "Send", sent: Sent, wall_s: float, ended: str) -> None:
    """What was sent, and what nobody took."""
    if options.json:
        counts = {"events": sent.n_events, "datagrams": sent.n_datagrams, "refused": sent.n_refused}
        print(json.dumps({"sent": counts | {"wall_s": round(wall_s, 3), "ended": ended}}))
    else:
        print(
            f"sent {sent.n_events:,} events in {sent.n_datagrams:,} datagrams, {sent.sensor_us / 1e6:.2f} s of stream"
        )
    if sent.n_refused:
        print(
            f"{sent.n_refused:,} datagrams were refused: nothing listened at {options.to} "
            f"(begin with: spikecut run {options.to})",
            file=sys.stderr,
        )
