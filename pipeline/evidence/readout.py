"""Readouts: logits, one a class, from the outputs of the steps so far.

| kind | after step t | source |
|---|---|---|
| `sum` | o_1 + … + o_t | Wu et al. (arXiv 2301.09522), the code of Li et al. (arXiv 2304.01230) |
| `mean` | the sum / t | the text of Li et al., section 3.1 |
| `last` | o_t | |
| `leaky` | h_t = (1 - leak) h_{t-1} + o_t | for endless streams: old outputs are forgotten |

Of an ensemble, whose members' outputs stand side by side, each member is read on its own and the softmax
probabilities are averaged (confidence merging, Chen et al., arXiv 2310.16675): the logits are their logarithms.
Logits are divided by a temperature, one a step: 1, t, or fitted (Guo et al., arXiv 1706.04599).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, ModelError
from spikecut.pipeline.evidence.probability import softmax
from spikecut.pipeline.results import Evidence

KINDS = ("sum", "mean", "last", "leaky")


@dataclass(frozen=True, slots=True, eq=False)
class Readout:
    """How the outputs `(B, R K)` of `members` networks become logits `(B, K)`. No temperatures means 1."""

    kind: str = "sum"
    leak: float = 0.0
    members: int = 1
    temperatures: Float64[ndarray, " T"] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"readout {self.kind!r}; expected one of {', '.join(KINDS)}")
        if not 0 <= self.leak < 1 or self.members < 1:
            raise ConfigError(f"a readout of {self.members} members with a leak of {self.leak}; expected 0 to below 1")
        if self.temperatures is not None and not (self.temperatures > 0).all():
            raise ConfigError("temperatures must be above 0")

    def read(
        self, evidence: Evidence, leaky_sum: Float32[ndarray, "B M"] | None
    ) -> tuple[Float32[ndarray, "B K"], Float32[ndarray, "B M"] | None]:
        """The logits after a step, and the sum of a leaky readout; 0 or `None` is rest.

        Raises:
            ModelError: if the outputs are not those of so many members.
        """
        steps = evidence.steps
        if self.kind == "sum":
            values = evidence.total
        elif self.kind == "mean":
            values = evidence.total / steps[:, None].astype(np.float32)
        elif self.kind == "last":
            values = evidence.output
        else:
            kept = np.float32(0) if leaky_sum is None else np.float32(1 - self.leak) * leaky_sum
            values = leaky_sum = kept + evidence.output
        if self.members > 1:
            if values.shape[1] % self.members:
                raise ModelError(f"{values.shape[1]} outputs; expected those of {self.members:,} members, equally many")
            values = _merged(values.reshape(len(values), self.members, -1))
        if self.temperatures is not None:
            values = values / self.temperatures[steps - 1, None].astype(np.float32)
        return values, leaky_sum

    def of(self, outputs: Float32[ndarray, "N T M"]) -> Float32[ndarray, "N T K"]:
        """The logits after every step of recorded outputs: bit for bit what `read` gives on the way."""
        totals, leaky_sum, logits = np.zeros_like(outputs[:, 0]), None, []
        for t in range(outputs.shape[1]):
            totals = totals + outputs[:, t]
            evidence = Evidence(np.full(len(outputs), t + 1), outputs[:, t], totals)
            read, leaky_sum = self.read(evidence, leaky_sum)
            logits.append(read)
        return np.stack(logits, axis=1)


SUM = Readout()


def parse_temperatures(text: str, horizon: int) -> Float64[ndarray, " T"] | None:
    """Parses temperatures: a number for all steps, or `t`, the step itself; None for `fitted`.

    Raises:
        ConfigError: for anything else.
    """
    if text == "fitted":
        return None
    if text == "t":
        return np.arange(1.0, horizon + 1)
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not 0 < value < np.inf:
        raise ConfigError(f"temperature {text!r}; expected a number above 0, t or fitted")
    return np.full(horizon, value)


def fit_temperatures(
    logits: Float32[ndarray, "N T K"], labels: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> Float64[ndarray, " T"]:
    """The temperature of every step with the smallest mean negative log-likelihood of the labels.

    Searched between 1/100 and 100. A step with equal logits for all classes gets temperature 1.
    """
    from scipy.optimize import minimize_scalar  # slow to import, and most readouts are never fitted

    temperatures = np.ones(logits.shape[1])
    for t in range(logits.shape[1]):
        step_logits = logits[:, t].astype(np.float64)
        if np.ptp(step_logits, axis=1).max() == 0:
            continue

        def surprise(log_temperature: float, step_logits: Float64[ndarray, "N K"] = step_logits) -> float:
            scaled = step_logits / np.exp(log_temperature)
            top = scaled.max(axis=1)
            norm = np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top
            return float((norm - scaled[np.arange(len(labels)), labels]).mean())

        bound = np.log(100.0)
        temperatures[t] = np.exp(minimize_scalar(surprise, bounds=(-bound, bound), method="bounded").x)
    return temperatures


def _merged(values: Float32[ndarray, "B R K"]) -> Float32[ndarray, "B K"]:
    mean = softmax(values).mean(axis=1)
    return np.asarray(np.log(np.maximum(mean, np.finfo(np.float32).tiny)), np.float32)
