"""The readout that rules are fitted with: its kind, and temperatures that are given or fitted."""

import dataclasses
from collections.abc import Callable

import numpy as np

from spikecut.pipeline.evidence.readout import Readout, fit_temperatures, parse_temperatures
from spikecut.pipeline.metrics.evaluation import calibration_errors
from spikecut.pipeline.recorded import RecordedOutputs


def read_with(
    recorded: RecordedOutputs, plain: Readout, temperature: str, seed: int, say: Callable[[str], None]
) -> RecordedOutputs:
    """The recordings to fit rules on, with a readout and with temperatures: a number, `t` or `fitted`.

    Temperatures to be fitted take three of ten recordings (or people) for themselves, since a promise needs
    others; `say` gets the calibration error before and after, which is that of the remaining ones.

    Raises:
        ConfigError: if the temperature is none, or the recordings are too few to split.
    """
    if temperature == "1":
        return recorded if plain.kind == "sum" else recorded.read_by(plain)
    if (given := parse_temperatures(temperature, recorded.horizon)) is not None:
        return recorded.read_by(dataclasses.replace(plain, temperatures=given))
    for_temperatures, rest = recorded.read_by(plain).split(0.3, seed)
    values = fit_temperatures(for_temperatures.logits(), for_temperatures.labels)
    fitted = rest.read_by(dataclasses.replace(plain, temperatures=values))
    before, after = (100 * float(np.mean(calibration_errors(one))) for one in (rest, fitted))
    say(
        f"temperatures {values.min():.2f} to {values.max():.2f}, fitted on {len(for_temperatures)} recordings; mean "
        f"calibration error on the other {len(rest)}: {before:.1f} points before, {after:.1f} after"
    )
    return fitted
