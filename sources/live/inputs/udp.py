"""Events in datagrams (UDP): our own layout, and those of AEStream, SPIF and faery (`sources.live.datagrams`).

Whatever arrives, nothing raises: what is no datagram of the layout is counted and left out. Our own says which are
missing; of the others only disorder of times can be noticed. Words without times have that of their arrival.
"""

import socket
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spikecut.pipeline.drop_counts import NOTHING_LOST, DropCause, DropCounts
from spikecut.pipeline.errors import ConfigError, EmptyRecording, SpikecutWarning
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.files.strict import did_you_mean
from spikecut.sources.formats.base import Recording
from spikecut.sources.formats.open import as_wanted
from spikecut.sources.formats.reading.known_sensors import assumed
from spikecut.sources.formats.reading.ordering import Chunk, in_order, nothing
from spikecut.sources.live.datagrams import LAYOUTS
from spikecut.sources.live.datagrams.base import WordLayout
from spikecut.sources.live.datagrams.own import Datagram, decoded
from spikecut.sources.live.datagrams.sequence import Assembly, Counts
from spikecut.sources.live.inputs.addresses import Address, bound
from spikecut.sources.live.inputs.base import Wanted
from spikecut.sources.live.inputs.waiting import Waiting

_POLL_S = 0.01
_MOST_BYTES = 1 << 16
_CIRCLE, _HALF = 1 << 32, 1 << 31


@dataclass(slots=True)
class Receiver:
    """Datagrams from a socket; None again and again while there is none."""

    receiver: socket.socket
    waiting: Waiting
    counts: Counts = field(default_factory=Counts)

    def __iter__(self) -> Iterator[bytes | None]:
        while True:
            data = self._received(0.0)
            if data is None:
                if not self.waiting.goes_on():
                    return
                data = self._received(_POLL_S)
            if data is None:
                yield None
                continue
            self.waiting.came()
            self.counts.received += 1
            yield data
            if self.waiting.stopped():
                return

    def _received(self, timeout_s: float) -> bytes | None:
        """A datagram, if one is there or comes within that time."""
        try:
            self.receiver.settimeout(timeout_s)
            return self.receiver.recv(_MOST_BYTES)
        except OSError:  # none came, or the other thread has closed the socket
            return None


@dataclass(frozen=True, slots=True)
class UdpSource:
    """An open socket, and the recording that comes through it."""

    recording: Recording
    incoming: Receiver
    spans: None = None

    def transport(self) -> Mapping[str, int] | None:
        return self.incoming.counts.as_object()

    def notes(self) -> list[str]:
        counts = self.incoming.counts.as_object()
        received = counts.pop("received")
        words = ", ".join(f"{n:,} {name}" for name, n in counts.items() if n)
        notes = [f"datagrams: {received:,} received: {words or '0 used'}"]
        if counts["lost"]:
            granted = self.incoming.receiver.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2048
            notes.append(
                f"the buffer of this socket holds {granted:,} kB; if datagrams are lost on one machine: "
                "sysctl -w net.core.rmem_max=8388608, or a slower sender"
            )
        return [*notes, *self.incoming.waiting.notes()]

    def close(self) -> None:
        self.incoming.receiver.close()


@dataclass(frozen=True, slots=True)
class OwnRecording:
    """The stream of one sender of our own layout, from its first datagram on."""

    path: Path
    sensor: SensorSize
    incoming: Receiver
    assembly: Assembly
    first: Datagram
    format: str = "datagrams of spikecut"

    def __iter__(self) -> Iterator[EventBatch]:
        clock, assembly = self.incoming.waiting.clock, self.assembly
        yield from assembly.take(self.first, clock.now_s())
        for data in self.incoming if not assembly.is_over else ():
            one = None if data is None else decoded(data)
            if one is not None:
                yield from assembly.take(one, clock.now_s())
            elif data is None:
                yield from assembly.waited(clock.now_s())
            else:
                assembly.malformed(len(data))
            if assembly.is_over:
                break
        yield from assembly.finish()


@dataclass(frozen=True, slots=True)
class WordRecording:
    """The stream of words of a layout."""

    path: Path
    sensor: SensorSize
    incoming: Receiver
    words: WordLayout
    format: str

    def __iter__(self) -> Iterator[EventBatch]:
        if self.words.time_bits:
            return in_order(self._chunks(), self.sensor, self.path)
        return self._by_arrival()

    def _chunks(self) -> Iterator[Chunk]:
        """The events of every datagram, with times past the end of 32 bits."""
        clock_us: int | None = None
        for data in self.incoming:
            if data is None:
                continue
            chunk = self._unpacked(data)
            if self.words.time_bits == 32 and len(chunk.t):
                last_us = int(chunk.t[0]) if clock_us is None else clock_us
                step = (chunk.t - last_us + _HALF) % _CIRCLE - _HALF
                chunk = Chunk(last_us + step, chunk.x, chunk.y, chunk.p, chunk.lost)
                clock_us = int(chunk.t[-1])
            yield chunk

    def _by_arrival(self) -> Iterator[EventBatch]:
        """Time begins with the first datagram and goes on in silence."""
        clock, first_s, end_us = self.incoming.waiting.clock, None, 0
        for data in self.incoming:
            if data is None and first_s is None:
                continue
            now_s = clock.now_s()
            first_s = now_s if first_s is None else first_s
            chunk = nothing() if data is None else self._unpacked(data)
            time_us = max(end_us, round((now_s - first_s) * 1e6))
            inside = (chunk.x < self.sensor.width) & (chunk.y < self.sensor.height)
            lost = chunk.lost + DropCounts.of(DropCause.outside_sensor, int((~inside).sum()))
            t = np.full(int(inside.sum()), time_us, np.int64)
            x, y, p = chunk.x[inside], chunk.y[inside], chunk.p[inside]
            start_us, end_us = end_us, time_us + bool(len(t))
            yield EventBatch(t, x, y, p, start_us, end_us, self.sensor, 0, lost)

    def _unpacked(self, data: bytes) -> Chunk:
        """The events of one datagram; one that is cut or of another layout is counted as one event."""
        columns = self.words.unpack(data) if data and len(data) % self.words.n_bytes == 0 else None
        if columns is None:
            self.incoming.counts.malformed += 1
            return nothing(DropCounts.of(DropCause.unreadable, 1, len(data)))
        self.incoming.counts.used += 1
        return Chunk(*columns, NOTHING_LOST)


def open_udp(wanted: Wanted) -> UdpSource:
    """The stream of datagrams that are sent to an address of this machine; our own is waited for until its first.

    Raises:
        ConfigError: if there is no such address or layout.
        EnvironmentProblem: if the port is in use.
        EmptyRecording: if nothing came in time.
    """
    address, name = Address.of(wanted.word), wanted.format or "spikecut"
    if name not in LAYOUTS:
        raise ConfigError(
            f"there is no layout of datagrams {name!r}",
            hint=did_you_mean(name, LAYOUTS, otherwise=f"known are {', '.join(LAYOUTS)}"),
        )
    incoming = Receiver(bound(address), wanted.waiting)
    if not address.is_local:
        note = f"{address} listens beyond this machine: whoever reaches it can send events, and nothing is encrypted"
        warnings.warn(note, SpikecutWarning, stacklevel=2)
    try:
        recording = _recording(incoming, Path(wanted.word), name, wanted)
    except BaseException:
        incoming.receiver.close()
        raise
    return UdpSource(as_wanted(recording, wanted.reading), incoming)


def _recording(incoming: Receiver, path: Path, name: str, wanted: Wanted) -> Recording:
    layout = LAYOUTS[name]
    if layout.words is not None:
        sensor = wanted.reading.sensor or assumed(path, wanted.usual, layout.name, "that of the network")
        return WordRecording(path, sensor, incoming, layout.words, layout.name)
    n_malformed = n_bytes = 0
    for data in incoming:
        first = None if data is None else decoded(data)
        if first is not None:
            assembly = Assembly(first.sensor, incoming.counts)
            assembly.lost += DropCounts.of(DropCause.unreadable, n_malformed, n_bytes)
            incoming.counts.malformed = n_malformed
            return OwnRecording(path, first.sensor, incoming, assembly, first)
        n_malformed, n_bytes = n_malformed + (data is not None), n_bytes + len(data or b"")
    others = f"{n_malformed} datagrams of another layout came" if n_malformed else "no datagram came"
    raise EmptyRecording(path, others, hint=f"is the sender's --format one of {', '.join(LAYOUTS)}?")
