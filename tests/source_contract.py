"""What every recorded source must do, and the small recordings that all of them are tried with."""

import hashlib
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikecut.pipeline.events import NOTHING_LOST, DropCounts, EventBatch, SensorSize
from spikecut.pipeline.protocols import EventSource
from spikecut.sources import open_recording
from spikecut.sources.formats import FORMATS, written_formats
from spikecut.sources.formats.base import Recording, TextLayout
from spikecut.sources.formats.reading.files import first_bytes

DVS128 = SensorSize(128, 128)
DATA = Path(__file__).parent / "data"
Write = Callable[[Path, Iterable[EventBatch]], int]


def write_text(path: Path, batches: Iterable[EventBatch]) -> int:
    """Lines of x y t p without a header; returns how many."""
    n = 0
    with path.open("w") as file:
        for batch in batches:
            rows = zip(batch.x.tolist(), batch.y.tolist(), batch.t.tolist(), batch.p.tolist(), strict=True)
            file.write("".join(f"{x} {y} {t} {p}\n" for x, y, t, p in rows))
            n += len(batch)
    return n


def write_npy(path: Path, batches: Iterable[EventBatch]) -> int:
    """Rows of x, y, p and t in ms, as Tonic stores DVS128 Gesture; returns how many."""
    rows = [np.stack([batch.x, batch.y, batch.p, batch.t / 1_000], axis=1) for batch in batches]
    with path.open("wb") as file:
        np.save(file, np.concatenate([np.empty((0, 4)), *rows]))
    return sum(map(len, rows))


def _writer(name: str) -> Write:
    return lambda path, batches: FORMATS[name].write(path, batches, DVS128)


TEST_WRITERS: dict[str, Write] = {"tonic_npy": write_npy}  # of formats that are read only
WRITERS: dict[str, Write] = {name: _writer(name) for name in written_formats()} | TEST_WRITERS
"""How recordings of every format that holds events are made here, by its name in `FORMATS`; a video holds none."""


def recording(folder: Path, name: str, batches: Iterable[EventBatch], stem: str = "a") -> Path:
    """A new file of a format, called by its usual suffix."""
    path = folder / f"{stem}{FORMATS[name].suffixes[0]}"
    WRITERS[name](path, batches)
    return path


def opened(path: Path, batch_events: int = 65_536) -> Recording:
    """A recording of a DVS128, with all that some format does not state itself."""
    plain = path.suffix == ".txt" and first_bytes(path, 1).isdigit()  # text without a header
    return open_recording(path, sensor=DVS128, batch_events=batch_events, text=TextLayout("xytp") if plain else None)


@dataclass(frozen=True)
class Collected:
    """Everything that came out of one pass: columns, the segment of every event, all losses."""

    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    p: np.ndarray
    segment: np.ndarray
    lost: DropCounts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Collected) and self.lists() == other.lists() and self.losses() == other.losses()

    def lists(self) -> list[list[int]]:
        return [column.tolist() for column in (self.t, self.x, self.y, self.p, self.segment)]

    def losses(self) -> dict[str, tuple[int, int]]:
        return {cause.value: (loss.events, loss.bytes) for cause, loss in self.lost.losses.items()}

    def digests(self) -> dict[str, str]:
        """The first 16 digits of SHA-256 of each column, little-endian."""
        return {
            name: hashlib.sha256(getattr(self, name).astype(f"<{kind}").tobytes()).hexdigest()[:16]
            for name, kind in (("t", "i8"), ("x", "u2"), ("y", "u2"), ("p", "u1"))
        }


def check_source(source: EventSource) -> Collected:
    """The contract: batches tile time within a segment, in order, on the sensor; every pass is the same."""
    first = _collect(source)
    assert first == _collect(source), "a second pass gave something else"
    return first


def _collect(source: EventSource) -> Collected:
    parts: list[EventBatch] = []
    before: EventBatch | None = None
    lost = NOTHING_LOST
    for batch in source:
        assert batch.sensor == source.sensor
        assert (np.diff(batch.t) >= 0).all(), "time ran backwards within a batch"
        assert (batch.x < source.sensor.width).all()
        assert (batch.y < source.sensor.height).all()
        assert (batch.p <= 1).all()
        if before is not None and len(batch):
            assert batch.segment in (before.segment, before.segment + 1)
            if batch.segment == before.segment:
                assert batch.start_us == before.end_us, "a gap or an overlap between batches"
        lost += batch.lost
        parts.append(batch)
        before = batch
    t, x, y, p, segment = (
        np.concatenate([np.empty(0, dtype), *columns])
        for dtype, columns in (
            (np.int64, [batch.t for batch in parts]),
            (np.uint16, [batch.x for batch in parts]),
            (np.uint16, [batch.y for batch in parts]),
            (np.uint8, [batch.p for batch in parts]),
            (np.int64, [np.full(len(batch), batch.segment) for batch in parts]),
        )
    )
    return Collected(t, x, y, p, segment, lost)


def pattern(n: int, seed: int = 0, pause_us: float = 40.0, first_us: int = 1_000) -> EventBatch:
    """A bright dot on a slanted path, with noise: no flip, turn or swap of axes leaves it the same."""
    rng = np.random.default_rng(seed)
    t = first_us + np.cumsum(rng.exponential(pause_us, n)).astype(np.int64)
    phase = np.linspace(0, 1, n)
    x = (10 + 80 * phase + rng.normal(0, 2, n)).clip(0, 127).astype(np.uint16)
    y = (100 - 90 * phase**2 + rng.normal(0, 1, n)).clip(0, 127).astype(np.uint16)
    p = (rng.random(n) < 0.3 + 0.4 * phase).astype(np.uint8)
    return EventBatch(t, x, y, p, int(t[0]), int(t[-1]) + 1, DVS128)


def write_golden(folder: Path) -> None:
    """Makes the tiny recordings of tests/data anew, and golden.toml with a digest per column.

    $ cd tests && python -c "from source_contract import *; write_golden(DATA)"
    """
    lines = ["# Made by write_golden in tests/source_contract.py. SHA-256 of each column, first 16 digits.\n"]
    for name in WRITERS:
        path = recording(
            folder,
            name,
            [pattern(400, seed=3)],
            f"tiny_{name}" if name in ("aedat3", "evt2", "evt21", "tonic_npy") else "tiny",
        )
        found = check_source(opened(path))
        lines.append(f'["{path.name}"]\nevents = {len(found.t)}\n')
        lines += [f'{column} = "{digest}"\n' for column, digest in found.digests().items()]
    (folder / "golden.toml").write_text("".join(lines))


def golden() -> dict[str, dict[str, str | int]]:
    """What the tiny recordings must hold, by file name."""
    return tomllib.loads((DATA / "golden.toml").read_text())
