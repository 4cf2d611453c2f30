"""Truths about `--filter`: the events are those of the filter in Python, whatever the command and the batches."""

import json
from pathlib import Path

import numpy as np
import pytest

from spikecut.pipeline.events import EventBatch
from spikecut.pipeline.filters.parsing import filtered, filters_from
from spikecut.sources import open_recording
from spikecut.sources.formats.base import ReadOptions
from spikecut.sources.formats.hdf5_writer import write_hdf5
from spikecut.sources.formats.open import open_with
from spikecut.tools.cli import main

from source_contract import DVS128, pattern

WORDS = ["refractory:1ms", "crop:10,20,100x90", "hot_pixels", "rotate:90", "noise:20ms"]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    write_hdf5(tmp_path / "a.h5", [pattern(6_000)], DVS128)
    return tmp_path / "a.h5"


def columns(parts: list[EventBatch]) -> list[list[int]]:
    return [np.concatenate([getattr(part, name) for part in parts]).tolist() for name in "txyp"]


def test_convert_writes_the_filtered_events(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = recording.with_name("b.h5")
    assert main(["convert", str(recording), str(target), "--filter", *WORDS, "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    expected = list(filtered(open_recording(recording), WORDS))
    assert columns(list(open_recording(target))) == columns(expected)
    assert open_recording(target).sensor == expected[0].sensor
    assert counts["n_read"] == 6_000 == counts["n_written"] + sum(counts["dropped"].values())
    assert set(counts["dropped"]) <= {"refractory", "outside_crop", "hot_pixel", "noise"}


def test_filtered_recordings_do_not_depend_on_the_batches(recording: Path) -> None:
    filters = filters_from(WORDS)
    whole, parts = (list(open_with(recording, ReadOptions(batch_events=n, filters=filters))) for n in (10_000, 77))
    assert len(parts) > len(whole)
    assert columns(parts) == columns(whole)


def test_info_and_run_see_the_filtered_events(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(recording), "--filter", "polarity:on", "transpose", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n_events"] == report["n_on"] == int(pattern(6_000).p.sum())
    assert main(["run", str(recording), "--model", "gestures", "--filter", "polarity:on"]) == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--filter", "nois:5ms"], "no filter 'nois'"),
        (["--filter", "noise"], "filter 'noise'; expected noise:5ms"),
        (["--filter", "crop:100,0,64x64"], "does not lie on a 128x128 sensor"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(
    words: list[str], error: str, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(recording), *words]) == 2
    assert error in capsys.readouterr().err
