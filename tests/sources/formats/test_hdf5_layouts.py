"""HDF5 of other programs, made by h5py as they make it; damage to it; and what our own writer promises."""

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.pipeline.errors import (
    ConfigError,
    CorruptRecording,
    EnvironmentProblem,
    InUse,
    SpikecutError,
    SpikecutWarning,
    UnknownFormat,
    UnsupportedVersion,
)
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.files.atomic_files import new_file
from spikecut.sources import open_recording
from spikecut.sources.formats.base import TextLayout
from spikecut.sources.formats.hdf5_files import filters, kernels
from spikecut.sources.formats.hdf5_writer import write_hdf5
from spikecut.sources.formats.reading.window import Seekable

from full_disk import full_disk
from source_contract import DVS128, check_source, pattern

BATCH = pattern(3_000, seed=6)
FIELDS = {"t": BATCH.t, "x": BATCH.x, "y": BATCH.y, "p": BATCH.p}
Make = Callable[[h5py.File], None]


def rows(dtype: Any) -> np.ndarray:
    array = np.zeros(len(BATCH), dtype)
    for name in array.dtype.names or ():
        array[name] = FIELDS[name]
    return array


def dsec(file: h5py.File) -> None:
    group = file.create_group("events")
    for name, column in FIELDS.items():
        group.create_dataset(name, data=column - (500 if name == "t" else 0), chunks=(700,), compression="lzf")
    file["t_offset"], file["ms_to_idx"] = 500, np.arange(9)
    group.attrs["width"], group.attrs["height"] = 128, 128


def rpg(file: h5py.File) -> None:
    file["events/ts"] = BATCH.t / 1e6
    file["events/xs"], file["events/ys"], file["events/ps"] = BATCH.x, BATCH.y, BATCH.p.astype(bool)
    file.attrs["sensor_resolution"] = (100, 128)


def eventify(file: h5py.File) -> None:
    file["events/ts"], file["events/ps"] = BATCH.t, BATCH.p.astype(np.int8) * 2 - 1
    file["events/xs"], file["events/ys"] = BATCH.x.astype(np.int16), BATCH.y.astype(np.int16)
    file["events"].attrs["sensor_shape"] = np.array([128, 128])


def prophesee(file: h5py.File) -> None:
    kind = {"names": ["x", "y", "p", "t"], "formats": ["u2", "u2", "i2", "i8"], "offsets": [0, 2, 4, 8], "itemsize": 16}
    file.create_dataset("CD/events", data=rows(kind), chunks=(512,), maxshape=(None,), compression="gzip", shuffle=True)
    file.create_dataset("CD/indexes", data=np.zeros(3, "i8,i8"))
    file.attrs["geometry"] = "128x128"


def v2e(file: h5py.File) -> None:
    table = np.stack([BATCH.t, BATCH.x, BATCH.y, BATCH.p], 1).astype(np.uint32)
    file.create_dataset("events", data=table, chunks=(300, 3), maxshape=(None, 4), compression="gzip")
    file.attrs["width"], file.attrs["height"] = "128", 128


def tonic_fields(file: h5py.File) -> None:
    file.create_dataset("data/0", data=rows([("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")]), compression="lzf")
    file.create_dataset("target/0", data=3)


def tonic_table(file: h5py.File) -> None:
    file.create_dataset("data/0", data=np.stack([BATCH.x, BATCH.y, BATCH.t, BATCH.p], 1).astype(np.int64))


LAYOUTS: dict[str, tuple[Make, str, dict[str, Any]]] = {
    "dsec": (dsec, "DSEC HDF5", {}),
    "rpg": (rpg, "rpg HDF5 (t in s)", {}),
    "eventify": (eventify, "rpg HDF5", {}),
    "prophesee": (prophesee, "Prophesee HDF5", {}),
    "v2e": (v2e, "v2e HDF5", {"sensor": DVS128}),
    "tonic_fields": (tonic_fields, "Tonic HDF5", {"sensor": DVS128}),
    "tonic_table": (tonic_table, "Tonic HDF5", {"sensor": DVS128, "text": TextLayout("xytp")}),
}


def made(folder: Path, make: Make, libver: Any = "earliest") -> Path:
    path = folder / "other.h5"
    with h5py.File(path, "w", libver=libver) as file:
        make(file)
    return path


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("libver", ["earliest", ("v110", "v110"), "latest"])
def test_events_of_every_layout_come_out_as_they_are_however_they_are_cut(
    name: str, libver: Any, tmp_path: Path
) -> None:
    make, format, given = LAYOUTS[name]
    path = made(tmp_path, make, libver)
    recording = open_recording(path, **given)
    assert recording.format == format
    assert recording.sensor == (SensorSize(128, 100) if name == "rpg" else DVS128)
    found = check_source(recording)
    inside = BATCH.y < recording.sensor.height
    assert found.lists()[:4] == [column[inside].tolist() for column in FIELDS.values()]
    assert found.lost.total == (~inside).sum()
    for batch_events in (7, 1_000):
        assert check_source(open_recording(path, batch_events=batch_events, **given)) == found


def test_what_no_file_states_is_asked_for_or_assumed_with_a_note(tmp_path: Path) -> None:
    with pytest.warns(SpikecutWarning, match="states no sensor; 128x128 is assumed"):
        open_recording(made(tmp_path, v2e))
    with pytest.raises(ConfigError, match="four columns without names"):
        open_recording(made(tmp_path, tonic_table), sensor=DVS128)

    def fractional(file: h5py.File) -> None:
        dsec(file)
        del file["events/t"], file["t_offset"]
        file["events/t"] = BATCH.t / 1e6

    path = made(tmp_path, fractional)
    with pytest.raises(ConfigError, match="fractional numbers") as caught:
        open_recording(path)
    assert "--time-unit s" in str(caught.value.hint)
    found = check_source(open_recording(path, text=TextLayout("txyp", "s")))
    assert found.t.tolist() == BATCH.t.tolist()
    for unit, word in (("s", "seconds"), ("s", np.bytes_("s"))):
        with h5py.File(path, "a") as file:
            file["events/t"].attrs["unit"] = word
        recording = open_recording(path)
        assert recording.format == f"DSEC HDF5 (t in {unit})"
        assert check_source(recording).t.tolist() == BATCH.t.tolist()


@pytest.mark.parametrize("unit", ["parsecs", "m"])
def test_times_in_another_unit_are_refused(unit: str, tmp_path: Path) -> None:
    path = made(tmp_path, dsec)
    with h5py.File(path, "a") as file:
        file["events"].attrs["t_unit"] = unit
    with pytest.raises(UnsupportedVersion, match=f"times in '{unit}'"):
        open_recording(path)


def test_frames_and_other_arrays_are_no_events(tmp_path: Path) -> None:
    def frames(file: h5py.File) -> None:
        file["data/0"] = np.zeros((5, 2, 8, 8), np.uint8)

    def nothing(file: h5py.File) -> None:
        file["images"] = [1, 2]

    with pytest.raises(UnknownFormat, match="expected rows of numbers"):
        open_recording(made(tmp_path, frames), sensor=DVS128)
    with pytest.raises(UnknownFormat, match="without events: it has images"):
        open_recording(made(tmp_path, nothing), sensor=DVS128)


def test_times_beyond_what_a_clock_can_show_are_counted_and_never_wrap(tmp_path: Path) -> None:
    def late(offset: int, t: Any) -> Make:
        def make(file: h5py.File) -> None:
            group = file.create_group("events")
            group["t"], group["x"], group["y"], group["p"] = t, [1, 2, 3], [1, 2, 3], [0, 1, 0]
            file["t_offset"] = offset

        return make

    path = made(tmp_path, late(2**63 - 5, [0, 1, 2]))
    with pytest.raises(CorruptRecording, match="not one event"):
        list(open_recording(path, sensor=DVS128))
    path = made(tmp_path, late(0, np.array([7, 8, 2**64 - 1], np.uint64)))
    found = check_source(open_recording(path, sensor=DVS128))
    assert found.t.tolist() == [7, 8]
    assert found.lost.events_by_cause() == {"unreadable": 1}


def test_a_damaged_heap_of_words_neither_hangs_nor_costs_an_event(tmp_path: Path) -> None:
    """Files of earlier versions keep `format` and `t_unit` as words of variable length."""

    def old(file: h5py.File) -> None:
        group = file.create_group("events")
        group.attrs.update({"format": "spikecut-events", "version": 1, "t_unit": "us", "width": 128, "height": 128})
        for name, column in FIELDS.items():
            group[name] = column

    path = made(tmp_path, old, ("v110", "v110"))
    data = path.read_bytes()
    whole = check_source(open_recording(path))
    assert (open_recording(path).format, whole.lost.total) == ("spikecut HDF5", 0)
    heap = data.index(b"GCOL")
    for at, value in ((heap, 0), (heap + 8, 0), (heap + 8, 255), (heap + 16, 77), (heap + 24, 0), (heap + 27, 255)):
        path.write_bytes(_with(data, at, value))
        recording = open_recording(path)
        assert recording.format == "spikecut HDF5"
        found = check_source(recording)
        assert found.lists() == whole.lists()


def _with(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes([value]) + data[at + 1 :]


@pytest.mark.parametrize("name", ["own", *LAYOUTS])
def test_mutants_of_every_layout_are_read_in_order_and_in_range_or_refused(name: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {}
    if name == "own":
        path = tmp_path / "own.h5"
        write_hdf5(path, [BATCH], DVS128)
    else:
        make, _, given = LAYOUTS[name]
        path = made(tmp_path, make)
    n_refused, rng = 0, np.random.default_rng(5)
    data = path.read_bytes()
    for _ in range(40):
        mutant = bytearray(data)
        for at in rng.integers(0, rng.choice([200, 4_000, len(data)]), 3) % len(data):
            mutant[at] = rng.choice([0, 1, 127, 255, mutant[at] ^ (1 << rng.integers(8))])
        path.write_bytes(mutant)
        try:
            check_source(open_recording(path, **{"sensor": DVS128} | given))
        except SpikecutError:
            n_refused += 1
    assert n_refused > 3


def test_a_file_that_another_process_writes_is_in_use_and_not_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_hdf5(path, [BATCH], DVS128)
    with path.open("rb") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        code = "import sys; from spikecut import open_recording; open_recording(sys.argv[1])"
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
        assert "InUse" in done.stderr
        with pytest.raises(InUse, match="open for writing"):
            open_recording(path)
    assert len(check_source(open_recording(path)).t) == len(BATCH)


@pytest.mark.parametrize(("code", "message"), [(0x8ECF, "ECF"), (40_000, "filter 40000"), (32_001, "Blosc")])
def test_a_filter_that_cannot_be_undone_here_is_named_with_what_to_do(
    code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    path = made(tmp_path, dsec)
    lzf = (32_000).to_bytes(2, "little")
    path.write_bytes(path.read_bytes().replace(lzf + b"\x08\0", code.to_bytes(2, "little") + b"\x08\0"))
    with pytest.raises(UnsupportedVersion, match=message) as caught:
        open_recording(path)
    assert ("spikecut[hdf5]" in str(caught.value.hint)) == (code == 32_001)


def test_a_chunk_for_a_plugin_is_unpacked_by_hdf5_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a filter that h5py has itself in the place of one of hdf5plugin's."""
    monkeypatch.setattr(filters, "import_module", lambda name: None)
    values = np.repeat(np.arange(6, dtype="<u2"), 100)
    with h5py.File("a.h5", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset("a", data=values, chunks=(600,), compression="lzf")
        _, packed = dataset.id.read_direct_chunk((0,))
        kind, _, parameters, _ = dataset.id.get_create_plist().get_filter(0)
    assert kind == filters.LZF
    content = np.frombuffer(packed, np.uint8)
    out = filters._by_plugin(content, filters.Filter(kind, parameters), 1_200, 2)
    assert out.view("<u2").tolist() == values.tolist()
    with pytest.raises(filters.ChunkDamage):
        filters._by_plugin(content[:9], filters.Filter(kind, parameters), 1_200, 2)


@given(st.lists(st.integers(0, 3), max_size=900), st.sampled_from(["<u1", "<u2", "<u4", "<i8"]))
@settings(max_examples=30, deadline=None)
def test_packed_chunks_are_what_hdf5_packs(numbers: list[int], dtype: str) -> None:
    values = np.array([*numbers, 1], dtype)
    with h5py.File("a.h5", "w", driver="core", backing_store=False) as file:
        for packing in ({"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"}):
            dataset = file.create_dataset(f"a{len(file)}", data=values, chunks=values.shape, **packing)
            skipped, packed = dataset.id.read_direct_chunk((0,))
            creation = dataset.id.get_create_plist()
            steps = [creation.get_filter(number) for number in range(creation.get_nfilters())]
            chain = tuple(filters.Filter(step[0], step[2]) for step in steps)
            out = filters.unpack(packed, chain, skipped, values.nbytes, values.itemsize)
            assert out.view(dtype).tolist() == values.tolist()


def test_checksums_are_those_that_their_authors_give() -> None:
    assert int(kernels.lookup3(np.frombuffer(b"", np.uint8))) == 0xDEADBEEF
    text = np.frombuffer(b"Four score and seven years ago", np.uint8)
    assert int(kernels.lookup3(text)) == 0x17770551  # lookup3.c, driver5, initial value 0


class _Interrupted:
    def __init__(self, after: int, error: BaseException) -> None:
        self.after, self.error = after, error

    def __iter__(self) -> Any:
        for number in range(self.after):
            part = pattern(20_000, first_us=1_000 + number * 10**6)
            yield part
        raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interruption_ends_the_writing_and_leaves_nothing(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with pytest.raises(type(error)), new_file(path) as part:
        write_hdf5(part, _Interrupted(5, error), DVS128)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n_bytes", [0, 40, 5_000, 100_000])
def test_a_full_disk_is_one_error_and_leaves_nothing(n_bytes: int, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with full_disk(n_bytes), pytest.raises(EnvironmentProblem, match="cannot be written"), new_file(path) as part:
        write_hdf5(part, [pattern(90_000)], DVS128)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n", [0, 1, 255, 65_536, 65_537, 200_000])
def test_hdf5_itself_reads_what_is_written_and_its_words_have_fixed_lengths(n: int, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    batches = [pattern(n)] if n else []
    write_hdf5(path, batches, DVS128)
    with h5py.File(path) as file:
        group = file["events"]
        assert {name: group.attrs[name] for name in ("format", "version", "t_unit", "width", "height")} == {
            "format": b"spikecut-events", "version": 1, "t_unit": b"us", "width": 128, "height": 128,
        }  # fmt: skip
        for number in range(h5py.h5a.get_num_attrs(group.id)):
            kind = h5py.h5a.open(group.id, index=number).get_type()
            assert not (isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str())
        for name in "txyp":
            expected = getattr(batches[0], name) if n else np.empty(0)
            assert group[name].shape == (n,)
            assert (group[name][()] == expected).all()


def test_an_index_of_very_many_chunks_is_one_that_hdf5_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikecut.sources.formats.hdf5_writer.CHUNK_ROWS", 16)
    path, batch = tmp_path / "a.h5", pattern(20_000)
    write_hdf5(path, [batch], DVS128)
    with h5py.File(path) as file:
        assert file["events/t"].id.get_num_chunks() == 1_250
        assert (file["events/t"][()] == batch.t).all()
    assert check_source(open_recording(path)).t.tolist() == batch.t.tolist()


@pytest.mark.parametrize("name", ["own", "dsec", "prophesee", "v2e"])
def test_a_late_stretch_is_found_without_what_lies_before_it(name: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {}
    if name == "own":
        path, whole = tmp_path / "a.h5", pattern(300_000)
        write_hdf5(path, [whole], DVS128)
    else:
        make, _, given = LAYOUTS[name]
        path, whole = made(tmp_path, make), BATCH
    recording = open_recording(path, **given)
    assert isinstance(recording, Seekable)
    for place in (0, len(whole) // 2, len(whole) - 1):
        time_us = int(whole.t[place])
        batches = recording.from_time(time_us)
        assert batches is not None
        t = np.concatenate([batch.t for batch in batches])
        assert t[t >= time_us].tolist() == whole.t[whole.t >= time_us].tolist()
        if name == "own":
            assert len(t) <= len(whole) - place + 3 * 65_536
        stretch = open_recording(path, **given, start_us=time_us - int(whole.t[0]), duration_us=1_000)
        expected = whole.t[(whole.t >= time_us) & (whole.t < time_us + 1_000)]
        assert np.concatenate([np.empty(0, int), *(batch.t for batch in stretch)]).tolist() == expected.tolist()


def test_a_seek_in_a_recording_whose_clock_was_reset_reads_all(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    first, second = pattern(100), pattern(100)
    later = EventBatch(second.t, second.x, second.y, second.p, second.start_us, second.end_us, DVS128, 1)
    write_hdf5(path, [first, later], DVS128)
    recording = open_recording(path)
    assert isinstance(recording, Seekable)
    assert recording.from_time(2_000) is None
