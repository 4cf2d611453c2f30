"""Truths about the judgement of a recording: each planted fault is found, a clean recording has no finding."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikecut.models.files import opening
from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import DropCause, DropCounts, EventBatch, SensorSize
from spikecut.pipeline.metrics.recording_quality import QualityMeter
from spikecut.pipeline.rules.cutoff_file import load_cutoff
from spikecut.pipeline.rules.reference import LEVELS, Reference, place_of, quantiles_of
from spikecut.sources.formats.hdf5_writer import write_hdf5
from spikecut.sources.simulation.gestures import drawn_session
from spikecut.tools.cli import main
from spikecut.tools.recordings.judging import findings_of, flicker_hz, hot_pixels

from source_contract import DVS128

SECONDS = 6


def noise(n: int = 240_000, seed: int = 0, seconds: int = SECONDS) -> EventBatch:
    """Events at random times and places."""
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, seconds * 1_000_000, n))
    x, y = (rng.integers(0, 128, n).astype(np.uint16) for _ in range(2))
    return EventBatch(t, x, y, rng.integers(0, 2, n).astype(np.uint8), 0, seconds * 1_000_000, DVS128)


def with_events(batch: EventBatch, t: np.ndarray, x: int, y: int) -> EventBatch:
    times = np.concatenate([batch.t, t])
    order = np.argsort(times, kind="stable")
    columns = [np.concatenate([batch.x, np.full(len(t), x, np.uint16)]), np.concatenate([batch.y, np.full(len(t), y)])]
    p = np.concatenate([batch.p, np.ones(len(t), np.uint8)])
    return dataclasses.replace(
        batch, t=times[order], x=columns[0][order], y=columns[1][order].astype(np.uint16), p=p[order]
    )


def found(*batches: EventBatch) -> list[str]:
    meter = QualityMeter(batches[0].sensor)
    for batch in batches:
        meter.add(batch)
    return [finding.name for finding in findings_of(meter.finish())]


def kept(batch: EventBatch, which: np.ndarray) -> EventBatch:
    return dataclasses.replace(batch, t=batch.t[which], x=batch.x[which], y=batch.y[which], p=batch.p[which])


def test_random_events_have_no_finding() -> None:
    assert found(noise()) == []


def test_a_drawn_gesture_has_no_finding() -> None:
    """Daylight: no lamp flickers; the camera may have warm pixels, which make few of the events."""
    session = dataclasses.replace(drawn_session(4, quick=True), order=(1, 8))
    assert session.lighting == "natural"
    assert found(*session) == []


def test_a_hot_pixel_is_found_with_its_place() -> None:
    batch = with_events(noise(), np.arange(0, SECONDS * 1_000_000, 500), 40, 17)
    meter = QualityMeter(DVS128)
    meter.add(batch)
    quality = meter.finish()
    assert [(x, y) for x, y, _ in hot_pixels(quality)] == [(40, 17)]
    (finding,) = findings_of(quality)
    assert finding.name == "hot_pixels"
    assert "(40, 17)" in finding.sentence
    assert "--filter hot_pixels" in finding.advice


@pytest.mark.parametrize("lamp_hz", [100, 120])
def test_the_flicker_of_lamps_is_found(lamp_hz: int) -> None:
    batch = noise()
    rng = np.random.default_rng(1)
    bright = rng.random(len(batch)) < 0.5 + 0.4 * np.sin(2 * np.pi * lamp_hz * batch.t / 1e6)
    assert found(kept(batch, bright)) == ["flicker"]
    meter = QualityMeter(DVS128)
    meter.add(kept(batch, bright))
    assert flicker_hz(meter.finish()) == lamp_hz


def test_times_in_milliseconds_are_found() -> None:
    batch = noise()
    assert found(dataclasses.replace(batch, t=batch.t // 1_000 * 1_000)) == ["time_resolution"]


def test_a_dead_half_is_found_with_the_window_that_is_left() -> None:
    batch = noise()
    meter = QualityMeter(DVS128)
    meter.add(kept(batch, batch.x < 64))
    (finding,) = findings_of(meter.finish())
    assert finding.name == "dead_area"
    assert finding.sentence.startswith("50% of the sensor")
    assert "--fit 0,0,64x128" in finding.advice


def test_a_rate_that_is_cut_off_is_found() -> None:
    batch = noise()
    steady = np.sort(np.concatenate([1_000_000 + ms * 1_000 + np.arange(200) * 4 for ms in range(500)]))
    both = with_events(kept(batch, (batch.t < 1_000_000) | (batch.t >= 1_500_000)), steady, 3, 3)
    spread = dataclasses.replace(both, x=np.random.default_rng(2).integers(0, 128, len(both)).astype(np.uint16))
    spread = dataclasses.replace(spread, y=np.random.default_rng(3).integers(0, 128, len(both)).astype(np.uint16))
    assert "saturation" in found(spread)


def test_a_lost_polarity_gaps_and_losses_are_found() -> None:
    batch = noise()
    assert found(dataclasses.replace(batch, p=np.ones_like(batch.p))) == ["polarity"]
    assert found(kept(batch, (batch.t < 2_000_000) | (batch.t > 4_000_000))) == ["gaps"]
    assert found(dataclasses.replace(batch, lost=DropCounts.of(DropCause.late, 3))) == ["losses"]
    assert found(dataclasses.replace(batch, lost=DropCounts.of(DropCause.special, 3))) == []


@pytest.mark.parametrize("us", [777, 65_000, 1_234_567])
def test_the_measurements_do_not_depend_on_batches(us: int) -> None:
    batch = kept(noise(40_000), (noise(40_000).t < 2_000_000) | (noise(40_000).t > 3_500_000))
    whole, cut = QualityMeter(DVS128), QualityMeter(DVS128)
    whole.add(batch)
    for start in range(0, SECONDS * 1_000_000, us):
        cut.add(batch.between(start, min(start + us, batch.end_us)))
    one, other = whole.finish(), cut.finish()
    assert np.array_equal(one.pixels, other.pixels)
    assert np.allclose(one.power, other.power)
    names = ("n_events", "n_on", "n_bins", "saturated_bins", "ceiling", "n_spectra", "step_us", "n_gaps", "gap_us")
    assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]


def test_a_recording_without_events_is_no_error() -> None:
    assert found(EventBatch.empty(DVS128)) == []


def test_a_sensor_too_large_to_count_each_pixel_is_measured_without() -> None:
    meter = QualityMeter(SensorSize(60_000, 60_000))
    assert meter.finish().pixels is None


def test_info_judges_for_a_network_in_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, sensor = tmp_path / "a.h5", SensorSize(240, 180)
    batch = dataclasses.replace(noise(40_000), sensor=sensor)
    write_hdf5(path, [with_events(batch, np.arange(0, SECONDS * 1_000_000, 500), 40, 17)], sensor)
    assert main(["info", str(path), "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main(["info", str(path), "--model", "gestures", "--json"]) == 0
    judged = json.loads(capsys.readouterr().out)
    judgement = judged.pop("judgement")
    assert judged == plain
    assert judgement["fit"] == "crop 56,26,128x128 of 240x180 to 0,0,128x128 of 128x128"
    assert judgement["hot_pixels"] == [[40, 17]]
    assert "hot_pixels" in [finding["name"] for finding in judgement["findings"]]
    assert main(["info", str(path), "--model", "gestures", "--fit", "squeeze"]) == 0
    text = capsys.readouterr().out
    assert "squeeze 0,0,240x180" in text
    assert "hot pixels: 1 hot pixels make" in text


def a_reference() -> Reference:
    numbers = tuple(float(k) for k in range(7))
    shares = tuple(k / 10 for k in range(7))
    return Reference(3, "a", numbers, shares, numbers, shares, numbers, shares, shares)


def test_a_cutoff_keeps_its_reference_and_older_ones_have_none(tmp_path: Path) -> None:
    cutoff = load_cutoff(opening.SHIPPED / "nmnist.ltt-2pt.json")
    dataclasses.replace(cutoff, reference=None).save(tmp_path / "old.json")
    assert load_cutoff(tmp_path / "old.json").reference is None
    assert "reference" not in json.loads((tmp_path / "old.json").read_text())
    dataclasses.replace(cutoff, reference=a_reference()).save(tmp_path / "new.json")
    assert load_cutoff(tmp_path / "new.json").reference == a_reference()


@pytest.mark.parametrize(
    "changes",
    [{"n": 0}, {"rate_hz": (1.0,) * 6}, {"rate_hz": (2.0, 1.0) * 3 + (3.0,)}, {"on_share": (0.5,) * 6 + (1.5,)}],
)
def test_a_reference_that_cannot_be_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="reference"):
        dataclasses.replace(a_reference(), **changes)
    cutoff = load_cutoff(opening.SHIPPED / "nmnist.ltt-2pt.json")
    dataclasses.replace(cutoff, reference=a_reference()).save(tmp_path / "c.json")
    document = json.loads((tmp_path / "c.json").read_text())
    document["reference"] |= changes
    (tmp_path / "c.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match="reference"):
        load_cutoff(tmp_path / "c.json")


def test_quantiles_do_not_decrease_and_places_are_between_them() -> None:
    values = quantiles_of(np.random.default_rng(0).lognormal(size=1_000))
    assert len(values) == len(LEVELS)
    assert list(values) == sorted(values)
    assert place_of(values[3], values) == "50 to 75 %"
