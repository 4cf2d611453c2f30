"""Monte Carlo of the promises, with a rule that breaks its promise to show that the tests could tell."""

import numpy as np
import pytest

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.rules import ltt
from spikecut.pipeline.rules.fit import fit, sentence, simultaneous
from spikecut.pipeline.rules.rule import Wish
from spikecut.pipeline.rules.sets.conformal import fit_conformal
from spikecut.pipeline.rules.sets.nonconformity import SetOptions
from spikecut.pipeline.rules.sets.pooled import fit_pooled
from spikecut.pipeline.rules.thresholds import ThresholdCutoff

HORIZON, CLASSES = 16, 11


def drift(n: int, rng: np.random.Generator, strength: float = 0.22, spread: float = 0.7) -> RecordedOutputs:
    """Noise with a lean towards the truth: evidence that grows, at a pace of its own for every recording."""
    labels = rng.integers(0, CLASSES, n)
    pace = strength * rng.lognormal(0, spread, (n, 1))
    outputs = rng.normal(0, 0.6, (n, HORIZON, CLASSES))
    outputs[np.arange(n)[:, None], np.arange(HORIZON), labels[:, None]] += pace
    return RecordedOutputs(outputs.astype(np.float32), labels)


def coverage(correction: str, draws: int, alpha: float) -> tuple[float, float, float]:
    """The share of sets that hold the truth, its standard error over draws, and the mean stop."""
    shares, stops = [], []
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        rule = fit_conformal(drift(300, rng, 0.5, 0.0), alpha, SetOptions(correction), seed=draw)
        test = drift(300, rng, 0.5, 0.0)
        swept = sweep(test, rule)
        assert swept.sets is not None
        shares.append(swept.sets[np.arange(300), test.labels].mean())
        stops.append(swept.stops.mean())
    return float(np.mean(shares)), float(np.std(shares) / np.sqrt(draws)), float(np.mean(stops))


def test_conformal_sets_hold_the_truth_as_often_as_they_promise_and_uncorrected_ones_do_not() -> None:
    draws, alpha = 200, 0.1
    found = {how: coverage(how, draws, alpha) for how in ("maxrank", "bonferroni", "none")}
    for how in ("maxrank", "bonferroni"):
        share, error, _ = found[how]
        assert share >= 1 - alpha - 3 * error, how
    share, error, _ = found["none"]
    assert share < 1 - alpha - 3 * error
    assert found["maxrank"][2] <= found["bonferroni"][2]


@pytest.mark.parametrize("pooling", ["mean", "geometric", "bonferroni", "max"])
def test_an_ensemble_keeps_the_promise_however_its_members_hang_together(pooling: str) -> None:
    """The second member repeats the first with a little noise: as dependent as can be."""
    alpha, shares = 0.2, []
    for draw in range(60):
        rng = np.random.default_rng(draw)
        parts = []
        for one in (drift(200, rng), drift(200, rng)):
            twin = one.outputs + rng.normal(0, 0.1, one.outputs.shape).astype(np.float32)
            parts.append(RecordedOutputs(np.concatenate([one.outputs, twin], axis=2), one.labels, members=2))
        swept = sweep(parts[1], fit_pooled(parts[0], alpha, SetOptions("bonferroni", n_checkpoints=4), pooling=pooling))
        assert swept.sets is not None
        shares.append(swept.sets[np.arange(200), parts[1].labels].mean())
    assert np.mean(shares) >= 1 - alpha - 3 * np.std(shares) / np.sqrt(60)


def lost_share(rule: ThresholdCutoff, test: RecordedOutputs) -> tuple[float, np.ndarray]:
    swept, correct = sweep(test, rule), test.correct()
    lost = correct[:, -1] & (swept.labels != test.labels)
    return float(lost.mean()), np.stack([swept.stops, lost])


def test_learn_then_test_breaks_its_promise_no_more_often_than_it_says_and_plain_fitting_does() -> None:
    """A promise of 5 points at delta 0.1, kept or broken on the truth: 20,000 fresh recordings."""
    gap, delta, draws = 0.05, 0.1, 200
    truth = drift(20_000, np.random.default_rng(10_000))
    stream, correct = truth.scores("confidence"), truth.correct()

    def broken(level: float) -> bool:
        stops = np.where((hit := stream >= level).any(axis=1), hit.argmax(axis=1), HORIZON - 1)
        lost = correct[:, -1] & ~correct[np.arange(len(stops)), stops]
        return bool(lost.mean() > gap)

    careful, plain = 0, 0
    for draw in range(draws):
        sample = drift(250, np.random.default_rng(draw))
        careful += broken(ltt.fit_marginal(sample, gap, delta).thresholds[0])
        scores, right = sample.scores("confidence"), sample.correct()
        for level in ltt.GRIDS["confidence"]:
            stops = np.where((hit := scores >= level).any(axis=1), hit.argmax(axis=1), HORIZON - 1)
            if (right[:, -1] & ~right[np.arange(250), stops]).mean() > gap:
                break
            boldest = level
        plain += broken(float(boldest))
    margin = 3 * np.sqrt(delta * (1 - delta) / draws)
    assert careful / draws <= delta + margin
    assert plain / draws > delta + margin


def test_the_conditional_promise_holds_among_early_answers_where_the_marginal_one_does_not_speak_of_them() -> None:
    gap, delta, draws = 0.1, 0.1, 60
    truth = drift(10_000, np.random.default_rng(10_000), 0.4)
    broken = 0
    for draw in range(draws):
        rule = ltt.fit_conditional(drift(600, np.random.default_rng(draw), 0.4), gap, delta, seed=draw)
        _, (stops, lost) = lost_share(rule, truth)
        shares = [lost[stops <= t].mean() for t in range(1, HORIZON + 1) if (stops <= t).sum() > 200]
        broken += max(shares, default=0) > gap
    assert broken / draws <= delta + 3 * np.sqrt(delta * (1 - delta) / draws)


def test_recordings_needed_are_those_of_the_binomial_tail() -> None:
    """At delta 0.05 and 1 point: 0.99^299 = 0.0495, 0.99^298 = 0.0500..; the others from the published table."""
    assert [ltt.recordings_needed(0.01, 0.05, lost) for lost in range(3)] == [299, 473, 628]
    assert 0.99**299 <= 0.05 < 0.99**298


def test_too_few_recordings_never_stop_early() -> None:
    few = drift(20, np.random.default_rng(0))
    for rule in (
        ltt.fit_marginal(few, 0.01),
        ltt.fit_conditional(few, 0.01),
        fit_conformal(few, 0.01),
        ltt.fit_fixed(few, 0.01),
    ):
        assert (sweep(few, rule).stops == HORIZON).all()


def test_recordings_of_the_same_people_weaken_the_sentence_and_one_person_cannot_be_split() -> None:
    data = drift(400, np.random.default_rng(0), 0.8)
    people = RecordedOutputs(data.outputs, data.labels, tuple(f"user {i % 20}" for i in range(400)))
    assert "are of 20 people: for new people it may be less" in sentence("ltt", people, Wish(0.05))
    assert "people" not in sentence("ltt", data, Wish(0.05))
    each_another = RecordedOutputs(data.outputs, data.labels, tuple(f"user {i}" for i in range(400)))
    assert "people" not in sentence("ltt", each_another, Wish(0.05))
    alone = RecordedOutputs(data.outputs, data.labels, ("me",) * 400)
    with pytest.raises(ConfigError, match="1 groups of recordings cannot be split"):
        fit("conformal", alone, Wish(0.1))
    assert (sweep(alone, fit("conformal", alone, Wish(0.1), or_never=True)).stops == HORIZON).all()
    for name, wish, message in (
        ("msprt", Wish(0.0), "cannot promise a loss of nothing"),
        ("conformal", Wish(0.1, delta=7.0), "a delta of 7"),
    ):
        with pytest.raises(ConfigError, match=message):
            fit(name, data, wish)


def test_small_conformal_calibrations_stop_whatever_the_split() -> None:
    """Scores beyond all of the ranking half go on in its units, so a handful of them does not make all sets full."""
    data = drift(200, np.random.default_rng(1), 0.8, 0.0)
    for seed in range(10):
        assert sweep(data, fit_conformal(data, 0.1, seed=seed)).stops.mean() < HORIZON


def twelve_readings(n: int, share: float, rng: np.random.Generator) -> list[RecordedOutputs]:
    """The same recordings as twelve networks read them: each right after two steps, wrong for a share after one."""
    labels = rng.integers(0, 2, n)
    readings = []
    for _ in range(12):
        first = np.where(rng.random(n) < share, 1 - labels, labels)
        outputs = np.stack([np.eye(2, dtype=np.float32)[first], 3 * np.eye(2, dtype=np.float32)[labels]], axis=1)
        readings.append(RecordedOutputs(outputs, labels))
    return readings


def test_the_earliest_of_several_promised_rules_breaks_its_promise_and_simultaneous_promises_do_not() -> None:
    """Stopping after one step costs 5.2 points, and 5 are promised: whoever stops early has broken the promise."""
    plain, draws = Wish(0.05, 0.1), 100
    shared = simultaneous("ltt_fixed", plain, 12)
    assert (shared.delta, shared.among) == (0.1 / 12, 12)
    broken = {plain: 0, shared: 0}
    alone = 0
    for draw in range(draws):
        readings = twelve_readings(400, 0.052, np.random.default_rng(draw))
        for wish in broken:
            rules = [fit("ltt_fixed", reading, wish, or_never=True) for reading in readings]
            stops = [sweep(reading, rule).stops.mean() for reading, rule in zip(readings, rules, strict=True)]
            broken[wish] += min(stops) < 2
            alone += wish is plain and stops[0] < 2
    margin = 3 * np.sqrt(0.1 * 0.9 / draws)
    assert alone / draws <= 0.1 + margin  # a rule that was chosen beforehand keeps its promise
    assert broken[plain] / draws > 0.1 + margin
    assert broken[shared] / draws <= 0.1 + margin
