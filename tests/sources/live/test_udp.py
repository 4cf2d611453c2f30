"""Truths about events from the network: whatever arrives is used or counted, and who may send is said."""

import errno
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError, EmptyRecording, EnvironmentProblem, SpikecutWarning
from spikecut.pipeline.events import EventBatch
from spikecut.sources.formats.base import DEFAULTS, ReadOptions
from spikecut.sources.live.datagrams import LAYOUTS
from spikecut.sources.live.datagrams.sequence import Counts
from spikecut.sources.live.inputs import SOURCES, live_input
from spikecut.sources.live.inputs.addresses import LOOPBACK, Address, bound, connected, sending_problem
from spikecut.sources.live.inputs.base import Wanted
from spikecut.sources.live.inputs.udp import UdpSource, WordRecording, open_udp
from spikecut.sources.live.inputs.waiting import Waiting
from spikecut.sources.live.pacing import WallClock
from spikecut.sources.live.sending import send

from fakes import FakeClock
from source_contract import DVS128, Collected, _collect, pattern
from udp_pair import Pair, pair

__all__ = ["pair"]


@dataclass
class Arriving:
    """Datagrams in the place of a socket; a number is a pause of so many seconds."""

    items: Sequence[bytes | float]
    clock: FakeClock = field(default_factory=FakeClock)
    counts: Counts = field(default_factory=Counts)

    @property
    def waiting(self) -> Waiting:
        return Waiting(self.clock)

    def __iter__(self) -> Iterator[bytes | None]:
        for item in self.items:
            if isinstance(item, float):
                self.clock.time_s += item
                yield None
            else:
                self.counts.received += 1
                yield item


def words(layout: str, items: Sequence[bytes | float]) -> tuple[Collected, list[EventBatch], Counts]:
    arriving, known = Arriving(items), LAYOUTS[layout].words
    assert known is not None
    stream = list(WordRecording(Path("udp://x:1"), DVS128, arriving, known, layout))  # type: ignore[arg-type]
    arriving.clock = FakeClock()
    arriving.counts = Counts()
    again = WordRecording(Path("udp://x:1"), DVS128, arriving, known, layout)  # type: ignore[arg-type]
    return _collect(again), stream, arriving.counts


def datagrams(layout: str, batch: EventBatch) -> list[bytes]:
    return list(LAYOUTS[layout].encoder(DVS128).datagrams(batch))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_stream_over_loopback_is_the_stream_that_was_sent(layout: str, pair: Pair) -> None:
    """Every event once; the times, too, where the layout has them."""
    stream = pattern(4_000, pause_us=100.0)
    thread = pair.sends([stream], DVS128, layout)
    waiting = Waiting(WallClock(), lambda: pair.is_over)
    row = live_input(Path("udp://127.0.0.1:0"), follow=False)
    assert row is SOURCES["udp"]
    source = row.open(Wanted("udp://127.0.0.1:0", ReadOptions(sensor=DVS128), DVS128, waiting, layout))
    got = _collect(source.recording)
    source.close()
    thread.join(timeout=60)
    assert not got.lost
    for column in "xyp":
        assert getattr(got, column).tolist() == getattr(stream, column).tolist()
    if layout != "spif":
        assert got.t.tolist() == stream.t.tolist()
    carried = source.transport()
    assert carried is not None
    assert carried["received"] == carried["used"] >= 24


@pytest.mark.parametrize("layout", ["faery13", "faery8", "spif-timed", "spif"])
def test_cut_and_foreign_words_are_counted_and_left_out(layout: str) -> None:
    """N01: a cut datagram, garbage, one of another layout, an empty one, and pixels outside of the sensor."""
    batch = pattern(300)
    good = datagrams(layout, batch)
    outside = EventBatch(
        batch.t[-1:],
        np.array([500], np.uint16),
        np.array([3], np.uint16),
        np.array([1], np.uint8),
        0,
        batch.end_us,
        batch.sensor,
    )
    hostile = [good[0][:-1], b"\x7f" * 5, b"", *datagrams(layout, outside)]
    got, stream, counts = words(layout, [*good, *hostile])
    assert got.x.tolist() == batch.x.tolist()
    assert counts.malformed == 3
    assert got.lost.events_by_cause() == {"unreadable": 3, "outside_sensor": 1}
    assert counts.received == counts.used + counts.malformed
    assert stream


def test_times_of_32_bits_go_on_past_their_end_and_other_disorder_is_judged_as_in_files() -> None:
    """T01, N01: reordered within 10 ms is sorted, later is `late`."""
    first = (1 << 32) - 6_000
    stream = pattern(1_000, first_us=first, pause_us=15.0)
    for layout in ("faery8", "spif-timed"):
        sent = datagrams(layout, stream)
        got, _, _ = words(layout, [sent[0], sent[2], sent[1], *sent[3:]])
        assert got.t.tolist() == stream.t.tolist()
        got, _, _ = words(
            layout, [sent[0], *sent[2:], sent[1], *datagrams(layout, pattern(900, first_us=first + 20_000))]
        )
        assert got.lost.events_by_cause()["late"] > 100


def test_words_without_times_have_that_of_their_arrival_and_silence_passes() -> None:
    """G06: empty stretches come from the clock of the receiver, from the first datagram on."""
    one, two = (datagrams("spif", pattern(5, seed=seed))[0] for seed in (0, 1))
    _, stream, _ = words("spif", [3.0, one, 0.01, 0.01, two, two, 0.5])
    assert [(batch.start_us, batch.end_us, len(batch)) for batch in stream] == [
        (0, 1, 5),
        (1, 10_000, 0),
        (10_000, 20_000, 0),
        (20_000, 20_001, 5),
        (20_001, 20_002, 5),
        (20_002, 520_000, 0),
    ]


def test_a_port_in_use_and_a_foreign_address_are_named() -> None:
    """N02."""
    taken = bound(Address(LOOPBACK, 0))
    port = taken.getsockname()[1]
    with pytest.raises(EnvironmentProblem, match=f"udp://127.0.0.1:{port}: the port is in use"):
        open_udp(wanted(f"udp://127.0.0.1:{port}"))
    taken.close()
    with pytest.raises(EnvironmentProblem, match="no address of this machine"):
        open_udp(wanted("udp://192.0.2.1:3333"))


@pytest.mark.parametrize(
    "word", ["udp://127.0.0.1", "udp://:99999", "udp://a:b", "udp://h:1/path", "udp://h:1?format=x"]
)
def test_what_is_no_address_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="udp:"):
        Address.of(word)


def test_to_all_machines_and_to_port_0_nothing_is_sent() -> None:
    """N02: the kernel calls a broadcast address without permission "permission denied", as it does a low port."""
    with pytest.raises(EnvironmentProblem, match=r"udp://255.255.255.255:3333: .*broadcast") as caught:
        connected(Address.of("udp://255.255.255.255:3333"))
    assert "1024" not in str(caught.value.hint)
    assert "the address of the receiver" in str(caught.value.hint)
    with pytest.raises(ConfigError, match=r"udp://127.0.0.1:0: nothing can be sent to port 0"):
        connected(Address.of("udp://127.0.0.1:0"))


def test_a_name_that_is_none_and_one_that_cannot_be_looked_up_now_are_different_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """N02: the second is no mistake of the user."""

    def failing(number: int) -> None:
        def look_up(*words: object, **options: object) -> object:
            raise socket.gaierror(number, "no answer")

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    failing(socket.EAI_NONAME)
    with pytest.raises(ConfigError, match=r"udp://no.host:3333: no host is called 'no.host'") as caught:
        connected(Address.of("udp://no.host:3333"))
    assert "check the name" in str(caught.value.hint)
    failing(socket.EAI_AGAIN)
    with pytest.raises(EnvironmentProblem, match=r"'no.host' cannot be looked up now"):
        bound(Address.of("udp://no.host:3333"))


def test_who_listens_to_a_multicast_group_joins_it() -> None:
    """Else its datagrams do not come to this machine."""
    try:
        receivers = [bound(Address.of("udp://239.77.3.1:0")) for _ in range(2)]
    except EnvironmentProblem as problem:
        pytest.skip(f"multicast needs a network: {problem}")
    for receiver in receivers:
        joined = socket.inet_aton("239.77.3.1") + bytes(4)
        with pytest.raises(OSError, match=rf"\[Errno {errno.EADDRINUSE}\]"):  # a socket joins a group once
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        receiver.close()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EPERM, "a firewall"),
        (errno.ENETUNREACH, "there is no way to this network"),
        (errno.ENOBUFS, "no buffer space"),
    ],
)
def test_a_way_that_ends_is_named_with_its_address(number: int, words: str) -> None:
    problem = sending_problem(Address(LOOPBACK, 7), OSError(number, "No buffer space available"))
    assert str(problem).startswith(f"udp://127.0.0.1:7: {words}")


def test_an_unknown_layout_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no layout of datagrams 'faery31'") as caught:
        open_udp(wanted("udp://:0", "faery31"))
    assert "faery13" in str(caught.value.hint)


def test_loopback_is_the_default_and_more_is_said() -> None:
    assert Address.of("udp://:3333").host == LOOPBACK
    assert [
        Address.of(f"udp://{host}:1").is_local for host in ("localhost", "[::1]", "127.9.9.9", "0.0.0.0", "a.b")
    ] == [
        True,
        True,
        True,
        False,
        False,
    ]
    with pytest.warns(SpikecutWarning, match="listens beyond this machine"), pytest.raises(EmptyRecording):
        open_udp(wanted("udp://0.0.0.0:0"))


def test_nothing_in_time_is_an_empty_recording() -> None:
    """N02."""
    with pytest.raises(EmptyRecording, match="no datagram came") as caught:
        open_udp(wanted("udp://127.0.0.1:0"))
    assert "--format" in str(caught.value.hint)


def test_a_sender_without_a_receiver_counts_what_was_refused() -> None:
    free = bound(Address(LOOPBACK, 0))
    address = free.getsockname()
    free.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(address)
        *_, sent = send([pattern(2_000)], LAYOUTS["spikecut"].encoder(DVS128), sender.send, FakeClock(), None)
    assert sent.n_events == 2_000
    assert 0 < sent.n_refused < sent.n_datagrams


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
def test_datagrams_are_sent_at_the_pace_of_the_sensor_and_gaps_take_no_time(speed: float) -> None:
    clock, times = FakeClock(), list[float]()
    batch = pattern(1_000)
    later = pattern(1_000, first_us=batch.end_us + 50_000_000)
    far = EventBatch(later.t, later.x, later.y, later.p, batch.end_us, later.end_us, DVS128)
    for _ in send(
        [batch, far], LAYOUTS["spikecut"].encoder(DVS128), lambda data: times.append(clock.time_s), clock, speed
    ):
        pass
    length_s = (batch.end_us - batch.start_us + later.end_us - int(later.t[0])) * 1e-6
    assert times[-1] - 100 == pytest.approx(length_s / speed, abs=1e-4)
    assert max(np.diff(times)) <= 0.0101 / speed


def wanted(word: str, layout: str | None = None) -> Wanted:
    clock = FakeClock()

    def stopped() -> bool:
        clock.time_s += 1.0
        return False

    return Wanted(word, DEFAULTS, DVS128, Waiting(clock, stopped, 2.0), layout)


def test_a_source_says_what_was_lost_on_the_way_and_how_large_its_buffer_is() -> None:
    receiver = bound(Address(LOOPBACK, 0))
    arriving = Arriving([])
    arriving.receiver = receiver  # type: ignore[attr-defined]
    arriving.counts = Counts(received=5, used=4, repeated=1, lost=2)
    source = UdpSource(None, arriving)  # type: ignore[arg-type]
    first, second = source.notes()
    assert first == "datagrams: 5 received: 4 used, 2 lost, 1 repeated"
    assert "net.core.rmem_max" in second
    source.close()
