"""Files that state no sensor: one note names the size that is assumed, the reason, and the option that sets another."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from spikecut.pipeline.errors import SpikecutWarning
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources import open_recording
from spikecut.sources.formats import FORMATS
from spikecut.tools.cli import main

from streams import batch_of

N = 500
CALTECH, DVS128 = SensorSize(240, 180), SensorSize(128, 128)


def events(sensor: SensorSize) -> EventBatch:
    """Events on most columns and rows of a sensor."""
    t, x, y = np.arange(N) * 1_000, np.arange(N) * 7 % (sensor.width - 1), np.arange(N) * 5 % (sensor.height - 1)
    return batch_of(t.tolist(), x.tolist(), y.tolist(), (np.arange(N) % 2).tolist(), sensor=sensor)


def written(path: Path, row: str, sensor: SensorSize, *removed: tuple[bytes, bytes]) -> None:
    """A file of a format, without what its header says about the sensor."""
    FORMATS[row].write(path, [events(sensor)], sensor)
    data = path.read_bytes()
    for pattern, other in removed:
        data, n = re.subn(pattern, other, data)
        assert n
    path.write_bytes(data)


def columns(sensor: SensorSize) -> dict[str, np.ndarray]:
    batch = events(sensor)
    return {"t": batch.t, "x": batch.x, "y": batch.y, "p": batch.p}


def hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name, values in columns(CALTECH).items():
            file[f"events/{name}"] = values


def structured(path: Path) -> None:
    values = columns(CALTECH)
    array = np.empty(N, [(name, column.dtype) for name, column in values.items()])
    for name, column in values.items():
        array[name] = column
    np.save(path, array)


def tonic(path: Path) -> None:
    values = columns(DVS128)
    np.save(path, np.stack([values["x"], values["y"], values["p"], values["t"] // 1_000], 1))


def archive(path: Path) -> None:
    values = columns(CALTECH)
    np.savez(path, t=values["t"], x=values["x"], y=values["y"], p=values["p"])


def text(path: Path) -> None:
    np.savetxt(path, np.stack(list(columns(CALTECH).values()), 1), "%d", ",", header="t_us,x,y,p", comments="")


GEOMETRY = (rb";height=\d+;width=\d+", b""), (rb"% geometry \w+\n", b"")
FILES: dict[str, tuple[SensorSize, Callable[[Path], object]]] = {
    "atis.bin": (CALTECH, lambda path: written(path, "atis", CALTECH)),
    "dvs128.aedat": (DVS128, lambda path: written(path, "aedat2", DVS128, (rb"# AEChip: [^\r]*\r\n", b""))),
    "three.aedat": (CALTECH, lambda path: written(path, "aedat3", CALTECH, (b"DAVIS240C?", b"DAVOS240"))),
    "four.aedat4": (CALTECH, lambda path: written(path, "aedat4", CALTECH, (b"size(?=[XY])", b"sise"))),
    "evt2.raw": (SensorSize(304, 240), lambda path: written(path, "evt2", CALTECH, *GEOMETRY)),
    "evt21.raw": (SensorSize(304, 240), lambda path: written(path, "evt21", CALTECH, *GEOMETRY)),
    "evt3.raw": (SensorSize(304, 240), lambda path: written(path, "evt3", CALTECH, *GEOMETRY)),
    "cd.dat": (SensorSize(304, 240), lambda path: written(path, "dat", CALTECH, (rb"% (Height|Width) \d+\n", b""))),
    "columns.h5": (CALTECH, hdf5),
    "rows.npy": (CALTECH, structured),
    "tonic.npy": (DVS128, tonic),
    "columns.npz": (CALTECH, archive),
    "lines.csv": (CALTECH, text),
}


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = tmp_path / request.param
    FILES[request.param][1](path)
    return path


def test_a_sensor_that_no_file_states_is_assumed_with_one_note(file: Path) -> None:
    sensor, _ = FILES[file.name]
    with pytest.warns(SpikecutWarning) as notes:
        recording = open_recording(file)
    (note,) = {str(one.message) for one in notes}
    assert file.name in note
    assert re.search(rf"{sensor} is (assumed|inferred)", note)
    assert "--sensor" in note
    assert recording.sensor == sensor
    assert sum(map(len, recording)) == N


def test_a_sensor_that_is_given_needs_no_note(file: Path) -> None:
    sensor, _ = FILES[file.name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_recording(file, sensor=sensor).sensor == sensor


def test_every_command_prints_the_note_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sensor, _ = FILES[file.name]
    for words in (
        ["info", file],
        ["convert", file, file.with_name("out.h5")],
        ["run", file],
        ["run", file, "--model", "gestures"],
    ):
        assert main([str(word) for word in words]) == 0
        notes = [line for line in capsys.readouterr().err.splitlines() if "--sensor" in line]
        assert len(notes) == 1, words
        assert notes[0].startswith("note: ")
        assert f"{sensor} is " in notes[0]
