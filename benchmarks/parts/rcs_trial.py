"""A trial of RCS: its trainings in a file of lines, the weight that they choose, the paired differences of the rest."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.metrics.intervals import Estimate
from spikecut.pipeline.metrics.seeds import over_seeds

SCREENED, FRESH = "screened", "fresh"


@dataclass(frozen=True, slots=True)
class Training:
    """One training and its answers. `calibration` and `test` say after which steps each recording's answer is right.

    They are bits in hexadecimal digits: whole bytes a recording, the first step in the highest bit. `stops` are the
    steps of the promised rule on the test recordings, `stopped_right` whether its answers are right. `rcs` is what the
    network's card says of the pull of RCS.
    """

    phase: str
    recipe: str
    weight: float
    seed: int
    horizon: int
    calibration: str
    test: str
    stops: tuple[int, ...]
    stopped_right: tuple[int, ...]
    seconds: int
    machine: str
    commit: str
    weights_sha256: str
    rcs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def job(self) -> tuple[str, str, float, int]:
        return self.phase, self.recipe, self.weight, self.seed

    def right(self, part: str) -> Bool[ndarray, "N T"]:
        """Whether each recording of a part would be answered right after each step."""
        octets = np.frombuffer(bytes.fromhex(getattr(self, part)), np.uint8).reshape(-1, -(-self.horizon // 8))
        return np.unpackbits(octets, axis=1, count=self.horizon).astype(np.bool_)


def as_bits(right: Bool[ndarray, "N T"]) -> str:
    """What `Training.right` reads.

    >>> as_bits(np.array([[True, False, False, True], [False, False, False, True]]))
    '9010'
    """
    return np.packbits(right, axis=1).tobytes().hex()


def kept_trainings(file: Path, about: Mapping[str, Any] | None = None) -> list[Training]:
    """The trainings in a file; its first line says what all have in common, and a last line may be cut off.

    Raises:
        ConfigError: if they have something else in common than `about`.
    """
    if not file.exists():
        return []
    first, *lines = file.read_text().splitlines()
    if about is not None and json.loads(first) != about:
        raise ConfigError(f"{file}: trainings of {first}", hint="give another file to --keep, or the same numbers")
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    return [Training(**{**row, **{name: tuple(row[name]) for name in ("stops", "stopped_right")}}) for row in rows]


def keep(file: Path, about: Mapping[str, Any], trainings: Sequence[Training]) -> None:
    """Writes the file anew, so that a line which was cut off is gone."""
    lines = [json.dumps(about), *(json.dumps(asdict(one), separators=(",", ":")) for one in trainings)]
    file.write_text("\n".join(lines) + "\n")


def area(training: Training, part: str) -> float:
    """The area under the curve of accuracy against steps: the mean accuracy over all steps."""
    return float(training.right(part).mean())


def best_weight(screened: Sequence[Training]) -> float:
    """The weight above 0 of the largest area on calibration recordings, as a mean over seeds; of equals the least."""
    areas: dict[float, list[float]] = {}
    for one in screened:
        areas.setdefault(one.weight, []).append(area(one, "calibration"))
    return min((weight for weight in areas if weight > 0), key=lambda weight: (-float(np.mean(areas[weight])), weight))


def tables(trainings: Sequence[Training], promise: str) -> Iterator[str]:
    """All that the trainings say so far, as Markdown."""
    screened = [one for one in trainings if one.phase == SCREENED]
    if screened:
        yield from _screened(screened)
    fresh = [one for one in trainings if one.phase == FRESH]
    for recipe in dict.fromkeys(one.recipe for one in fresh):
        yield from _paired([one for one in fresh if one.recipe == recipe], recipe, promise)


def _screened(trainings: Sequence[Training]) -> Iterator[str]:
    n = len(trainings[0].right("calibration"))
    yield f"Screened with {trainings[0].recipe}: area on n = {n} calibration recordings, seeds {_seeds(trainings)}.\n"
    yield "| weight | area, % | each seed | gradient of RCS, % of the task's | right at the end, % |"
    yield "|---|---|---|---|---|"
    for weight in sorted({one.weight for one in trainings}):
        same = [one for one in trainings if one.weight == weight]
        areas = [100 * area(one, "calibration") for one in same]
        yield f"| {weight:g} | {np.mean(areas):.1f} | {', '.join(f'{one:.1f}' for one in areas)} | {_pulls(same)} |"
    yield ""


def _paired(trainings: Sequence[Training], recipe: str, promise: str) -> Iterator[str]:
    """The weight that is not 0 against 0, over the seeds that both have."""
    weight = max(one.weight for one in trainings)
    by_seed: tuple[dict[int, Training], ...] = tuple(
        {one.seed: one for one in trainings if one.weight == wanted} for wanted in (0.0, weight)
    )
    seeds = sorted(by_seed[0].keys() & by_seed[1].keys())
    if not seeds or weight == 0:
        return
    without, with_rcs = ([side[seed] for seed in seeds] for side in by_seed)
    n, fifth = len(without[0].stops), max(1, without[0].horizon // 5)
    yield f"{recipe}, weight {weight:g} against 0, n = {n} test recordings, paired by seed ({_seeds(without)}).\n"
    yield "| | 0 | RCS | difference (95 %) | each seed |\n|---|---|---|---|---|"
    spans = {"full window, %": slice(-1, None), "area, %": slice(None), f"first {fifth} steps, %": slice(fifth)}
    differences = {}
    stops = f"steps of {promise}"
    figures: dict[str, Callable[[Training], ndarray]] = {name: _accuracy(span) for name, span in spans.items()}
    figures |= {
        stops: lambda one: np.array(one.stops),
        f"right with {promise}, %": lambda one: 100 * np.array(one.stopped_right),
    }
    for name, of in figures.items():
        differences[name], text = _compared(name, _grid(without, of), _grid(with_rcs, of))
        yield text
    yield f"\nGradient of RCS, % of the task's, and share right at the end, %: {_pulls(with_rcs).replace('|', ';')}."
    least = {"area": differences["area, %"].low, f"sooner with {promise}": -differences[stops].high}
    gained = [name for name, low in least.items() if low > 0]
    yield f"Gain with its interval clear of 0: {' and '.join(gained) if gained else 'none'}.\n"


def _accuracy(span: slice) -> Callable[[Training], ndarray]:
    """The accuracy on each test recording over some steps, in per cent."""
    return lambda one: np.asarray(100 * one.right("test")[:, span].mean(1))


def _grid(side: Sequence[Training], of: Callable[[Training], ndarray]) -> Float64[ndarray, "S N"]:
    return np.array([of(one) for one in side], np.float64)


def _compared(name: str, without: Float64[ndarray, "S N"], with_rcs: Float64[ndarray, "S N"]) -> tuple[Estimate, str]:
    """The difference, of the same seeds and recordings, and its row."""
    each = (with_rcs - without).mean(1)
    one = over_seeds(with_rcs - without, np.arange(without.shape[1]), 0)
    seeds = ", ".join(f"{value:+.2f}" for value in each)
    difference = f"{one.value:+.2f} ({one.low:+.2f} to {one.high:+.2f})"
    return one, f"| {name} | {without.mean():.2f} | {with_rcs.mean():.2f} | {difference} | {seeds} |"


def _pulls(trainings: Sequence[Training]) -> str:
    """The median over all epochs and seeds of both figures of the cards, with the first and the last epoch's means."""
    if not all(one.rcs for one in trainings):
        return "none | none"
    cells = []
    for figure in ("gradient_ratio", "right_at_the_end"):
        grid = 100 * np.array([one.rcs[figure] for one in trainings])
        first, last = grid[:, 0].mean(), grid[:, -1].mean()
        cells.append(f"{np.median(grid):.3g} (first epoch {first:.3g}, last {last:.3g})")
    return " | ".join(cells)


def _seeds(trainings: Sequence[Training]) -> str:
    return ", ".join(map(str, sorted({one.seed for one in trainings})))
