"""Datagrams of other programs: one word of equal size an event, little-endian, and nothing else.

SPIF (the FPGA interface of SpiNNaker) and AEStream (`dvs_to_udp.cpp`): a u32 with y in bits 0-14, polarity in bit 15,
x in bits 16-30; bit 31 says that no time follows, else a second u32 is the time in µs. faery (`udp_encoder.py`):
`t64_x16_y16_on8`, or `t32_x16_y15_on1` with y in bits 1-14 and the polarity in bit 0 of the last two bytes. Neither has
a sequence number, a sensor, or an end.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.live.datagrams.base import PAYLOAD_BYTES, Columns, WordLayout

_NO_TIME = np.uint32(1 << 31)
_FAERY13 = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "u1")])
_FAERY8 = np.dtype([("t", "<u4"), ("x", "<u2"), ("y_on", "<u2")])


@dataclass(slots=True)
class WordEncoder:
    """Datagrams of whole words; a layout without times is sent in slices of 1 ms, so that arrival tells the time."""

    layout: WordLayout

    @property
    def slice_us(self) -> int:
        return 10_000 if self.layout.time_bits else 1_000

    def datagrams(self, piece: EventBatch) -> Iterator[bytes]:
        data, step = self.layout.pack(piece), PAYLOAD_BYTES // self.layout.n_bytes * self.layout.n_bytes
        for at in range(0, len(data), step):
            yield data[at : at + step]

    def ending(self) -> Iterator[bytes]:
        return iter(())


def encoder_of(layout: WordLayout) -> Callable[[SensorSize], WordEncoder]:
    """What makes encoders for a layout; words say nothing about the sensor."""
    return lambda sensor: WordEncoder(layout)


def _spif(words: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y = words >> np.uint32(16) & np.uint32(0x7FFF), words & np.uint32(0x7FFF)
    return x.astype(np.uint16), y.astype(np.uint16), (words >> np.uint32(15) & np.uint32(1)).astype(np.uint8)


def _spif_words(batch: EventBatch) -> np.ndarray:
    x, y, p = (column.astype("<u4") for column in (batch.x & 0x7FFF, batch.y & 0x7FFF, batch.p))
    return np.asarray(x << np.uint32(16) | p << np.uint32(15) | y, "<u4")


def _unpack_spif(data: bytes) -> Columns | None:
    words = np.frombuffer(data, "<u4")
    return (np.zeros(len(words), np.int64), *_spif(words)) if (words & _NO_TIME).all() else None


def _unpack_spif_timed(data: bytes) -> Columns | None:
    pairs = np.frombuffer(data, "<u4").reshape(-1, 2)
    return None if (pairs[:, 0] & _NO_TIME).any() else (pairs[:, 1].astype(np.int64), *_spif(pairs[:, 0]))


def _unpack_faery13(data: bytes) -> Columns | None:
    events = np.frombuffer(data, _FAERY13)
    x, y = events["x"].astype(np.uint16), events["y"].astype(np.uint16)
    return events["t"].astype(np.int64), x, y, (events["on"] != 0).astype(np.uint8)


def _unpack_faery8(data: bytes) -> Columns | None:
    events = np.frombuffer(data, _FAERY8)
    y, p = (events["y_on"] >> 1).astype(np.uint16), (events["y_on"] & 1).astype(np.uint8)
    return events["t"].astype(np.int64), events["x"].astype(np.uint16), y, p


def _pack_spif_timed(batch: EventBatch) -> bytes:
    pairs = np.stack([_spif_words(batch), (batch.t & 0xFFFFFFFF).astype("<u4")], axis=1)
    return pairs.astype("<u4").tobytes()


def _pack_faery13(batch: EventBatch) -> bytes:
    events = np.empty(len(batch), _FAERY13)
    events["t"], events["x"], events["y"], events["on"] = batch.t.astype(np.uint64), batch.x, batch.y, batch.p
    return events.tobytes()


def _pack_faery8(batch: EventBatch) -> bytes:
    events = np.empty(len(batch), _FAERY8)
    events["t"], events["x"], events["y_on"] = batch.t & 0xFFFFFFFF, batch.x, batch.y << 1 & 0x7FFF | batch.p
    return events.tobytes()


SPIF = WordLayout(4, 0, _unpack_spif, lambda batch: (_spif_words(batch) | _NO_TIME).astype("<u4").tobytes())
SPIF_TIMED = WordLayout(8, 32, _unpack_spif_timed, _pack_spif_timed)
FAERY13 = WordLayout(13, 64, _unpack_faery13, _pack_faery13)
FAERY8 = WordLayout(8, 32, _unpack_faery8, _pack_faery8)
