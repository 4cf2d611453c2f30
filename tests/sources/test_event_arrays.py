"""Truths about events that come as four arrays."""

import numpy as np
import pytest

import spikecut
from spikecut.pipeline.errors import EventError


def test_four_arrays_are_the_events_that_a_structured_array_of_them_is() -> None:
    rng = np.random.default_rng(0)
    n = 1_000
    t, x, y, p = (
        np.sort(rng.integers(0, 50_000, n)),
        rng.integers(0, 34, n),
        rng.integers(0, 20, n),
        rng.random(n) < 0.5,
    )
    batch = spikecut.events_from_arrays(t, x, y, p, sensor=(34, 20))
    fields = np.zeros(n, [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
    fields["t"], fields["x"], fields["y"], fields["p"] = t, x, y, p
    other = spikecut.EventBatch.from_structured(fields, spikecut.SensorSize(34, 20))
    for name in "txyp":
        np.testing.assert_array_equal(getattr(batch, name), getattr(other, name))
    assert (batch.start_us, batch.end_us, batch.sensor) == (other.start_us, other.end_us, other.sensor)


def test_an_event_outside_the_sensor_is_refused_or_counted() -> None:
    columns = [1, 2], [3, 4], [0, 0], [1, 1]
    with pytest.raises(EventError, match=r"event 1: pixel \(4, 0\) on a 4x4 sensor"):
        spikecut.events_from_arrays(*columns, sensor=(4, 4))
    batch = spikecut.events_from_arrays(*columns, sensor=(4, 4), outside="drop")
    assert (len(batch), batch.lost.total) == (1, 1)
