"""Truths about datagrams: what arrives in order is the stream, and whatever else happens on the way is counted."""

import struct
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.pipeline.binning import CountBinner
from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, EventBatch, SensorSize
from spikecut.sources.live.datagrams import LAYOUTS
from spikecut.sources.live.datagrams.base import PAYLOAD_BYTES
from spikecut.sources.live.datagrams.own import OwnEncoder, decoded
from spikecut.sources.live.datagrams.sequence import AHEAD_DATAGRAMS, SILENT_S, Assembly, Counts
from spikecut.sources.live.sending import pieces

from source_contract import DVS128, pattern
from streams import batches, cuts

SLICE_US = 10_000


def encoded(stream: Sequence[EventBatch], sender: int = 7, slice_us: int = SLICE_US) -> list[bytes]:
    """The datagrams of a stream, without those that end it."""
    encoder = OwnEncoder(stream[0].sensor, sender)
    return [data for piece in pieces(stream, slice_us) for data in encoder.datagrams(piece)]


def ends(stream: Sequence[EventBatch], slice_us: int = SLICE_US) -> list[bytes]:
    encoder = OwnEncoder(stream[0].sensor, 7)
    for piece in pieces(stream, slice_us):
        list(encoder.datagrams(piece))
    return list(encoder.ending())


def received(arrived: Sequence[bytes], sensor: SensorSize = DVS128) -> tuple[list[EventBatch], Counts]:
    """What comes out of datagrams in the order of their arrival; checks that every event and datagram is counted."""
    counts = Counts()
    assembly, out = Assembly(sensor, counts), list[EventBatch]()
    for data in arrived:
        counts.received += 1
        one = decoded(data)
        if one is None:
            assembly.malformed(len(data))
        else:
            out += assembly.take(one, 0.0)
    out += assembly.finish()
    of = counts.as_object()
    assert of["received"] == of["used"] + of["late"] + of["repeated"] + of["foreign"] + of["malformed"]
    for before, after in pairwise(out):
        assert after.segment in (before.segment, before.segment + 1)
        assert after.segment > before.segment or after.start_us == before.end_us
    return out, counts


def events(stream: Sequence[EventBatch]) -> list[list[int]]:
    return [np.concatenate([getattr(batch, name) for batch in stream]).tolist() for name in "txyp"]


def dropped(stream: Sequence[EventBatch]) -> DropCounts:
    return sum((batch.lost for batch in stream), NOTHING_LOST)


@given(batches().flatmap(cuts), st.sampled_from([1, 50, 10_000]))
def test_a_stream_comes_out_as_it_went_in(stream: list[EventBatch], slice_us: int) -> None:
    """Also the time that passes without events, and events of one time that several datagrams share."""
    out, counts = received([*encoded(stream, slice_us=slice_us), *ends(stream, slice_us)[:1]], stream[0].sensor)
    assert events(out) == events(stream)
    assert not dropped(out)
    assert not any(counts.as_object()[name] for name in ("lost", "late", "repeated", "foreign", "malformed"))
    binner = CountBinner(stream[0].sensor, 30)
    assert [(f.start_us, f.n_events, f.pixels.tolist()) for f in binner.bins(out)] == [
        (f.start_us, f.n_events, f.pixels.tolist()) for f in binner.bins(stream)
    ]


def test_a_thousand_events_of_one_time_share_datagrams_and_none_is_larger_than_a_packet() -> None:
    t = np.full(1_000, 5_000)
    x = np.arange(1_000).astype(np.uint16) % 128
    batch = EventBatch(t, x, x, (x % 2).astype(np.uint8), 0, 20_000, DVS128)
    sent = encoded([batch])
    assert max(map(len, sent)) <= PAYLOAD_BYTES
    assert len(sent) == 7
    assert events(received(sent)[0]) == events([batch])


@given(st.integers(0, 2**32 - 1), st.integers(2, AHEAD_DATAGRAMS - 2))
@settings(max_examples=30)
def test_reordered_datagrams_are_put_in_order(seed: int, reach: int) -> None:
    """N01; each is at most so many places from its own, and all within 20 ms of sensor time."""
    stream = [pattern(3_000, pause_us=1.0)]
    sent, rng = encoded(stream), np.random.default_rng(seed)
    order = np.argsort(np.arange(len(sent)) + rng.uniform(0, reach, len(sent)))
    order = np.concatenate([[0], order[order != 0]])
    out, counts = received([sent[k] for k in order])
    assert events(out) == events(stream)
    assert counts.lost == counts.late == 0
    assert bool(counts.reordered) == (order.tolist() != list(range(len(sent))))


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.9))
@settings(max_examples=30)
def test_lost_datagrams_and_their_events_are_counted_by_the_gap_in_the_numbers(seed: int, share: float) -> None:
    """N01: `read = used + dropped` for every event that was sent."""
    stream = [pattern(5_000)]
    sent, rng = encoded(stream), np.random.default_rng(seed)
    kept = rng.random(len(sent)) >= share
    kept[0] = True
    out, counts = received([*(data for data, keep in zip(sent, kept, strict=True) if keep), *ends(stream)])
    n_lost = int((~kept).sum())
    assert counts.lost == n_lost
    assert dropped(out).events_by_cause().get("lost", 0) == 5_000 - len(events(out)[0])
    assert bool(dropped(out).damage) == bool(n_lost)
    assert out[-1].end_us == stream[0].end_us, "time goes on behind a gap"


def test_repeated_and_late_datagrams_are_counted_once_each() -> None:
    """N01."""
    stream = [pattern(20_000)]
    sent = encoded(stream)
    out, counts = received([*sent[:5], sent[3], *sent[6:60], sent[5], sent[5]])
    assert (counts.repeated, counts.late, counts.lost) == (2, 1, 0)
    causes = dropped(out).events_by_cause()
    assert causes["lost"] == len(decoded(sent[5]) or ())
    assert causes["repeated"] == len(decoded(sent[3]) or ()) + len(decoded(sent[5]) or ())


def test_datagrams_of_another_sender_or_sensor_are_foreign_until_the_first_is_silent() -> None:
    """N01, N02: a killed sender that is started again is another one."""
    first, second = encoded([pattern(900)]), encoded([pattern(500, seed=2)], sender=8)
    t = np.array([5], np.int64)
    small = EventBatch(
        t, np.array([1], np.uint16), np.array([1], np.uint16), np.array([1], np.uint8), 0, 9, SensorSize(34, 34)
    )
    out, counts = received([*first[:2], second[0], *encoded([small]), *first[2:]])
    assert counts.foreign == 2
    assert events(out) == events([pattern(900)])
    assembly, out = Assembly(DVS128, Counts()), []
    for at_s, data in [(0.0, first[0]), (SILENT_S - 0.1, second[0]), (SILENT_S, second[0]), (SILENT_S, second[1])]:
        one = decoded(data)
        assert one is not None
        out += assembly.take(one, at_s)
    assert [batch.segment for batch in out] == [0, 1, 1]


def test_what_is_missing_at_the_end_is_waited_for_two_seconds_or_until_the_end_is_repeated() -> None:
    stream = [pattern(900)]
    sent, last = encoded(stream), ends(stream)
    assembly = Assembly(DVS128, Counts())
    for data in [*sent[:-1], last[0]]:
        one = decoded(data)
        assert one is not None
        list(assembly.take(one, 0.0))
    assert list(assembly.waited(SILENT_S - 0.1)) == []
    assert assembly.counts.lost == 0
    list(assembly.waited(SILENT_S))
    assert (assembly.is_over, assembly.counts.lost) == (True, 1)
    _, counts = received([*sent[:-1], last[0], last[1]])
    assert counts.lost == 1


@given(st.binary(max_size=300) | st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=9)))
@settings(max_examples=200)
def test_hostile_datagrams_are_counted_and_never_raise(attack: bytes | tuple[int, bytes]) -> None:
    """N01: garbage, or a datagram of the stream that was changed anywhere, cut or made longer, among sound ones."""
    stream = [pattern(2_000)]
    sent = encoded(stream)
    if isinstance(attack, tuple):
        at, change = attack
        attack = sent[4][:at] + change + sent[4][at + len(change) :]
    for hostile in (attack, sent[4][:-3], sent[4] + b"\0"):
        out, counts = received([*sent[:3], hostile, *sent[3:]])
        assert counts.received == len(sent) + 1
        for batch in out:
            assert (np.diff(batch.t) >= 0).all()
            assert (batch.x < 128).all()
            assert (batch.y < 128).all()


def test_a_number_far_ahead_is_no_gap() -> None:
    sent = encoded([pattern(900)])
    far = bytearray(sent[3])
    far[20:28] = struct.pack("<Q", 1 << 40)
    out, counts = received([sent[0], bytes(far), *sent[1:]])
    assert (counts.malformed, counts.lost) == (1, 0)
    assert events(out) == events([pattern(900)])


def test_the_layout_is_what_its_module_says() -> None:
    batch = EventBatch(
        np.array([1_000_007], np.int64),
        np.array([3], np.uint16),
        np.array([5], np.uint16),
        np.array([1], np.uint8),
        1_000_000,
        1_000_008,
        SensorSize(240, 180),
    )
    (data,) = encoded([batch], sender=9)
    assert data[:4] == b"SPKC"
    assert struct.unpack("<BBHHHIIQQqq", data[4:52]) == (1, 0, 1, 239, 179, 9, 0, 0, 0, 1_000_000, 1_000_008)
    assert struct.unpack("<IHH", data[52:]) == (7, 3, 5 | 1 << 15)
    with pytest.raises(ConfigError, match="up to 65536x32768"):
        OwnEncoder(SensorSize(10, 40_000))


BY_HAND = {
    "spif": struct.pack("<I", 1 << 31 | 3 << 16 | 1 << 15 | 5),
    "spif-timed": struct.pack("<II", 3 << 16 | 1 << 15 | 5, 1_000_007),
    "faery13": struct.pack("<QHHB", 1_000_007, 3, 5, 1),
    "faery8": struct.pack("<IHH", 1_000_007, 3, 5 << 1 | 1),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_words_are_those_of_aestream_and_faery(name: str) -> None:
    layout = LAYOUTS[name].words
    assert layout is not None
    batch = EventBatch(
        np.array([1_000_007], np.int64),
        np.array([3], np.uint16),
        np.array([5], np.uint16),
        np.array([1], np.uint8),
        0,
        2_000_000,
        DVS128,
    )
    assert layout.pack(batch) == BY_HAND[name]
    assert len(BY_HAND[name]) == layout.n_bytes
    columns = layout.unpack(BY_HAND[name])
    assert columns is not None
    assert [column.tolist() for column in columns] == [[1_000_007 if layout.time_bits else 0], [3], [5], [1]]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_sends_every_event_in_datagrams_of_one_packet(name: str) -> None:
    batch, encoder = pattern(3_000, pause_us=2.0), LAYOUTS[name].encoder(DVS128)
    sent = [data for piece in pieces([batch], encoder.slice_us) for data in encoder.datagrams(piece)]
    assert max(map(len, sent)) <= PAYLOAD_BYTES
    words = LAYOUTS[name].words
    if words is not None:
        columns = [words.unpack(data) for data in sent]
        for place, column in enumerate("txyp"):
            if column != "t" or words.time_bits:
                whole = np.concatenate([one[place] for one in columns if one is not None])
                assert whole.tolist() == getattr(batch, column).tolist()


def test_words_of_spif_with_and_without_times_are_told_apart() -> None:
    spif, timed = LAYOUTS["spif"].words, LAYOUTS["spif-timed"].words
    assert spif is not None
    assert timed is not None
    assert spif.unpack(BY_HAND["spif-timed"]) is None
    assert timed.unpack(2 * BY_HAND["spif"]) is None


def test_a_pause_of_a_thousand_hours_is_one_datagram() -> None:
    """T05."""
    t = np.array([5, 3_600_000_000_000], np.int64)
    batch = EventBatch(
        t,
        np.array([1, 2], np.uint16),
        np.array([1, 2], np.uint16),
        np.array([0, 1], np.uint8),
        0,
        int(t[-1]) + 1,
        DVS128,
    )
    sent = encoded([batch])
    assert len(sent) <= 3
    assert events(received(sent)[0]) == events([batch])


def test_what_is_lost_on_the_way_is_damage_and_what_came_twice_is_none() -> None:
    assert DropCause.lost.is_damage
    assert not DropCause.repeated.is_damage
    assert not DropCause.foreign.is_damage
