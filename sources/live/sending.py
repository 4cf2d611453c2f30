"""Sends a stream as datagrams, each when it is due."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

from spikecut.pipeline.events import EventBatch
from spikecut.sources.live.datagrams.base import Encoder
from spikecut.sources.live.pacing import Clock, Schedule

_GAP_US = 20_000_000  # a silence that takes no time


@dataclass(slots=True)
class Sent:
    """What was sent, and how many datagrams nobody took: only on one machine, or near it, is that known."""

    n_events: int = 0
    n_datagrams: int = 0
    n_refused: int = 0
    sensor_us: int = 0


def send(
    batches: Iterable[EventBatch],
    encoder: Encoder,
    transmit: Callable[[bytes], object],
    clock: Clock,
    speed: float | None,
) -> Generator[Sent, None, None]:
    """Sends a stream piece by piece, at `speed` times the pace of the sensor (None: as fast as possible).

    Yields the same count after every piece. However it ends, the datagrams that say so are sent.
    """
    sent, schedule, before = Sent(), None, None
    try:
        for piece in pieces(batches, encoder.slice_us):
            gap = piece.end_us - piece.start_us > encoder.slice_us
            if speed is not None:
                if schedule is None:
                    schedule = Schedule(clock.now_s(), piece.start_us, speed)
                elif before is not None and (piece.segment, piece.start_us) != (before.segment, before.end_us):
                    schedule = schedule.skipped(before.end_us, piece.start_us)
                if gap:
                    schedule = schedule.skipped(piece.start_us, piece.end_us)
                if (early_s := schedule.due_s(piece.end_us) - clock.now_s()) > 0:
                    clock.sleep_s(early_s)
            before = piece
            _transmit(encoder.datagrams(piece), transmit, sent)
            sent.n_events += len(piece)
            sent.sensor_us += 0 if gap else piece.end_us - piece.start_us
            yield sent
    finally:
        _transmit(encoder.ending(), transmit, Sent())  # who has received the first may be gone


def pieces(batches: Iterable[EventBatch], slice_us: int) -> Iterator[EventBatch]:
    """The same stream in pieces of at most so much time, with or without events; a silence of 20 s is one piece."""
    for batch in batches:
        at_us, n = batch.start_us, 0
        while at_us < batch.end_us:
            next_us = int(batch.t[n]) if n < len(batch) else batch.end_us
            end_us = next_us if next_us - at_us > _GAP_US else min(at_us + slice_us, batch.end_us)
            piece = batch.between(at_us, end_us)
            yield piece
            at_us, n = end_us, n + len(piece)


def _transmit(datagrams: Iterable[bytes], transmit: Callable[[bytes], object], sent: Sent) -> None:
    for data in datagrams:
        try:
            transmit(data)
        except ConnectionRefusedError:  # of the one before: nobody listens there
            sent.n_refused += 1
        sent.n_datagrams += 1
