"""The inflate of our own against zlib."""

import zlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecut.sources.formats.hdf5_files.inflate_kernels import inflate


@given(
    st.lists(st.tuples(st.binary(max_size=40), st.integers(1, 400)), max_size=30),
    st.integers(0, 9),
    st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_it_unpacks_what_zlib_packs_and_survives_damage(pieces, level, strategy, random) -> None:  # type: ignore[no-untyped-def]
    data = b"".join(piece * times for piece, times in pieces)
    stream = zlib.compressobj(level, zlib.DEFLATED, 15, 8, strategy)
    packed = np.frombuffer(stream.compress(data) + stream.flush(), np.uint8).copy()
    out = np.empty(len(data), np.uint8)
    assert inflate(packed, out) == len(data)
    assert out.tobytes() == data
    if data:
        assert inflate(packed, out[:-1]) == -1
    for _ in range(5):
        packed[random.randrange(len(packed))] ^= 1 << random.randrange(8)
        assert -1 <= inflate(packed, out) <= len(data)
        assert -1 <= inflate(packed[: random.randrange(len(packed))], out) <= len(data)
