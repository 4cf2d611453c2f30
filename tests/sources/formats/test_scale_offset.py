"""Scale-offset of our own against HDF5's, and damage to it."""

import io
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.sources.formats.hdf5_files import building, filters, scale_offset
from spikecut.sources.formats.hdf5_files.filters import ChunkDamage, Filter
from spikecut.sources.formats.hdf5_files.scale_offset import SCALE_OFFSET

DTYPES = ["<u1", "<i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8"]


@st.composite
def columns(draw: st.DrawFn, dtypes: list[str]) -> np.ndarray:
    """Whole numbers of any type, whose differences take any number of bits."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    info: Any = np.iinfo(dtype.str)
    low = draw(st.integers(int(info.min), int(info.max)))
    high = min(int(info.max), low + 2 ** draw(st.integers(0, 8 * dtype.itemsize)) - 1)
    numbers = draw(st.lists(st.integers(low, high), min_size=1, max_size=40))
    return np.array(numbers * draw(st.integers(1, 5)), dtype)


def chain_of(dataset: Any) -> tuple[Filter, ...]:
    creation = dataset.id.get_create_plist()
    steps = [creation.get_filter(number) for number in range(creation.get_nfilters())]
    return tuple(Filter(step[0], step[2]) for step in steps)


@given(
    columns([*DTYPES, *(name.replace("<", ">") for name in DTYPES)]),
    st.sampled_from([{}, {"compression": "gzip"}, {"compression": "lzf"}]),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_it_unpacks_what_hdf5_packs(values: np.ndarray, others: dict[str, Any], filled: bool) -> None:
    fill = {"fillvalue": values[0]} if filled else {}
    with h5py.File("a.h5", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset("a", data=values, chunks=values.shape, scaleoffset=0, **others, **fill)
        skipped, packed = dataset.id.read_direct_chunk((0,))
        expected = dataset[()]
        out = filters.unpack(packed, chain_of(dataset), skipped, values.nbytes, values.itemsize)
    assert out.view(values.dtype).tolist() == expected.tolist()


@given(columns(DTYPES))
@settings(max_examples=150, deadline=None)
def test_hdf5_unpacks_what_it_packs_and_so_does_it(values: np.ndarray) -> None:
    packed = building.packed(values)
    file = bytearray(building.SUPERBLOCK_BYTES) + packed
    column_at = len(file)
    part = building.SUPERBLOCK_BYTES, len(packed)
    file += building.column(values.dtype, len(values), len(values), [part], column_at)
    root_at = len(file)
    file += building.group({"a": column_at}, {})
    file[: building.SUPERBLOCK_BYTES] = building.superblock(root_at, len(file))
    with h5py.File(io.BytesIO(file)) as opened:
        assert opened["a"][()].tolist() == values.tolist()
        chain = chain_of(opened["a"])
    out = filters.unpack(packed, chain, 0, values.nbytes, values.itemsize)
    assert out.view(values.dtype).tolist() == values.tolist()


def test_a_chunk_worked_out_by_hand() -> None:
    """5, 6, 12 and 5 are 0, 1, 7 and 0 above 5, of three bits each: 000 001 11 | 1 000."""
    packed = scale_offset.packed(np.array([5, 6, 12, 5], "<u2"))
    assert packed[:13] == bytes([3, 0, 0, 0, 8, 5, 0, 0, 0, 0, 0, 0, 0])
    assert packed[21:] == bytes([0b00000111, 0b10000000])


def test_equal_values_take_a_bit_each_so_that_a_file_declares_no_more_than_it_can_hold() -> None:
    assert len(scale_offset.packed(np.full(65_536, 7))) == 21 + 65_536 // 8 + 1


def test_numbers_wider_than_eight_bytes_hold_wherever_they_begin() -> None:
    """58 to 63 bits, as HDF5 packs them for others."""
    values = np.array([0, 2**62 - 1, 5, 2**61], "<u8")
    words = np.zeros(5, np.uint64)
    scale_offset.pack_bits(values, np.uint64(62), np.uint64(0), words)
    out = np.empty(4, np.uint64)
    nothing = np.uint64(2**64 - 1)
    data = words.astype(">u8").view(np.uint8)
    scale_offset.unpack_bits(data, np.uint64(62), np.uint64(0), nothing, np.uint64(0), out)
    assert out.tolist() == values.tolist()


@pytest.mark.parametrize("dtype", ["<u2", "<i8"])
def test_a_damaged_chunk_is_unpacked_within_its_size_or_refused(dtype: str) -> None:
    values = np.arange(100, 300).astype(dtype)
    packed = scale_offset.packed(values)
    chain = (Filter(SCALE_OFFSET, scale_offset.parameters(values.dtype, len(values))),)
    for n in range(len(packed) - 1):
        with pytest.raises(ChunkDamage):
            filters.unpack(packed[:n], chain, 0, values.nbytes, values.itemsize)
    for bits in (17, 65, 255, 2**31, 2**32 - 1):
        if bits > 8 * values.itemsize:
            with pytest.raises(ChunkDamage):
                filters.unpack(bits.to_bytes(4, "little") + packed[4:], chain, 0, values.nbytes, values.itemsize)
    for rows in (0, 199, 201, 2**32 - 1):
        other = (Filter(SCALE_OFFSET, scale_offset.parameters(values.dtype, rows)),)
        with pytest.raises(ChunkDamage):
            filters.unpack(packed, other, 0, values.nbytes, values.itemsize)
    rng = np.random.default_rng(1)
    for _ in range(200):
        mutant = bytearray(packed)
        mutant[rng.integers(len(mutant))] ^= 1 << int(rng.integers(8))
        try:
            out = filters.unpack(bytes(mutant), chain, 0, values.nbytes, values.itemsize)
        except ChunkDamage:
            continue
        assert len(out) == values.nbytes


@given(st.integers(1, 5), columns(["<u1", "<u2", "<i8"]), st.data())
@settings(max_examples=60, deadline=None)
def test_chunks_at_once_are_chunks_one_by_one_up_to_the_first_that_is_damaged(
    n: int, values: np.ndarray, data: st.DataObject
) -> None:
    chunks = [bytearray(building.packed(values)) for _ in range(n)]
    narrow = int.from_bytes(chunks[0][:4], "little") < min(58, 8 * values.itemsize)
    broken = data.draw(st.integers(0, n))
    if broken < n:
        chunks[broken][data.draw(st.integers(0, len(chunks[broken]) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    stored, sizes = np.frombuffer(b"".join(chunks), np.uint8), np.array([len(chunk) for chunk in chunks])
    out = np.empty(n * len(values), f"u{values.itemsize}")
    sound = int(scale_offset.unpack_chunks(stored, sizes, len(values), out))
    assert sound == (broken if narrow else 0)
    assert out[: sound * len(values)].view(values.dtype).tolist() == values.tolist() * sound
    assert int(scale_offset.unpack_chunks(stored[:-1], sizes, len(values), out)) <= min(sound, n - 1)
