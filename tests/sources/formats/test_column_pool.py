"""Columns that are used again: never while anything refers to them."""

import numpy as np

from spikecut.sources.formats.reading.column_pool import KEPT, ColumnPool


def test_columns_are_used_again_once_nothing_refers_to_them() -> None:
    pool = ColumnPool(100)
    first = pool.columns()[0].ctypes.data
    assert pool.columns()[0].ctypes.data == first


def test_a_view_of_one_column_keeps_all_its_columns() -> None:
    pool = ColumnPool(100)
    part = pool.columns()[1][10:20]
    part[:] = 7
    for column in pool.columns():
        column[:] = 1
    assert (part == 7).all()


def test_columns_that_are_kept_stay_apart_however_many() -> None:
    pool = ColumnPool(3)
    kept = [pool.columns() for _ in range(2 * KEPT)]
    for number, columns in enumerate(kept):
        for column in columns:
            column[:] = number
    for number, columns in enumerate(kept):
        assert all((column == number).all() and len(column) == 3 for column in columns)


def test_a_buffer_of_a_column_keeps_it() -> None:
    pool = ColumnPool(4)
    view = pool.columns()[3].data
    view[0] = 9
    np.copyto(pool.columns()[3], 0)
    assert view[0] == 9
