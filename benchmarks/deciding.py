"""What deciding costs: microseconds a step of one stream for every rule, and a sweep of 100 thresholds."""

import time

import numpy as np

from spikecut.pipeline.metrics.evaluation import curve
from spikecut.pipeline.recorded import Plans, RecordedOutputs
from spikecut.pipeline.results import Evidence
from spikecut.pipeline.rules import RULES
from spikecut.pipeline.rules.fit import fit
from spikecut.pipeline.rules.rule import Wish


def main() -> None:
    rng = np.random.default_rng(0)
    outputs, labels = rng.normal(0, 1, (10_000, 60, 11)).astype(np.float32), rng.integers(0, 11, 10_000)
    plans = Plans(rng.normal(0, 1, (10_000, 56)).astype(np.float32), "0" * 64)
    recorded = RecordedOutputs(outputs, labels, plans=plans)
    few, output = recorded.pick(np.arange(400)), recorded.outputs[:1, 0]
    evidence = Evidence(np.array([5]), output, output, plans=plans.logits[:1])
    print("deciding, one lane of 11 classes, CPU time a step, best of 5 times 2,000")
    for name in RULES:
        rule = fit(name, few, Wish(0.3), or_never=True)
        _, state = rule.decide(evidence, None)
        rounds = []
        for _ in range(5):
            started = time.process_time()
            for _ in range(2_000):
                rule.decide(evidence, state)
            rounds.append((time.process_time() - started) / 2_000)
        note = "  (a kernel machine: 400 kernels)" if name == "calimera" else ""
        print(f"  {name:<16} {1e6 * min(rounds):6.1f} us{note}")
    for score in ("confidence", "top2_gap", "entropy"):
        started = time.process_time()
        swept = curve(recorded, score)
        print(
            f"sweeping {len(swept.thresholds)} thresholds of {score} over 10,000 recordings x 60 steps x 11 classes: "
            f"{time.process_time() - started:.2f} s of CPU"
        )


if __name__ == "__main__":
    main()
