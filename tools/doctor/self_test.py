"""A trial of all that must work without any data: formats, videos, shipped networks, engines, and a decision."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from spikecut.models.engines import ENGINES
from spikecut.models.files import opening
from spikecut.pipeline.errors import in_a_line
from spikecut.pipeline.events import EventBatch, SensorSize
from spikecut.pipeline.results import Decision
from spikecut.pipeline.runner import run
from spikecut.sources.formats import FORMATS, written_formats
from spikecut.sources.formats.base import ReadOptions, TextLayout
from spikecut.sources.simulation.gestures import DrawnSession
from spikecut.tools.cutoff_lookup import find_cutoff
from spikecut.tools.doctor.installation import Finding
from spikecut.tools.views.encoders import ANIMATIONS, CODECS, encoder_for

_SENSOR = SensorSize(128, 128)
_N_EVENTS, _N_IMAGES = 500, 5
_NETWORK, _LABEL = "gestures", 1
_NEAR = 1e-3  # engines add up in different orders

Trial = Callable[[Path], str | None]
"""Is given an empty folder, and returns what went wrong, or None; it may raise as well."""


def formats() -> Iterator[Finding]:
    """A few events in every format that is written, read back."""
    yield _tried("formats", ((name, partial(_there_and_back, name)) for name in written_formats()))


def videos() -> Iterator[Finding]:
    """Every kind of video and animation, a few images of it."""
    yield _tried("videos", ((suffix, partial(_filmed, suffix)) for suffix in (*CODECS, *ANIMATIONS)))


def networks() -> Iterator[Finding]:
    """Every shipped network: weights, card and its own cutoff belong together."""
    names = sorted(path.stem for path in opening.SHIPPED.glob("*.safetensors"))
    yield _tried("networks", ((name, partial(_opened, name)) for name in names))


def engines() -> Iterator[Finding]:
    """Every engine steps the same network on the same frames, and all say the same; optional ones may be missing."""
    yield _tried("engines", ((name, partial(_agrees, name)) for name in ENGINES if name != "onnx"))


def decided() -> Iterator[Finding]:
    """One drawn gesture, seen by the simulated camera, is named by a shipped network before its window ends."""
    yield _tried("decision", [("a drawn gesture", _decided)])


def _tried(thing: str, trials: Iterable[tuple[str, Trial]]) -> Finding:
    """The findings of several trials as one, which names those that went wrong."""
    names, wrong = [], []
    for name, trial in trials:
        names.append(name)
        with tempfile.TemporaryDirectory() as folder:
            try:
                problem = trial(Path(folder))
            except Exception as error:  # whatever it is, the other trials go on
                problem = f"{type(error).__name__}: {in_a_line(error)}"
        if problem is not None:
            wrong.append(f"{name}: {problem}")
    if wrong:
        hint = "pip install --force-reinstall spikecut; if it stays, report it with this output"
        return Finding(thing, "broken", "; ".join(wrong), hint)
    return Finding(thing, "ok", ", ".join(names))


def _there_and_back(name: str, folder: Path) -> str | None:
    rng = np.random.default_rng(0)
    columns = {name: rng.integers(0, limit, _N_EVENTS) for name, limit in (("x", 128), ("y", 128), ("p", 2))}
    columns["t"] = np.sort(rng.integers(1_000, 50_000, _N_EVENTS))
    batch = EventBatch.from_structured(columns, _SENSOR, time_unit="us")
    path = folder / f"a{FORMATS[name].suffixes[0]}"
    FORMATS[name].write(path, [batch], _SENSOR)
    plain = path.read_bytes()[:1].isdigit()
    text = TextLayout("xytp") if plain and "text" in FORMATS[name].needs else None
    back = EventBatch.concatenate(FORMATS[name].open(path, ReadOptions(sensor=_SENSOR, text=text)))
    same = all(np.array_equal(getattr(back, column), getattr(batch, column)) for column in "txyp")
    return None if same else f"{len(back.t)} events came back, not the {len(batch.t)} that were written"


def _filmed(suffix: str, folder: Path) -> str | None:
    path = folder / f"a{suffix}"
    encoder = encoder_for(path, 25.0, (64, 48))
    for level in range(_N_IMAGES):
        encoder.write(np.full((48, 64, 3), 40 * level, np.uint8), 1)
    encoder.close()
    if suffix in ANIMATIONS:
        return None if path.stat().st_size else "an empty file"
    events = sum(len(batch) for batch in FORMATS["video"].open(path, ReadOptions()))  # of the simulated camera
    return None if events else "its images, which grow brighter, show a camera of events nothing"


def _opened(name: str, folder: Path) -> str | None:
    _, card = opening.load(name)
    if card.default_cutoff:
        find_cutoff(None, opening.locate(name), card)
    return None


def _agrees(name: str, folder: Path) -> str | None:
    frames = np.random.default_rng(0).poisson(0.05, (3, 1, 2, 128, 128)).astype(np.uint8)
    totals = []
    for engine in ("norse", name):
        model, _ = opening.load(_NETWORK, engine=engine)
        state, total = None, np.zeros((1, model.n_outputs), np.float32)
        for frame in frames:
            output, state = model.step(frame, state)
            total = total + output
        totals.append(total)
    apart = float(np.abs(totals[0] - totals[1]).max())
    return None if apart < _NEAR else f"outputs differ by {apart:.2g} from those of PyTorch and Norse"


def _decided(folder: Path) -> str | None:
    model, card = opening.load(_NETWORK)
    cutoff = find_cutoff(None, opening.locate(_NETWORK), card).cutoff
    session = DrawnSession(3, "led", order=(_LABEL,), quick=True)
    span = next(session.spans())
    gesture = EventBatch.concatenate(session).between(span.start_us, span.end_us)
    *_, last = run(gesture, model, cutoff, horizon=card.horizon)
    if not isinstance(last, Decision):
        return "no decision"
    if last.label != _LABEL or last.steps >= card.horizon:
        return (
            f"{card.classes[_LABEL]!r} is named {card.classes[last.label]!r} after {last.steps} of {card.horizon} steps"
        )
    return None
