"""Reading a stretch of a recording, and refusing damage."""

from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.errors import CorruptRecording
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats.atis import write_atis
from spikecut.sources.formats.hdf5_writer import write_hdf5
from spikecut.sources.formats.reading.seeking import place_before

SENSOR = SensorSize(34, 34)


def batch(t: list[int], segment: int = 0) -> EventBatch:
    x = np.zeros(len(t), np.uint16)
    return EventBatch(np.array(t, np.int64), x, x, np.ones(len(t), np.uint8), t[0], t[-1] + 1, SENSOR, segment)


def test_a_window_counts_from_the_first_event_and_is_half_open(tmp_path: Path) -> None:
    write_atis(tmp_path / "a.bin", [batch([500, 600, 700, 800, 900])], SENSOR)
    read = open_recording(tmp_path / "a.bin", sensor=SENSOR, start_us=100, duration_us=300)
    assert np.concatenate([part.t for part in read]).tolist() == [600, 700, 800]


def test_a_window_counts_the_time_of_playing_across_a_reset(tmp_path: Path) -> None:
    first, second = list(range(3_000_000, 5_000_000, 1_000)), list(range(0, 2_000_000, 1_000))
    write_hdf5(tmp_path / "a.h5", [batch(first), batch(second, 1)], SENSOR)
    read = list(open_recording(tmp_path / "a.h5", start_us=1_999_000, duration_us=2_001))
    assert [(part.segment, part.t.tolist()) for part in read if len(part)] == [(0, [4_999_000]), (1, [0, 1_000])]


def test_damage_can_be_refused(tmp_path: Path) -> None:
    write_atis(tmp_path / "a.bin", [batch([500, 600, 700])], SENSOR)
    with (tmp_path / "a.bin").open("ab") as file:
        file.write(b"\0\0")
    assert sum(map(len, open_recording(tmp_path / "a.bin", sensor=SENSOR))) == 3
    with pytest.raises(CorruptRecording, match=r"byte 15: .*ends inside a record"):
        list(open_recording(tmp_path / "a.bin", sensor=SENSOR, on_damage="refuse"))


def test_a_place_is_only_known_where_time_increases() -> None:
    assert place_before(500_000, 1_000, lambda i: i * 1_000) == 489
    assert place_before(500_000, 1_000, lambda i: i * 1_000 if i < 600 else (i - 600) * 1_000) is None
