"""Truths about recordings of any sensor before the shipped networks: which part is shown, and where that is written."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikecut.models.files import opening
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.filters.flip import Flip
from spikecut.pipeline.filters.polarity import Polarity
from spikecut.pipeline.fit import Fits
from spikecut.pipeline.rules.cutoff_file import load_cutoff
from spikecut.sources.datasets.class_folders import list_recordings
from spikecut.sources.datasets.frames import binner_for
from spikecut.sources.formats.atis import write_atis
from spikecut.sources.formats.base import ReadOptions
from spikecut.sources.formats.hdf5_writer import write_hdf5
from spikecut.tools.cli import main
from spikecut.tools.frame_streams import network_for, view_of
from spikecut.tools.training.packing import pack_recordings, view_for
from spikecut.tools.training.recipe import read_recipe
from spikecut.tools.training.training_data import made_of

DAVIS = SensorSize(240, 180)
CROP = "crop 56,26,128x128 of 240x180 to 0,0,128x128 of 128x128"


def moving(sensor: SensorSize, seconds: float = 1.6) -> EventBatch:
    """A bar that moves over the sensor: enough for a decision."""
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, int(seconds * 1e6), 60_000))
    x = (sensor.width * (0.5 + 0.4 * np.sin(t / 150_000)) + rng.integers(-6, 6, len(t))).clip(0, sensor.width - 1)
    y = rng.integers(0, sensor.height, len(t)).astype(np.uint16)
    return EventBatch(
        t, x.astype(np.uint16), y, rng.integers(0, 2, len(t)).astype(np.uint8), 0, int(seconds * 1e6), sensor
    )


@pytest.fixture(scope="module")
def davis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("davis") / "a.h5"
    write_hdf5(path, [moving(DAVIS)], DAVIS)
    return path


def test_the_largest_network_within_the_sensor_is_chosen(davis: Path) -> None:
    assert network_for(davis) == "gestures"


def test_a_recording_of_the_sensor_and_class_of_a_network_is_its_own(davis: Path, tmp_path: Path) -> None:
    """DAVIS240 has the sensor of N-Caltech101: the folder tells a recording of a photograph from a stream."""
    card = opening.card_of(opening.SHIPPED / "ncaltech101.safetensors")
    assert card.sensor == DAVIS
    (tmp_path / "ant").mkdir()
    assert "ant" in card.classes
    shutil.copy(davis, tmp_path / "ant" / "a.h5")
    assert network_for(tmp_path / "ant" / "a.h5") == "ncaltech101"
    shutil.copy(davis, tmp_path / "a.h5")
    assert network_for(tmp_path / "a.h5") == "gestures"


@pytest.mark.parametrize(
    ("flags", "fit", "notes"),
    [
        ([], CROP, 1),
        (["--fit", "crop"], CROP, 0),
        (["--fit", "squeeze"], "squeeze 0,0,240x180 of 240x180 to 0,16,128x96 of 128x128", 0),
        (["--fit", "50,20,128x128"], "window 50,20,128x128 of 240x180 to 0,0,128x128 of 128x128", 0),
    ],
)
def test_run_and_why_say_which_fit_they_used(
    flags: list[str], fit: str, notes: int, davis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["why", str(davis), "--json", "--save", str(tmp_path / "why.png"), *flags]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["fit"] == fit
    assert sum(line.startswith("note: 240x180 recording") for line in err.splitlines()) == notes
    film = tmp_path / "run.gif"
    assert main(["run", str(davis), "--json", "--window", "off", "--save", str(film), *flags]) == 0
    out, err = capsys.readouterr()
    assert all(json.loads(line)["fit"] == fit for line in out.splitlines())
    assert f"fit: {fit}" in err
    assert "no promise holds" in err
    assert film.stat().st_size > 1_000


def test_a_window_outside_the_sensor_and_a_word_that_is_no_fit_are_refused(
    davis: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(davis), "--fit", "200,0,100x100"]) == 2
    assert "the window does not lie on a 240x180 sensor" in capsys.readouterr().err
    assert main(["run", str(davis), "--fit", "zoom"]) == 2
    assert "expected crop, squeeze or a window X,Y,WxH" in capsys.readouterr().err


def test_cutoffs_outputs_and_evaluations_keep_the_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sensor = SensorSize(60, 40)
    for digit in range(10):
        for i in range(2):
            path = tmp_path / "set" / str(digit) / f"{i}.h5"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_hdf5(path, [moving(sensor, 0.4)], sensor)
    folder, model = str(tmp_path / "set"), ["--model", "nmnist", "--part", "all"]
    outputs, cutoffs = str(tmp_path / "o.npz"), str(tmp_path / "c")
    fitting = ["--rule", "fixed", "--out", cutoffs, "--outputs", outputs, "--fit", "squeeze"]
    assert main(["calibrate", folder, *model, *fitting]) == 0
    (file,) = (tmp_path / "c").glob("*.json")
    fit = "squeeze 0,0,60x40 of 60x40 to 0,6,34x22 of 34x34"
    assert load_cutoff(file).fit == fit
    capsys.readouterr()
    for data, flags in ((folder, ["--fit", "squeeze"]), (outputs, [])):
        out = ["--out", str(tmp_path / "e"), "--overwrite", "--cutoff", str(file), "--json"]
        assert main(["evaluate", data, *model, *flags, *out]) == 0
        text, err = capsys.readouterr()
        assert json.loads(text)["fit"] == fit
        assert "no promise holds" not in err
    assert main(["replay", folder, *model, "--cutoff", str(file), "--json"]) == 0
    text, err = capsys.readouterr()
    assert json.loads(text)["fit"] == "crop 13,3,34x34 of 60x40 to 0,0,34x34 of 34x34"
    assert "no promise holds" in err


def test_a_file_of_the_networks_own_sensor_says_nothing_of_a_fit() -> None:
    cutoff = load_cutoff(opening.SHIPPED / "gestures.ltt-1pt.json")
    assert cutoff.fit == ""
    fits = Fits()
    view = view_of(opening.card_of(opening.locate("gestures")), ReadOptions(), fits)
    binner_for(SensorSize(128, 128), view, "a")
    assert not fits.used


def test_a_recipe_may_filter_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (opening.SHIPPED.parent.parent / "tools" / "recipes" / "nmnist.toml").read_text()
    (tmp_path / "other.toml").write_text('filters = ["polarity:on"]\n' + text)
    recipe = replace(read_recipe(tmp_path / "other.toml"), name="nmnist")
    assert view_for(recipe, ReadOptions(filters=(Flip("x"),))).reading.filters == (Flip("x"), Polarity("on"))
    folder = tmp_path / "d"
    (folder / "0").mkdir(parents=True)
    batch = moving(SensorSize(34, 34), 0.3)
    write_atis(folder / "0" / "a.bin", [batch], batch.sensor)
    recordings = list_recordings(folder)
    frames, _ = pack_recordings(recordings, recipe, "train")
    assert capsys.readouterr().err.count("lost") == 0
    plain, _ = pack_recordings(recordings, read_recipe("nmnist"), "train")
    assert plain[:, :, 0].any()
    assert not frames[:, :, 0].any()
    assert np.array_equal(frames[:, :, 1], plain[:, :, 1])
    now, before = made_of(recipe, None), made_of(read_recipe("nmnist"), None)
    assert "Polarity" in now["reading"]
    assert "reading" not in before
    (tmp_path / "wrong.toml").write_text('filters = ["polarise"]\n' + text)
    assert main(["train", str(tmp_path / "wrong.toml"), "--out", str(tmp_path / "o")]) == 2


def test_a_recipe_may_say_how_other_sensors_are_shown(tmp_path: Path) -> None:
    text = (opening.SHIPPED.parent.parent / "tools" / "recipes" / "nmnist.toml").read_text()
    (tmp_path / "other.toml").write_text('fit = "squeeze"\n' + text)
    recipe = read_recipe(tmp_path / "other.toml")
    view = view_for(recipe)
    assert view.reading.fit == "squeeze"
    assert binner_for(DAVIS, view, "a").frame_size == view.frame
    assert view_for(read_recipe("nmnist")).reading.fit == ""
    (tmp_path / "wrong.toml").write_text('fit = "zoom"\n' + text)
    assert main(["train", str(tmp_path / "wrong.toml"), "--out", str(tmp_path / "o")]) == 2
