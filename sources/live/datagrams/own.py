"""The datagrams of `spikecut send`: what is lost, repeated or reordered can be counted, and silence is stated.

52 bytes, little-endian: `SPKC`; version u8 (1); flags u8 (bit 0: the stream is over); number of events u16; width - 1
and height - 1 u16; stream u32, drawn by each sender; segment u32; sequence number u64, from 0; number of events sent
before u64; from i64 and until i64, in µs. Then 8 bytes an event: time behind `from` u32, x u16, and a u16 with y in
bits 0-14 and the polarity in bit 15.

All events before `until` have been sent with this datagram or before it; a datagram begins where the one before it in
its segment ends. At least one is sent every 10 ms of sensor time.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from secrets import randbits

import numpy as np
from jaxtyping import Int64, UInt8, UInt16
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.live.datagrams.base import PAYLOAD_BYTES

_HEADER = struct.Struct("<4sBBHHHIIQQqq")
_MAGIC, _VERSION, _OVER = b"SPKC", 1, 1
_EVENT = np.dtype([("t", "<u4"), ("x", "<u2"), ("y_p", "<u2")])
_MOST = (PAYLOAD_BYTES - _HEADER.size) // _EVENT.itemsize
_LATEST_US = 1 << 60
_LARGEST_Y = 1 << 15
_ENDS = 3  # the end mark is sent so many times: it may be lost, too


@dataclass(frozen=True, slots=True, eq=False)
class Datagram:
    """One datagram: its place in the stream, and its events, of which the last ones may be at `until_us`."""

    stream: int
    segment: int
    sequence: int
    n_before: int
    sensor: SensorSize
    from_us: int
    until_us: int
    is_last: bool
    t: Int64[ndarray, " N"]
    x: UInt16[ndarray, " N"]
    y: UInt16[ndarray, " N"]
    p: UInt8[ndarray, " N"]

    def __len__(self) -> int:
        return len(self.t)


def decoded(data: bytes) -> Datagram | None:
    """The datagram in some bytes; None if they are none of this layout, or contradict themselves."""
    if len(data) < _HEADER.size:
        return None
    magic, version, flags, n, width, height, stream, segment, sequence, n_before, from_us, until_us = (
        _HEADER.unpack_from(data)
    )
    if (magic, version) != (_MAGIC, _VERSION) or len(data) != _HEADER.size + n * _EVENT.itemsize:
        return None
    if not -_LATEST_US < from_us <= until_us < _LATEST_US:
        return None
    events = np.frombuffer(data, _EVENT, n, _HEADER.size)
    t, x = from_us + events["t"].astype(np.int64), events["x"].astype(np.uint16)
    y, p = (events["y_p"] & 0x7FFF).astype(np.uint16), (events["y_p"] >> 15).astype(np.uint8)
    if (t[1:] < t[:-1]).any() or (n and t[-1] > until_us) or (x > width).any() or (y > height).any():
        return None
    sensor = SensorSize(width + 1, height + 1)
    return Datagram(stream, segment, sequence, n_before, sensor, from_us, until_us, bool(flags & _OVER), t, x, y, p)


@dataclass(slots=True)
class OwnEncoder:
    """Numbers the datagrams of one stream.

    Raises:
        ConfigError: if the sensor is more than 32768 pixels high.
    """

    sensor: SensorSize
    stream: int = field(default_factory=lambda: randbits(32))
    slice_us: int = 10_000
    _sequence: int = 0
    _n_sent: int = 0
    _place: tuple[int, int] | None = None  # segment, and the time until which all was sent

    def __post_init__(self) -> None:
        if self.sensor.height > _LARGEST_Y:
            raise ConfigError(f"a {self.sensor} sensor; datagrams hold up to 65536x{_LARGEST_Y}")

    def datagrams(self, piece: EventBatch) -> Iterator[bytes]:
        if self._place is None or self._place[0] != piece.segment:
            self._place = piece.segment, piece.start_us
        for at in range(0, max(1, len(piece)), _MOST):
            behind = at + _MOST
            until_us = int(piece.t[behind]) if behind < len(piece) else piece.end_us
            yield self._encoded(piece, slice(at, behind), until_us)

    def ending(self) -> Iterator[bytes]:
        segment, until_us = self._place or (0, 0)
        nothing = EventBatch.empty(self.sensor)
        sequence = self._sequence
        for _ in range(_ENDS):
            self._sequence, self._place = sequence, (segment, until_us)
            yield self._encoded(nothing, slice(0, 0), until_us, flags=_OVER)

    def _encoded(self, piece: EventBatch, part: slice, until_us: int, *, flags: int = 0) -> bytes:
        assert self._place is not None
        segment, from_us = self._place
        events = np.empty(len(piece.t[part]), _EVENT)
        events["t"], events["x"] = piece.t[part] - from_us, piece.x[part]
        events["y_p"] = piece.y[part] | piece.p[part].astype(np.uint16) << 15
        size = self.sensor.width - 1, self.sensor.height - 1
        place = self.stream, segment, self._sequence, self._n_sent, from_us, until_us
        header = _HEADER.pack(_MAGIC, _VERSION, flags, len(events), *size, *place)
        self._sequence, self._n_sent, self._place = self._sequence + 1, self._n_sent + len(events), (segment, until_us)
        return header + events.tobytes()
