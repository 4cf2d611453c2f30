"""Truths about the trial of RCS: who wins it, what is paired with what, and that it goes on where it was."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import rcs
from benchmarks.parts.rcs_trial import (
    FRESH,
    SCREENED,
    Training,
    area,
    as_bits,
    best_weight,
    keep,
    kept_trainings,
    tables,
)

from spikecut.models.files.checkpoint import read_card
from spikecut.pipeline.errors import ConfigError
from spikecut.sources.simulation.drawn_digits import write_digits

N, HORIZON = 40, 10
ABOUT = {"epochs": 1}


def right_from(steps: list[int]) -> str:
    """Recordings that are answered rightly from these steps on, the first of which is 1."""
    return as_bits(np.arange(1, HORIZON + 1) >= np.array(steps)[:, None])


def training(weight: float, seed: int, calibrated: int = 1, tested: int = 1) -> Training:
    pull = {"epochs": [1, 2], "gradient_ratio": [0.0, 0.5], "right_at_the_end": [0.0, 0.25]} if weight else {}
    return Training(
        SCREENED,
        "nmnist-mean",
        weight,
        seed,
        HORIZON,
        right_from([calibrated] * N),
        right_from([tested] * N),
        (tested,) * N,
        (1,) * N,
        60,
        "a machine",
        "0123abc",
        f"{seed:064x}",
        pull,
    )


def test_bits_are_read_as_they_were_written() -> None:
    right = np.random.default_rng(0).random((7, HORIZON)) < 0.5
    assert (replace(training(0, 0), test=as_bits(right)).right("test") == right).all()
    assert area(replace(training(0, 0), test=as_bits(right)), "test") == right.mean()


def test_the_best_weight_has_the_largest_area_on_calibration_recordings_and_is_not_0() -> None:
    """Weight 0 has the largest of all, 10 that of the best seed, 0.1 that of both; the test part says otherwise."""
    screened = [training(0, 0), training(0, 1)]
    screened += [training(0.1, seed, 4, tested=10) for seed in (0, 1)]
    screened += [training(1, seed, 6) for seed in (0, 1)]
    screened += [training(10, 0, 3), training(10, 1, 8)]
    assert best_weight(screened) == 0.1
    assert best_weight([one for one in screened if one.weight in (0, 1)] + [training(3, 0, 6)]) == 1


def test_a_gain_is_said_where_the_interval_of_pairs_is_clear_of_0() -> None:
    """Seeds lie three steps apart, RCS is two steps earlier with each: pairs show what unpaired seeds would not."""
    trainings = []
    for seed, tested in ((10, 3), (11, 6), (12, 9)):
        trainings += [replace(training(w, seed, tested=tested - 2 * (w > 0)), phase=FRESH) for w in (0.0, 1.0)]
    text = "\n".join(tables(trainings, "ltt-2pt"))
    assert "| area, % | 50.00 | 70.00 | +20.00 (+20.00 to +20.00) | +20.00, +20.00, +20.00 |" in text
    assert "| steps of ltt-2pt | 6.00 | 4.00 | -2.00 (-2.00 to -2.00) | -2.00, -2.00, -2.00 |" in text
    assert "25 (first epoch 0, last 50)" in text
    assert "clear of 0: area and sooner with ltt-2pt." in text
    same = [replace(one, weight=1.0 - one.weight) if one.seed == 10 else one for one in trainings]
    assert "clear of 0: none." in "\n".join(tables(same, "ltt-2pt"))


def test_a_seed_without_its_partner_waits() -> None:
    trainings = [replace(training(w, 10), phase=FRESH) for w in (0.0, 1.0)] + [replace(training(0, 11), phase=FRESH)]
    assert "paired by seed (10)" in "\n".join(tables(trainings, "ltt-2pt"))


def test_what_is_kept_is_read_again_and_a_line_that_was_cut_off_is_not(tmp_path: Path) -> None:
    file, trainings = tmp_path / "kept.jsonl", [training(0, 0), training(0.1, 0)]
    keep(file, ABOUT, trainings)
    assert kept_trainings(file, ABOUT) == trainings
    file.write_text(file.read_text()[:-100])
    assert kept_trainings(file, ABOUT) == trainings[:1]
    with pytest.raises(ConfigError, match=r"kept\.jsonl: trainings of"):
        kept_trainings(file, {"epochs": 2})


def test_the_trial_that_is_kept_has_a_pull_for_every_weight_and_no_training_twice() -> None:
    trainings = kept_trainings(Path(__file__).parent.parent / "docs" / "results" / "rcs-nmnist.jsonl")
    assert len({one.job for one in trainings}) == len(trainings) > 0
    for one in trainings:
        assert bool(one.rcs) == (one.weight > 0), one.job
        assert (one.right("calibration").shape, one.right("test").shape) == ((203, 30), (216, 30))


@pytest.mark.slow  # six trainings
def test_a_trial_screens_chooses_and_pairs_and_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out, file = tmp_path / "digits", tmp_path / "out", tmp_path / "kept.jsonl"
    write_digits(data, 100, seed=0)
    numbers = ["--epochs", "1", "--weights", "0", "1", "--screened-seeds", "1", "--fresh-seeds", "1"]
    words = [str(data), "--out", str(out), "--keep", str(file), *numbers]
    rcs.main(words)
    jobs = [(one["phase"], one["recipe"], one["weight"], one["seed"]) for one in rows_of(file)]
    assert jobs == [
        (SCREENED, "nmnist-mean", 0, 0),
        (SCREENED, "nmnist-mean", 1, 0),
        (FRESH, "nmnist-mean", 0, 10),
        (FRESH, "nmnist-mean", 1, 10),
        (FRESH, "nmnist-tet", 0, 10),
        (FRESH, "nmnist-tet", 1, 10),
    ]
    printed = capsys.readouterr().out
    assert "nmnist-tet, weight 1 against 0" in printed
    card = read_card(out / "screened-nmnist-mean-rcs-1-seed0" / "nmnist-mean-rcs-1.json")
    assert card.provenance["rcs"] == rows_of(file)[1]["rcs"]
    assert "rcs" not in read_card(out / "screened-nmnist-mean-rcs-0-seed0" / "nmnist-mean-rcs-0.json").provenance
    before = file.read_text()
    file.write_text("\n".join(before.splitlines()[:-1]))
    rcs.main(words)
    again = [{**json.loads(line), "seconds": 0} for line in before.splitlines()]
    assert [{**json.loads(line), "seconds": 0} for line in file.read_text().splitlines()] == again
    capsys.readouterr()
    rcs.main(["--keep", str(file)])
    assert capsys.readouterr().out == printed


def rows_of(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()[1:]]
