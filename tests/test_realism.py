"""Truths about the statistics that compare drawn and real recordings, and about the witness that others trained."""

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks import realism
from benchmarks.parts import event_statistics, independent_network

from spikecut.pipeline.events import EventBatch, SensorSize

SENSOR = SensorSize(128, 128)


def batch(t: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> EventBatch:
    order = np.argsort(t, kind="stable")
    place = x[order].astype(np.uint16), y[order].astype(np.uint16)
    return EventBatch(t[order].astype(np.int64), *place, p[order].astype(np.uint8), 0, int(t.max()) + 1, SENSOR)


def noise(rate_hz: float, seconds: float, on: float = 0.5) -> EventBatch:
    """Independent events, Poisson in time."""
    rng = np.random.default_rng(0)
    n = rng.poisson(rate_hz * seconds * 128 * 128)
    x, y = rng.integers(0, 128, (2, n))
    return batch(rng.integers(0, round(seconds * 1e6), n), x, y, rng.random(n) < on)


def test_noise_alone_has_its_rate_its_polarity_and_no_shape() -> None:
    row = event_statistics.describe(noise(0.5, 10, on=0.7))
    assert set(row) == set(event_statistics.STATISTICS)
    assert row["rate_kev_s"] == pytest.approx(0.5 * 128 * 128 / 1e3, rel=0.02)
    assert row["quiet_hz"] == pytest.approx(0.5, rel=0.15)
    assert row["on_share"] == pytest.approx(0.7, abs=0.01)
    n_active = row["active_pixels"]
    assert row["neighbour_share"] == pytest.approx(1 - (1 - n_active / 128**2) ** 8, abs=0.02)
    assert row["hot_share"] < 0.06
    assert abs(row["memory_200ms"]) < 0.1


def test_a_hot_pixel_is_found_and_a_gap_is_worked_by_hand() -> None:
    t = np.arange(100) * 1_000
    row = event_statistics.describe(batch(t, np.full(100, 5), np.full(100, 7), t // 1_000 % 2))
    assert row["gap_median_ms"] == 1.0
    assert (row["gap_below_2ms"], row["opposite_below_2ms"], row["same_polarity"]) == (1.0, 1.0, 0.0)
    spots = noise(0.2, 2)
    times, ones = np.r_[spots.t, np.arange(100) * 19_000], np.ones(100)
    hot = batch(times, np.r_[spots.x, 3 * ones], np.r_[spots.y, 3 * ones], np.r_[spots.p, ones])
    assert event_statistics.describe(hot)["hot_share"] > event_statistics.describe(spots)["hot_share"]


@pytest.mark.parametrize("hz", [100, 120])
def test_light_that_flickers_leaves_its_line(hz: int) -> None:
    rng, even = np.random.default_rng(1), noise(0.5, 4)
    t = even.t[rng.random(len(even)) < 0.5 + 0.4 * np.sin(2 * np.pi * hz * even.t * 1e-6)]
    x, y = rng.integers(0, 128, (2, len(t)))
    row = event_statistics.describe(batch(t, x, y, np.zeros(len(t))))
    assert row[f"line_{hz}hz"] > 20 > 4 > row[f"line_{220 - hz}hz"]


def test_a_moving_edge_has_neighbours_and_its_extent() -> None:
    frames, rows = np.meshgrid(np.arange(50), np.arange(20, 60))
    row = event_statistics.describe(
        batch(frames.ravel() * 20_000, 10 + frames.ravel(), rows.ravel(), np.ones(frames.size))
    )
    assert row["neighbour_share"] == 1.0
    assert row["high_px"] == pytest.approx(31.2)
    assert row["wide_px"] == 0.0


def test_the_witness_is_judged_on_people_who_did_not_choose_its_assignment() -> None:
    labels = np.tile(np.arange(11), 4)
    secret = np.random.default_rng(0).permutation(11)
    given = np.argsort(secret)[labels]
    chooses = np.arange(len(labels)) < 22
    assert independent_network.judged(given, labels, chooses) == independent_network.Witness(22, 22, 12, 12)
    given[22:] = np.argsort(secret)[(labels[22:] + 1) % 11]
    assert independent_network.judged(given, labels, chooses).n_right == 0


def test_realism_says_what_it_skips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    realism.main(["--people", str(tmp_path), "--drawn", "gestures-1", "--users", "1", "--seconds", "0.5", "--json"])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("skipped")] == [
        f"skipped: no real recordings (*.aedat) in {tmp_path.name}",
        "skipped: the independent network; --independent names a folder with dvs_gesture_params.safetensors",
    ]
    row = next(json.loads(line) for line in lines if line.startswith("{"))
    assert row["rate_kev_s"] > 0
