"""The files that are damaged: one of every kind that spikecut reads, small, and made anew by the writers."""

import json
import os
import pickle
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from compatibility.observed import DATA, RUN

from spikecut.pipeline.errors import SpikecutError
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.sources.formats import FORMATS, written_formats

import picture_layouts
import source_contract

OTHERS = "hdf5 of others"
SENSORS = (SensorSize(128, 128), SensorSize(34, 34), SensorSize(346, 260), SensorSize(1280, 720))


@dataclass(frozen=True, slots=True)
class Subject:
    """A whole file. `group` is the kind that the result is counted by, `check` the function that reads it.

    `sensor` and `columns` are given to the reader; `body` is the first byte behind the header; `borders` are the bytes
    at which its packets or lines end; `fields` are places (first byte, width) of lengths and counts.
    """

    group: str
    name: str
    suffix: str
    data: bytes
    check: str = "recording"
    sensor: SensorSize = SENSORS[0]
    columns: str = "xytp"
    body: int = 0
    borders: frozenset[int] = frozenset()
    fields: tuple[tuple[int, int], ...] = ()
    weight: float = 1.0


def stream(sensor: SensorSize, n: int = 300, seed: int = 0) -> EventBatch:
    """A few hundred events with a pause; no turn or swap of axes leaves them the same."""
    rng = np.random.default_rng(seed)
    t = 1_000 + np.cumsum(rng.exponential(60, n)).astype(np.int64)
    t[n // 2 :] += 30_000
    phase = np.linspace(0, 1, n)
    x = (phase * (sensor.width - 1) * 0.8 + rng.integers(0, 3, n)).clip(0, sensor.width - 1).astype(np.uint16)
    y = ((1 - phase**2) * (sensor.height - 1) + rng.integers(0, 2, n)).clip(0, sensor.height - 1).astype(np.uint16)
    return EventBatch(t, x, y, (rng.random(n) < 0.4).astype(np.uint8), int(t[0]), int(t[-1]) + 1, sensor)


def subjects(only: str = "") -> dict[str, list[Subject]]:
    """All files by group, or one group; formats are those of the table, so a new one is fuzzed without a word here."""
    groups: dict[str, list[Subject]] = {}
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        makers = (
            _recordings(Path(folder), only),
            _documents(),
            _archives(Path(folder)),
            _tables(),
            _video(Path(folder)),
        )
        events = only in FORMATS or only == OTHERS
        chosen = makers if not only else makers[-1:] if only == "video" else makers[:1] if events else makers[1:4]
        for one in chain.from_iterable(chosen):
            if only in ("", one.group):
                groups.setdefault(one.group, []).append(one)
    return groups


def scratch() -> str | None:
    """A folder in memory, where the system has one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _recordings(folder: Path, only: str) -> Iterator[Subject]:
    writers = {name: row.write for name, row in written_formats().items()}
    for name, row in FORMATS.items():
        if row.simulated or only not in ("", name):
            continue
        for at, sensor in enumerate(SENSORS):
            path = folder / f"{name}{at}{row.suffixes[0]}"
            batch = stream(sensor, 300 if at else 500, at)
            try:
                if name in writers:
                    writers[name](path, [batch], sensor)
                elif sensor == SENSORS[0]:
                    source_contract.TEST_WRITERS[name](path, [batch])
                else:
                    continue
            except SpikecutError:
                continue  # a sensor that the format does not hold
            yield recording(name, f"{sensor}", path, sensor)
    for name, path in _other_layouts(folder):
        yield recording(name, path.stem, path, SENSORS[0])


def recording(group: str, name: str, path: Path, sensor: SensorSize) -> Subject:
    data = path.read_bytes()
    body = _body(group, data)
    borders, fields = _layout(group, data, body)
    weight = 0.5 if "hdf5" in group else 1.0
    return Subject(
        group, name, path.suffix, data, sensor=sensor, body=body, borders=borders, fields=fields, weight=weight
    )


def _other_layouts(folder: Path) -> Iterator[tuple[str, Path]]:
    """Layouts that others write: HDF5 of DSEC, text with a header line and commas."""
    import h5py

    batch = stream(SENSORS[0])
    dsec = folder / "dsec.h5"
    with h5py.File(dsec, "w") as file:
        for column in "txyp":
            file[f"events/{column}"] = getattr(batch, column)
        file["t_offset"] = np.int64(5)
    yield OTHERS, dsec
    rows = list(zip(batch.x.tolist(), batch.y.tolist(), batch.t.tolist(), batch.p.tolist(), strict=True))
    commas = folder / "commas.csv"
    commas.write_text("".join(f"{x},{y},{t},{p}\r\n" for x, y, t, p in rows))
    yield "text", commas


def _body(group: str, data: bytes) -> int:
    """The first byte behind the lines of the header, which begin with # or %."""
    at = 0
    while data[at : at + 1] in (b"#", b"%") and (end := data.find(b"\n", at)) >= 0 and end < 20_000:
        at = end + 1
    return at + 2 if group == "dat" else at


def _layout(group: str, data: bytes, body: int) -> tuple[frozenset[int], tuple[tuple[int, int], ...]]:
    """Ends of packets or lines, and the places of their lengths."""
    if group == "text":
        ends = {at for at, byte in enumerate(data) if byte in b"\r\n"}
        return frozenset(ends | {at + 1 for at in ends} | {0, len(data)}), ()
    borders, fields, at = {body}, list[tuple[int, int]](), body
    if group == "aedat3":
        while at + 28 <= len(data):
            fields += [(at, 2), (at + 4, 4), (at + 8, 4), (at + 12, 4), (at + 16, 4), (at + 20, 4), (at + 24, 4)]
            size, capacity = struct.unpack_from("<i", data, at + 4)[0], struct.unpack_from("<i", data, at + 16)[0]
            at += 28 + size * capacity
            borders.add(at)
    if group == "aedat4":
        at = 14
        fields.append((at, 4))
        at += 4 + struct.unpack_from("<I", data, at)[0]
        borders = {at}
        while at + 8 <= len(data):
            fields += [(at, 4), (at + 4, 4), (at + 8, 4)]
            at += 8 + struct.unpack_from("<I", data, at + 4)[0]
            borders.add(at)
    return frozenset(borders), tuple(fields)


def _documents() -> Iterator[Subject]:
    for path in sorted(DATA.rglob("*.json")):
        text = path.read_text()
        if '"spikecut cutoff"' in text and "planned" not in path.stem:  # those need a policy beside them
            yield Subject("cutoffs", path.stem, ".json", path.read_bytes(), "cutoff")
    (policy,) = RUN.glob("*.policy.json")
    yield Subject("cards", policy.stem, ".json", policy.read_bytes(), "policy_card")
    models = Path(__file__).parents[2] / "models" / "weights"
    card = json.loads((models / "nmnist.json").read_text())
    yield Subject("cards", "nmnist", ".json", json.dumps({**card, "trained_on": []}).encode(), "card", weight=0.2)
    yield Subject(
        "weights", "nmnist", ".safetensors", (models / "nmnist.safetensors").read_bytes(), "weights", weight=0.1
    )
    for path in sorted((Path(__file__).parents[2] / "tools" / "recipes").glob("*.toml")):
        yield Subject("recipes", path.stem, ".toml", path.read_bytes(), "recipe")
    config = b'[run]\nmodel = "nmnist"\nspeed = 1.0\nonce = true\n[calibrate]\nrule = ["topk"]\ntolerance = 0.01\n'
    yield Subject("--config", "config", ".toml", config, "config")
    yield Subject("outputs", "calibration", ".npz", (RUN / "calibration.npz").read_bytes(), "outputs")
    evaluation = RUN / "evaluation" / "evaluation.json"
    yield Subject("evaluations", "evaluation", ".json", evaluation.read_bytes(), "evaluation", weight=0.1)


def _archives(folder: Path) -> Iterator[Subject]:
    pictures = {
        f"{part}/{name}/{i}{suffix}": picture_layouts.encoded(
            picture_layouts.coloured(i, np.random.default_rng(i), 8), suffix
        )
        for i, (part, suffix) in enumerate([("train", ".png"), ("test", ".jpg"), ("train", ".bmp")])
        for name in ("cat", "dog")
    }
    for method, name in ((0, "stored"), (8, "deflated"), (12, "bzip2"), (14, "lzma")):
        path = folder / f"{name}.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for entry, raw in pictures.items():
                archive.writestr(entry, raw)
        yield Subject("zip archives", name, ".zip", path.read_bytes(), "pictures")
    for suffix in (".png", ".jpg", ".bmp", ".pgm", ".gif", ".webp"):
        picture = picture_layouts.coloured(0, np.random.default_rng(1), 24)
        raw = picture_layouts.encoded(picture[:1] if suffix == ".pgm" else picture, suffix)
        yield Subject("pictures", suffix[1:], suffix, raw, "picture")
    path = picture_layouts.write_cifar(folder / "cifar", n_each=1)
    yield Subject("tar archives", "cifar-10", ".tar.gz", path.read_bytes(), "pictures", weight=0.5)
    array = np.arange(300, dtype=np.uint8).reshape(2, 150)
    values = {b"data": array, b"labels": list(range(40)), b"names": [b"one", b"two"]}
    yield Subject("pickles", "python 2", ".pickle", picture_layouts.as_python2(values), "pickle")
    for protocol in (0, 2, 4):
        plain = {"a": [1, 2**40, None], "b": {"c": (1, 2)}, "e": "text"}
        yield Subject("pickles", f"protocol {protocol}", ".pickle", pickle.dumps(plain, protocol), "pickle")


def _tables() -> Iterator[Subject]:
    rows = [f"{k % 11 + 1},{1_000_000 * k},{1_000_000 * k + 900_000}" for k in range(12)]
    labels = "\n".join(["class,startTime_usec,endTime_usec", *rows]) + "\n"
    yield Subject("labels", "gestures", ".csv", labels.encode(), "labels")
    trials = "".join(f"user{user:02d}_{light}.aedat\n" for user in range(1, 12) for light in ("led", "natural"))
    yield Subject("lists of recordings", "trials", ".txt", trials.encode(), "trials")


def _video(folder: Path) -> Iterator[Subject]:
    import cv2

    path = folder / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (32, 24))
    for k in range(4):
        picture = np.zeros((24, 32, 3), np.uint8)
        picture[:, 4 * k : 4 * k + 8] = 200
        writer.write(picture)
    writer.release()
    if path.exists() and path.stat().st_size:
        yield Subject("video", "mjpg", ".avi", path.read_bytes(), "recording", SensorSize(16, 12), weight=0.1)
