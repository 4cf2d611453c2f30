"""Prophesee EVT2, EVT2.1 and EVT3: words by hand, what is written, damage, real files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError, CorruptRecording, SpikecutWarning, UnsupportedVersion
from spikecut.pipeline.events import DropCause, EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats import FORMATS

from source_contract import check_source, pattern

HD = SensorSize(1280, 720)
EVT = ("evt3", "evt2", "evt21")
WORDS = {"evt3": "<u2", "evt2": "<u4", "evt21": "<u8"}
VERSIONS = {"evt3": "3.0", "evt2": "2.0", "evt21": "2.1"}


def file_of(folder: Path, name: str, words: Iterable[int], header: str = "", tail: bytes = b"") -> Path:
    """A file with these words after a header with the sensor, or another header."""
    path = folder / "hand.raw"
    text = header or f"% evt {VERSIONS[name]}\n% geometry 1280x720\n% end\n"
    path.write_bytes(text.encode() + np.array(list(words), WORDS[name]).tobytes() + tail)
    return path


def batch_of(columns: Iterable[Any], sensor: SensorSize = HD, segment: int = 0) -> EventBatch:
    t, x, y, p = columns
    arrays = np.array(t, np.int64), np.array(x, np.uint16), np.array(y, np.uint16), np.array(p, np.uint8)
    return EventBatch(*arrays, t[0], t[-1] + 1, sensor, segment)


def high3(n: int) -> int:
    return 0x8000 | n


def low3(n: int) -> int:
    return 0x6000 | n


def pixel3(x: int, p: int) -> int:
    return 0x2000 | p << 11 | x


def cd2(t: int, x: int, y: int, p: int) -> int:
    return p << 28 | t << 22 | x << 11 | y


def high2(n: int) -> int:
    return 0x80000000 | n


def test_every_word_of_evt3_by_hand(tmp_path: Path) -> None:
    words = [
        *(high3(2), low3(5), 0x0000 | 7, pixel3(3, 1), pixel3(2, 0)),  # row 7: (3, 7) ON, (2, 7) OFF at 2 * 4096 + 5
        *(0x3000 | 1 << 11 | 100, 0x4000 | 0b100000000101, 0x5000 | 0b10000001),  # 100, 102, 111; then 112, 119
        *(low3(9), 0x0800 | 8, pixel3(1279, 1)),  # bit 11 of a row is the camera of a pair
        *(0xA101, 0xE023, 0xF123, 0x7001),  # a trigger; another signal, continued twice
        *(high3(3), pixel3(0, 0)),  # the TIME_LOW of a new TIME_HIGH begins at 0
    ]
    result = check_source(open_recording(file_of(tmp_path, "evt3", words)))
    a, b, c = 2 * 4096 + 5, 2 * 4096 + 9, 3 * 4096
    assert result.t.tolist() == [a] * 7 + [b, c]
    assert result.x.tolist() == [3, 2, 100, 102, 111, 112, 119, 1279, 0]
    assert result.y.tolist() == [7] * 7 + [8, 8]
    assert result.p.tolist() == [1, 0, 1, 1, 1, 1, 1, 1, 0]
    assert result.losses() == {"special": (2, 8)}


def test_every_word_of_evt2_by_hand(tmp_path: Path) -> None:
    words = [
        high2(3),
        cd2(5, 1279, 719, 1),
        cd2(6, 0, 2, 0),
        0xA0000101,
        0xE0000000,
        0xF0000000,
        high2(4),
        cd2(0, 4, 5, 1),
    ]
    result = check_source(open_recording(file_of(tmp_path, "evt2", words)))
    assert result.lists()[:4] == [[197, 198, 256], [1279, 0, 4], [719, 2, 5], [1, 0, 1]]
    assert result.losses() == {"special": (2, 12)}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("declared", [False, True])
def test_every_word_of_evt21_by_hand_in_both_orders_of_its_halves(
    tmp_path: Path, swapped: bool, declared: bool
) -> None:
    halves = [(high2(3), 0), (cd2(5, 64, 9, 1), 0x80000003), (0xA0000000, 1), (cd2(6, 32, 8, 0), 4)]
    words = [a | b << 32 if swapped else a << 32 | b for a, b in halves]
    order = f";endianness={'legacy' if swapped else 'little'}" if declared else ""
    header = f"% evt 2.1\r\n% format EVT21;height=720;width=1280{order}\r\n% end\r\n"
    result = check_source(open_recording(file_of(tmp_path, "evt21", words, header)))
    assert result.lists()[:4] == [[197, 197, 197, 198], [64, 65, 95, 34], [9, 9, 9, 8], [1, 1, 1, 0]]
    assert result.losses() == {"special": (1, 8)}


def test_time_high_of_evt3_wraps_and_the_wraps_are_counted(tmp_path: Path) -> None:
    words = [0x0007, high3(4095), low3(4095), pixel3(1, 1), high3(0), low3(1), pixel3(2, 1)]
    words += [high3(n % 4096) for n in range(100, 9_000, 100)] + [high3(8_900 % 4096), low3(3), pixel3(4, 1)]
    result = check_source(open_recording(file_of(tmp_path, "evt3", words)))
    assert result.t.tolist() == [(1 << 24) - 1, (1 << 24) + 1, (1 << 24) + 8_900 * 4096 + 3]


def test_events_before_the_first_time_high_or_row_or_base_are_counted(tmp_path: Path) -> None:
    words = [0x0007, low3(3), pixel3(1, 1), 0x3001, 0x4003, high3(1), pixel3(5, 1)]
    result = check_source(open_recording(file_of(tmp_path, "evt3", words)))
    assert (result.t.tolist(), result.losses()) == ([4096], {"unreadable": (3, 4)})
    result = check_source(
        open_recording(file_of(tmp_path, "evt3", [high3(1), pixel3(5, 1), 0x4001, 0x0007, pixel3(6, 1)]))
    )
    assert (result.x.tolist(), result.losses()) == ([6], {"unreadable": (2, 4)})
    result = check_source(open_recording(file_of(tmp_path, "evt2", [cd2(1, 2, 3, 1), high2(1), cd2(1, 2, 3, 1)])))
    assert (result.t.tolist(), result.losses()) == ([65], {"unreadable": (1, 4)})


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("evt3", pixel3(9, 1), 0x9123),
        ("evt2", cd2(1, 2, 3, 1), 0x53219876),
        ("evt21", cd2(1, 0, 3, 1) | 1 << 32, 0x70000000),
    ],
)
def test_words_of_unknown_types_are_skipped_and_counted(tmp_path: Path, name: str, good: int, bad: int) -> None:
    begin = [high3(1), 0x0005] if name == "evt3" else [high2(1)]
    path = file_of(tmp_path, name, [*begin, good, bad, good])
    result = check_source(open_recording(path))
    size = np.dtype(WORDS[name]).itemsize
    assert (len(result.t), result.losses()) == (2, {"unreadable": (1, size)})
    assert result.lost.losses[DropCause.unreadable].at_byte == path.stat().st_size - 2 * size


@st.composite
def streams(draw: st.DrawFn) -> EventBatch:
    """Any ordered events: rows of neighbours, silences of days, late clocks."""
    n = draw(st.integers(1, 60))
    pauses = draw(
        st.lists(st.one_of(st.just(0), st.integers(0, 300), st.integers(0, 2**36)), min_size=n - 1, max_size=n - 1)
    )
    t = (draw(st.one_of(st.integers(0, 2**26), st.integers(0, 2**39))) + np.cumsum([0, *pauses])).clip(max=2**40 - 1)
    column: dict[str, Any] = {"min_size": n, "max_size": n}
    x = draw(st.one_of(st.lists(st.integers(0, 1279), **column), st.just((np.arange(n) * 2 % 1280).tolist())))
    y = draw(st.lists(st.one_of(st.just(5), st.integers(0, 719)), **column))
    return batch_of((t.tolist(), x, y, draw(st.lists(st.sampled_from([1, 1, 1, 0]), **column))))


@settings(max_examples=40)
@given(batch=streams(), batch_events=st.integers(1, 100), cut=st.integers(0, 60))
@pytest.mark.parametrize("name", EVT)
def test_what_is_written_is_read_back_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, name: str, batch: EventBatch, batch_events: int, cut: int
) -> None:
    path = tmp_path_factory.mktemp("evt") / "a.raw"
    numbers = np.arange(len(batch))
    parts = [batch.take(numbers[:cut]), batch.take(numbers[cut:])]
    assert FORMATS[name].write(path, parts, HD) == len(batch)
    result = check_source(open_recording(path, batch_events=batch_events))
    assert result.lists()[:4] == [getattr(batch, column).tolist() for column in "txyp"]
    assert not result.lost


@pytest.mark.parametrize("name", [*EVT, "dat", "es"])
def test_an_l_stands_upright_and_on_is_1(tmp_path: Path, name: str) -> None:
    # a long stroke down at the left, a short one to the right at its foot; the foot is ON
    pixels = [(20, y, 0) for y in range(10, 30)] + [(x, 29, 1) for x in range(21, 28)]
    x, y, p = (list(column) for column in zip(*pixels, strict=True))
    batch = batch_of((list(range(100, 100 + len(x))), x, y, p), SensorSize(64, 48))
    path = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    FORMATS[name].write(path, [batch], batch.sensor)
    recording = open_recording(path)
    result = check_source(recording)
    assert recording.sensor == SensorSize(64, 48)
    assert result.lists()[:4] == [batch.t.tolist(), x, y, p]


@pytest.mark.parametrize("name", EVT)
def test_what_the_format_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    path, write = tmp_path / "a.raw", FORMATS[name].write
    one = ([5], [1], [2], [1])
    with pytest.raises(ConfigError, match=r"2049x10 sensor; EVT.* up to 2048x2048"):
        write(path, [], SensorSize(2049, 10))
    with pytest.raises(ConfigError, match="clock reset"):
        write(path, [batch_of(one, segment=1)], HD)
    with pytest.raises(ConfigError, match="from -5 to -5 us"):
        write(path, [batch_of(([-5], [1], [2], [1]))], HD)
    with pytest.raises(ConfigError, match=r"holds times from 0 to 1099511627775 us"):
        write(path, [batch_of(([1 << 40], [1], [2], [1]))], HD)
    with pytest.raises(ConfigError, match="a 64x48 sensor"):
        write(path, [batch_of(one, SensorSize(64, 48))], HD)


@pytest.mark.parametrize("name", EVT)
def test_a_file_cut_off_at_any_byte_gives_its_first_events_and_counts_the_rest_of_a_word(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "a.raw"
    FORMATS[name].write(path, [pattern(40)], pattern(40).sensor)
    data, whole = path.read_bytes(), check_source(open_recording(path))
    begin, size = data.index(b"% end\n") + 6, np.dtype(WORDS[name]).itemsize
    for at in range(begin, len(data)):
        path.write_bytes(data[:at])
        result = check_source(open_recording(path, batch_events=9))
        assert result.lists() == [column[: len(result.t)] for column in whole.lists()]
        left = (at - begin) % size
        assert result.losses() == ({"cut_off": (1, left)} if left else {})


@pytest.mark.parametrize("name", EVT)
@pytest.mark.parametrize("bit", [0, 1, 2, 3])
def test_one_time_that_leaps_costs_at_most_the_events_that_depended_on_it(tmp_path: Path, name: str, bit: int) -> None:
    path = tmp_path / "a.raw"
    batch = pattern(8_000)
    FORMATS[name].write(path, [batch], batch.sensor)
    data = path.read_bytes()
    begin = data.index(b"% end\n") + 6
    words = np.frombuffer(data[begin:], WORDS[name]).copy()
    shift, bits = (12, [3, 5, 8, 11]) if name == "evt3" else (28, [8, 12, 20, 27])
    highs = np.flatnonzero((words >> words.dtype.type(shift)) & words.dtype.type(15) == 8)
    for place in (0, len(highs) // 2):
        damaged = words.copy()
        damaged[highs[place]] ^= words.dtype.type(1 << bits[bit])
        path.write_bytes(data[:begin] + damaged.tobytes())
        whole = check_source(open_recording(path))
        assert len(whole.t) > 7_700
        assert whole.lost.damage.losses[DropCause.unreadable].at_byte == begin + highs[place] * words.itemsize
        assert set(whole.t.tolist()) <= set(batch.t.tolist())
        assert set(whole.segment.tolist()) == {0}
        assert check_source(open_recording(path, batch_events=50)) == whole


@pytest.mark.parametrize("name", EVT)
@pytest.mark.parametrize("n_bytes", [1, 3, 5])
def test_bytes_too_few_or_too_many_cost_no_more_than_their_surroundings(
    tmp_path: Path, name: str, n_bytes: int
) -> None:
    path = tmp_path / "a.raw"
    batch = pattern(8_000)
    FORMATS[name].write(path, [batch], batch.sensor)
    data = path.read_bytes()
    middle = len(data) // 2
    for damaged in (data[:middle] + data[middle + n_bytes :], data[:middle] + b"\x5a" * n_bytes + data[middle:]):
        path.write_bytes(damaged)
        whole = check_source(open_recording(path))
        assert len(whole.t) > 7_600
        assert whole.lost.damage
        assert check_source(open_recording(path, batch_events=50)) == whole


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("% evt 3.0\n% format EVT3;height=720;width=1280\n", (1280, 720)),
        ("% format EVT3;height=320;width=320\r\n% end\r\n", (320, 320)),
        ("% Date 2024-01-01 10:00:00\n% evt 3.0\n% geometry 640x480\n% end\n", (640, 480)),
        ("% evt 3.0\r\n% Width 64\r\n% Height 48\r\n", (64, 48)),
    ],
)
def test_headers_as_cameras_write_them(tmp_path: Path, header: str, size: tuple[int, int]) -> None:
    recording = open_recording(file_of(tmp_path, "evt3", [high3(1), 0x0007, pixel3(3, 1)], header))
    assert recording.sensor == SensorSize(*size)
    assert check_source(recording).lists()[:4] == [[4096], [3], [7], [1]]


def test_a_header_may_hold_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(
        b"% camera \xff\xe9\n% evt 2.0\n% geometry 1280x720\n" + np.array([high2(1), cd2(0, 1, 2, 1)], "<u4").tobytes()
    )
    assert check_source(open_recording(path)).x.tolist() == [1]


def test_headers_without_an_end_and_of_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(b"% evt 3.0\n" + b"% x 1\n" * 20_000)
    with pytest.raises(CorruptRecording, match="64 kB"):
        open_recording(path)
    path.write_bytes(b"% evt 4.0\n% end\n\0\0")
    with pytest.raises(UnsupportedVersion, match=r"EVT 4\.0; spikecut reads EVT2, EVT2\.1 and EVT3"):
        open_recording(path)
    path.write_bytes(b"% Date 2020-01-01\n% end\n\1\2\3\4")
    with pytest.raises(UnsupportedVersion, match="no encoding") as caught:
        open_recording(path)
    assert "% evt 3.0" in str(caught.value.hint)


def test_a_sensor_that_the_header_does_not_give_is_given_or_assumed_with_a_warning(tmp_path: Path) -> None:
    words = [high3(1), 0x0000 | 400, pixel3(500, 1)]
    path = file_of(tmp_path, "evt3", words, "% evt 3.0\n")
    with pytest.warns(SpikecutWarning, match="640x480 is assumed, the smallest that holds its pixels"):
        assert open_recording(path).sensor == SensorSize(640, 480)
    assert open_recording(path, sensor=SensorSize(800, 600)).sensor == SensorSize(800, 600)
    path = file_of(tmp_path, "evt3", words, "% evt 3.0\n% plugin_name hal_plugin_gen41_evk3\n")
    with pytest.warns(SpikecutWarning, match="1280x720 is assumed, that of the camera in its header, gen4"):
        assert open_recording(path).sensor == HD


@pytest.mark.parametrize("name", [*EVT, "dat"])
def test_a_later_start_gives_the_same_events(tmp_path: Path, name: str) -> None:
    batch = pattern(30_000, pause_us=200)
    path = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    FORMATS[name].write(path, [batch], batch.sensor)
    for start_us in (1, 123_456, 3_000_000, 5_500_000, 10**8):
        window = open_recording(path, start_us=start_us, duration_us=300_000, batch_events=1_000)
        t = np.concatenate([np.empty(0, np.int64), *(part.t for part in window)])
        first = batch.t[0] + start_us
        assert t.tolist() == batch.t[(batch.t >= first) & (batch.t < first + 300_000)].tolist()


def test_a_real_evt2_recording(real_data: Path) -> None:
    with pytest.warns(SpikecutWarning, match="640x480"):
        recording = open_recording(real_data / "formats" / "faery_evt2.raw")
    result = check_source(recording)
    assert (len(result.t), result.t[0], result.t[-1]) == (521_252, 913_716_224, 913_812_095)
    assert (int(result.p.sum()), recording.sensor, bool(result.lost)) == (185_861, SensorSize(640, 480), False)


def test_a_real_evt3_recording_and_what_another_library_makes_of_it(real_data: Path) -> None:
    # expelliarmus adds 4096 us at each fall of TIME_LOW, also where TIME_HIGH has counted it already, or where TIME_LOW
    # steps back by 11 us without an event (TIME_HIGH 2861, TIME_LOW 811, TIME_LOW 800); OpenEB's rules do not.
    folder = real_data / "formats"
    with pytest.warns(SpikecutWarning, match="1280x720"):
        result = check_source(open_recording(folder / "expelliarmus_evt3_sample.raw"))
    theirs = np.load(folder / "expelliarmus_evt3_sample.npy")
    assert (len(result.t), result.t[0], result.t[-1]) == (219_596, 11_718_656, 11_727_457)
    assert all((theirs[column] == getattr(result, column)).all() for column in "xyp")
    added = theirs["t"] - result.t
    assert np.unique(added).tolist() == [4096 * n for n in range(12)]
    assert (np.diff(added) >= 0).all()
    assert not result.lost
