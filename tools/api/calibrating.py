"""`spikecut.fit` and `spikecut.calibrate`: rules fitted on recordings that neither trained nor test the network."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.evidence.readout import SUM, Readout
from spikecut.pipeline.files.arguments import kind_of
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.rule import Wish
from spikecut.sources.datasets.parts import Part
from spikecut.tools.api.recording import record, warn
from spikecut.tools.batch.fitting.cutoffs import check_wishes, fit_all, fitted_cutoff, notes_on, wanted
from spikecut.tools.batch.fitting.readouts import read_with
from spikecut.tools.batch.gathered import refuse_trained_on, refuse_unfinished
from spikecut.tools.cutoff_lookup import called


def fit(
    rule: str,
    outputs: Any,
    network: Any = None,
    *,
    tolerance: float = 0.02,
    delta: float = 0.05,
    or_never: bool = False,
) -> FittedCutoff:
    """Fits one rule on recorded outputs; the value decides as `fitted.cutoff`, and says what it promises.

    `outputs` are what `record` gave, or of a `network` `RecordedOutputs(record_outputs(...), labels)`. `rule` is one of
    ltt, ltt_conditional, ltt_fixed, ltt_planned and conformal, which promise something about new recordings, and of
    fixed, topk, topk_reference, confidence, entropy, collapsing, patience, planned, sr1, economy, calimera and msprt,
    which do not; ltt_planned and planned need the plans of a policy. `tolerance` is the share of right answers that
    stopping early may turn wrong (of conformal: the share of sets without the truth), `delta` the probability with
    which a promise may fail. With `or_never`, where the recordings are too few for a promise, the rule never stops
    early instead of being refused.

    `fitted.save(path)` writes it, `load_cutoff(path)` reads it: the same decisions to the bit.

    Raises:
        ConfigError: if there is no such rule, it needs the plans of a policy, or so few recordings cannot carry the
            promise; the message says how many it takes.
        ModelError: if the outputs are another network's.

    >>> import spikecut
    >>> network, card = spikecut.load_network("nmnist")
    >>> outputs = spikecut.record([(spikecut.DrawnDigit(n % 10, seed=n), n % 10) for n in range(20)], network)
    >>> fitted = fit("confidence", outputs, tolerance=0.05)
    >>> fitted.n, fitted.observed["mean_steps"] < card.horizon
    (20, True)
    >>> fitted.promise
    'On the recordings it was fitted on it lost at most 5 points of accuracy: no guarantee for others.'
    """
    wish = Wish(tolerance, delta)
    check_wishes([rule], [wish])
    return fitted_cutoff(record(outputs, network), rule, wish, or_never=or_never)


def calibrate(
    data: Any,
    network: Any = None,
    rules: str | Iterable[str] = "ltt",
    tolerances: float | Iterable[float] = 0.02,
    *,
    part: Part = "calibration",
    delta: float = 0.05,
    simultaneous: bool = False,
    readout: Readout | str = SUM,
    temperature: float | str = 1,
    or_never: bool = False,
    force: bool = False,
    seed: int = 0,
) -> dict[str, FittedCutoff]:
    """Fits rules on held-out recordings, each for every tolerated loss: `spikecut calibrate` without its files.

    `data` and `network` are those of `record`; of a data set on the disk one `part` is read. `rules`, `tolerances`,
    `delta` and `or_never` are those of `fit`. A promise holds for a rule that was chosen before; with `simultaneous`
    all of them hold at once, each with its share of `delta`, so any may be chosen. `readout` is how outputs over time
    become evidence: sum, mean, last, or a `Readout`; it is divided by a `temperature`, a number, "t" (the step) or
    "fitted" on three tenths of the recordings. Recordings that trained the network are refused unless `force` is set.
    `seed` is that of splits.

    The keys are names such as `ltt-2pt`. To be found by commands, a cutoff is saved beside the network as
    `NETWORK.ltt-2pt.json`.

    Raises:
        ConfigError: of `fit` and `record`; or if a readout or temperature is invalid, two tolerances have one name, or
            recordings that trained the network are among them.
        SourceError, ModelError: as `record`.

    >>> import spikecut
    >>> network, card = spikecut.load_network("nmnist")
    >>> digits = [(spikecut.DrawnDigit(n % 10, seed=n), n % 10) for n in range(20)]
    >>> cutoffs = calibrate(digits, network, ["fixed", "topk"], tolerances=0.05)
    >>> list(cutoffs)
    ['fixed-5pt', 'topk-5pt']
    >>> *_, decision = spikecut.run(spikecut.DrawnDigit(7, seed=99), network, cutoffs["topk-5pt"].cutoff, horizon=30)
    >>> card.classes[decision.label], decision.reason.name
    ('7', 'cutoff')
    """
    names = [rules] if isinstance(rules, str) else list(dict.fromkeys(rules))
    shares = [tolerances] if isinstance(tolerances, float | int) else list(dict.fromkeys(tolerances))
    wishes = [Wish(share, delta, seed) for share in shares]
    check_wishes(names, wishes)
    if len({called("", share) for share in shares}) < len(shares):
        raise ConfigError(f"tolerances {shares} are too close to one another to have different names")
    kind_of("readout", readout, (str, Readout), "a Readout, or the name of one")
    outputs = record(data, network, part=part)
    refuse_trained_on(outputs, force)
    refuse_unfinished(outputs, force)
    plain = replace(Readout(readout) if isinstance(readout, str) else readout, members=outputs.recorded.members)
    recorded = read_with(
        outputs.recorded, plain, "1" if temperature == 1 else f"{temperature}", seed, lambda line: None
    )
    every = wanted(names, wishes, at_once=simultaneous)
    for note in notes_on((rule for rule, _ in every), at_once=simultaneous, flag="simultaneous=True"):
        warn(note)
    return fit_all(replace(outputs, recorded=recorded), every, or_never=or_never)
