"""Whether RCS makes the early answers of a directly trained network better: paired by seed, chosen on other recordings.

    python -m benchmarks.rcs DATA --out DIR --keep FILE [--epochs N]
    python -m benchmarks.rcs --keep FILE

DATA is N-MNIST. All weights are screened with recipe nmnist-mean (batch normalisation, the loss on the mean output) and
seeds of their own; the weight above 0 of the largest area under accuracy against steps on the calibration recordings is
chosen. Then that weight and 0 are trained with fresh seeds, and both again with recipe nmnist-tet; their differences on
the test recordings are printed, paired by seed. The steps are those of `ltt`, which promises on the calibration
recordings to lose at most 2 points. One thread, one training at a time. An interrupted trial goes on where it was with
the same command; without DATA the tables of what is kept are printed. Networks are cut afterwards, from outputs of all
steps.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.parts.rcs_trial import FRESH, SCREENED, Training, as_bits, best_weight, keep, kept_trainings, tables
from spikecut.models.architectures.networks import build
from spikecut.models.files.checkpoint import read_card, read_weights
from spikecut.models.training.layerwise import outputs_of
from spikecut.pipeline.evidence.readout import Readout
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.rules.fit import fit
from spikecut.pipeline.rules.rule import Wish
from spikecut.sources.datasets import open_dataset
from spikecut.sources.datasets.base import Example, sources_of
from spikecut.sources.datasets.digests import digests_of
from spikecut.sources.datasets.parts import Division
from spikecut.tools.commands.fit.train import Train
from spikecut.tools.machine import use
from spikecut.tools.training.packing import pack_examples
from spikecut.tools.training.recipe import FOLDER, read_recipe
from spikecut.tools.training.train import train

WEIGHTS = (0.0, 0.003, 0.1, 1.0, 10.0)
EPOCHS = 20  # half of the recipes' 40, so that thirty trainings take little more than an hour of one core
_FIRST_FRESH = 10  # no seed is screened and fresh
_MEAN, _TET = "nmnist-mean", "nmnist-tet"
_PROMISE = "ltt-2pt"
_JUDGING: tuple[Division, ...] = ("calibration", "test")

Job = tuple[str, str, float, int]  # phase, recipe, weight, seed


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rcs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", help="N-MNIST; without it the tables of --keep are printed")
    parser.add_argument("--out", type=Path, default=Path("runs/rcs"), help="networks (default: runs/rcs)")
    parser.add_argument("--keep", type=Path, required=True, metavar="FILE", help="a file of trainings, a line each")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"of every training (default: {EPOCHS})")
    parser.add_argument("--weights", type=float, nargs="+", default=WEIGHTS, help="screened; 0 must be among them")
    parser.add_argument("--screened-seeds", type=int, default=2, metavar="N")
    parser.add_argument("--fresh-seeds", type=int, default=5, metavar="N")
    chosen = parser.parse_args(argv)
    if 0 not in chosen.weights or len(set(chosen.weights)) < 2:
        parser.error("--weights: expected 0 and another")
    if chosen.data is not None:
        use(1)
        _go_on(chosen)
    elif not chosen.keep.exists():
        parser.error(f"--keep {chosen.keep}: no such file; give DATA to train")
    for line in tables(kept_trainings(chosen.keep), _PROMISE):
        print(line)


def _go_on(chosen: argparse.Namespace) -> None:
    """Trains what is missing; every training is kept as soon as it is done."""
    numbers = {"weights": list(chosen.weights), "seeds": [chosen.screened_seeds, chosen.fresh_seeds]}
    about = {"epochs": chosen.epochs, **numbers, "data": _digest(chosen.data)}
    done = kept_trainings(chosen.keep, about)
    chosen.out.mkdir(parents=True, exist_ok=True)
    while left := [job for job in jobs(chosen, done) if job not in {one.job for one in done}]:
        phase, recipe, weight, seed = left[0]
        print(f"{phase}: {recipe}, weight {weight:g}, seed {seed}; {len(done)} trainings are done", file=sys.stderr)
        done.append(_trained(left[0], chosen))
        keep(chosen.keep, about, done)


def jobs(chosen: argparse.Namespace, done: Sequence[Training]) -> Iterator[Job]:
    """All trainings in their order, as far as they are known: the fresh ones follow when all weights are screened."""
    screened = [(SCREENED, _MEAN, w, seed) for seed in range(chosen.screened_seeds) for w in chosen.weights]
    yield from screened
    of_these = [one for one in done if one.job in screened]
    if len(of_these) == len(screened):
        pair = (0.0, best_weight(of_these))
        fresh = range(_FIRST_FRESH, _FIRST_FRESH + chosen.fresh_seeds)
        yield from ((FRESH, recipe, w, seed) for recipe in (_MEAN, _TET) for seed in fresh for w in pair)


def _trained(job: Job, chosen: argparse.Namespace) -> Training:
    """Trains one network, or goes on with it, fits the promised rule and answers the test recordings."""
    phase, named, weight, seed = job
    path = recipe_with(named, weight, chosen.out)
    out = chosen.out / f"{phase}-{path.stem}-seed{seed}"
    weights = train(Train(recipe=str(path), out=out, data=chosen.data, epochs=chosen.epochs, seed=seed, resume=True))
    card = read_card(weights.with_suffix(".json"))
    network = build(card.spec).eval()
    network.load_state_dict(read_weights(weights, card))
    calibration, test = (_recorded(network, path, chosen.data, part) for part in _JUDGING)
    decider = fit("ltt", calibration, Wish(0.02), or_never=True)
    swept = sweep(test, decider)
    return Training(
        phase,
        named,
        weight,
        seed,
        test.horizon,
        as_bits(calibration.correct()),
        as_bits(test.correct()),
        tuple(swept.stops.tolist()),
        tuple((swept.labels == test.labels).astype(int).tolist()),
        card.provenance["seconds"],
        card.provenance["machine"],
        card.provenance["commit"],
        card.weights_sha256,
        card.provenance.get("rcs", {}),
    )


def recipe_with(named: str, weight: float, out: Path) -> Path:
    """A copy of a shipped recipe, with this weight of RCS, in a folder; the copy of weight 0 differs by its name."""
    text = (FOLDER / f"{named}.toml").read_text()
    if weight:
        text = text.replace("[training]\n", f"[training]\nrcs = {weight!r}\n")
    path = out / f"{named}-rcs-{weight:g}.toml"
    path.write_text(text)
    return path


def _recorded(network: torch.nn.Module, recipe: Path, data: Path, part: Division) -> RecordedOutputs:
    """The outputs for a part of the data, layer by layer, which gives what stepping gives (a test)."""
    read = read_recipe(recipe)
    frames, labels = pack_examples(_examples(data, part), read, part)
    with torch.inference_mode():
        parts = torch.split(torch.from_numpy(np.array(frames[:, : read.horizon])), 16)
        outputs = torch.cat([outputs_of(network, some.float(), steps=read.horizon) for some in parts])
    return RecordedOutputs(outputs.numpy(), labels).read_by(Readout(read.deciding.readout))


def _examples(data: Path, part: Division) -> Sequence[Example]:
    return open_dataset(data, "events").examples(part)


def _digest(data: Path) -> str:
    """Of the contents of all recordings, part by part."""
    parts: tuple[Division, ...] = ("train", "calibration", "test")
    lines = [f"{part} {digest}\n" for part in parts for digest in digests_of(sources_of(_examples(data, part)))]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


if __name__ == "__main__":
    main()
