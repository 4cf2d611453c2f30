"""How often the promises hold: nominal beside observed, on simulated evidence and on outputs of your own.

`python -m benchmarks.guarantees` draws evidence; `python -m benchmarks.guarantees OUTPUTS.npz` (written by
`spikecut calibrate --outputs` or `spikecut evaluate`) splits recorded outputs in two, again and again: one half to
fit, the other half stands for everybody else. Halves share recordings from draw to draw, so their spread is too small.
"""

import sys
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.readout import Readout
from spikecut.pipeline.outputs_file import load_outputs
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.rules import RULES, ltt
from spikecut.pipeline.rules.fit import fit
from spikecut.pipeline.rules.rule import Wish

DRAWS = 200
Halves = Iterator[tuple[RecordedOutputs, RecordedOutputs]]


def simulated() -> Halves:
    """A lean of half a unit towards the truth in noise of 0.6, 16 steps, 11 classes; 600 to fit, 2,000 others."""
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        labels = rng.integers(0, 11, 2_600)
        outputs = rng.normal(0, 0.6, (2_600, 16, 11)).astype(np.float32)
        outputs[np.arange(2_600)[:, None], np.arange(16), labels[:, None]] += np.float32(0.5)
        both = RecordedOutputs(outputs, labels)
        yield both.pick(np.arange(600)), both.pick(np.arange(600, 2_600))


def halves_of(recorded: RecordedOutputs) -> Halves:
    for draw in range(DRAWS):
        yield recorded.split(0.5, draw)


def study(halves: Callable[[], Halves], name: str, wish: Wish) -> str:
    broken, covered, steps = [], [], []
    for sample, others in halves():
        rule = fit(name, sample, wish, or_never=True)
        swept, correct = sweep(others, rule), others.correct()
        broken.append((correct[:, -1] & (swept.labels != others.labels)).mean() > wish.tolerance)
        steps.append(swept.stops.mean())
        if swept.sets is not None:
            covered.append(swept.sets[np.arange(len(others)), others.labels].mean())
    early = f"mean stop {np.mean(steps):.1f} steps"
    if covered:
        return f"coverage at least {1 - wish.tolerance:.1%}: observed {np.mean(covered):.1%}; {early}"
    return f"broken in at most {wish.delta:.0%} of draws: observed {np.mean(broken):.1%}; {early}"


def choosing(halves: Callable[[], Halves], wish: Wish) -> str:
    """How often the earliest of twelve breaks its promise: three scores of four readouts, on the same 150 recordings.

    Levels are quantiles of the scores of the others, finer than the grids that ship.
    """
    readouts = (Readout("sum"), Readout("last"), Readout("leaky", 0.2), Readout("leaky", 0.5))
    alone, earliest, shared = [], [], []
    for many, others in halves():
        sample = many.pick(np.arange(min(150, len(many))))
        results: dict[int, list[tuple[float, bool]]] = {1: [], 12: []}
        for readout, score in product(readouts, ltt.GRIDS):
            mine, theirs = sample.read_by(readout), others.read_by(readout)
            grid = np.unique(np.quantile(theirs.scores(score).astype(np.float64), np.linspace(0, 1, 150)))[::-1]
            for among, outcomes in results.items():
                rule = ltt.fit_marginal(mine, wish.tolerance, wish.delta / among, score=score, grid=grid)
                lost = theirs.correct()[:, -1] & (sweep(theirs, rule).labels != theirs.labels)
                outcomes.append((float(sweep(mine, rule).stops.mean()), bool(lost.mean() > wish.tolerance)))
        alone.append(np.mean([broken for _, broken in results[1]]))
        earliest.append(min(results[1])[1])
        shared.append(min(results[12])[1])
    return (
        f"broken in at most {wish.delta:.0%} of draws: observed {np.mean(alone):.1%} of single rules, "
        f"{np.mean(earliest):.1%} of the earliest of twelve, {np.mean(shared):.1%} with simultaneous promises"
    )


def main() -> None:
    if len(sys.argv) > 1:
        recorded, _ = load_outputs(sys.argv[1])
        if len(recorded) < 4:
            raise ConfigError(f"{sys.argv[1]}: {len(recorded)} recordings; expected more")
        source: Callable[[], Halves] = lambda: halves_of(recorded)  # noqa: E731
        print(f"{DRAWS} splits of {len(recorded)} recordings in {sys.argv[1]}")
    else:
        source = simulated
        print(f"{DRAWS} draws of simulated evidence: 600 recordings to fit, 2,000 others")
    for name in ("ltt", "ltt_conditional", "ltt_fixed", "conformal", "confidence", "topk"):
        for tolerance in (0.02, 0.05, 0.1):
            row = study(source, name, Wish(tolerance))
            note = "" if RULES[name].promises else " (it promises nothing)"
            print(f"  {name:<16} {100 * tolerance:>4.0f} points  {row}{note}", flush=True)
    print(f"  choosing afterwards   10 points  {choosing(source, Wish(0.1, 0.1))}", flush=True)


if __name__ == "__main__":
    main()
