"""What every cutoff rule must do, whether it came out of the table or was put together by hand.

The table is run over in `test_decider_contract.py`: a new row is tried there without being named.
"""

import copy
import dataclasses
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.lanes import select_lanes
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.recorded import RecordedOutputs, sweep
from spikecut.pipeline.results import Decision, Evidence, Verdict
from spikecut.pipeline.rules.cutoff_file import FittedCutoff, load_cutoff
from spikecut.pipeline.runner import run

from fakes import Script, frames

Decider = CutoffDecider[Any]


def evidence(recorded: RecordedOutputs, lanes: Sequence[int], steps: Sequence[int]) -> Evidence:
    """What is known of some recordings, each after its own number of steps."""
    at, after = np.array(lanes, np.int64), np.array(steps, np.int64)
    total = np.stack([recorded.outputs[i, :t].cumsum(axis=0, dtype=np.float32)[-1] for i, t in zip(at, after)])  # noqa: B905
    plans = None if recorded.plans is None else recorded.plans.logits[at]
    return Evidence(after, recorded.outputs[at, after - 1], total, plans=plans)


def verdicts(decider: Decider, recorded: RecordedOutputs, lanes: Sequence[int]) -> list[Verdict]:
    """What a rule says of some recordings after every step."""
    state, answers = None, []
    for t in range(1, recorded.horizon + 1):
        verdict, state = decider.decide(evidence(recorded, lanes, [t] * len(lanes)), state)
        answers.append(verdict)
    return answers


def equal(one: Verdict, other: Verdict, lanes: Sequence[int] | slice = slice(None)) -> None:
    """The verdict on some lanes is the other verdict, to the bit."""
    for field in dataclasses.fields(Verdict):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        assert (mine is None) == (theirs is None), field.name
        if mine is not None:
            np.testing.assert_array_equal(mine[lanes], theirs, err_msg=field.name)


def check_is_a_value(decider: Decider, recorded: RecordedOutputs) -> None:
    """It fits the seam, cannot be changed, and deciding changes neither it nor the evidence nor the state."""
    assert isinstance(decider, CutoffDecider)
    with pytest.raises(dataclasses.FrozenInstanceError):
        decider.rule = "another"  # type: ignore[misc]
    before, lanes, state = pickle.dumps(decider), range(len(recorded)), None
    for t in range(1, recorded.horizon + 1):
        given = evidence(recorded, lanes, [t] * len(recorded))
        kept = copy.deepcopy((given, state))
        verdict, following = decider.decide(given, state)
        again, _ = decider.decide(given, state)
        equal(verdict, again)
        assert pickle.dumps((given, state)) == pickle.dumps(kept)
        state = following
    assert pickle.dumps(decider) == before


def check_lanes(decider: Decider, recorded: RecordedOutputs) -> None:
    """A lane's verdicts depend on its own steps alone: split, in another order, or beside lanes that begin later."""
    together = verdicts(decider, recorded, range(6))
    for lane in range(6):
        for whole, single in zip(together, verdicts(decider, recorded, [lane]), strict=True):
            equal(whole, single, [lane])
    state: Any = None
    for t in (1, 2):
        _, state = decider.decide(evidence(recorded, range(6), [t] * 6), state)
    lanes, steps = [4, 6, 1, 7, 3], [2, 0, 2, 0, 2]  # two of them make room for others, which begin at rest
    state = select_lanes(state, np.array([4, -1, 1, -1, 3]))
    alone = {lane: verdicts(decider, recorded, [lane]) for lane in lanes}
    while max(steps) < recorded.horizon:
        steps = [t + 1 for t in steps]
        verdict, state = decider.decide(evidence(recorded, lanes, steps), state)
        for at, (lane, t) in enumerate(zip(lanes, steps, strict=True)):
            equal(verdict, alone[lane][t - 1], [at])


def check_copies(decider: Decider, recorded: RecordedOutputs, folder: Path) -> None:
    """Saved as JSON and read back, pickled, or copied, it says the same to the bit."""
    before = verdicts(decider, recorded, range(len(recorded)))
    fitted = FittedCutoff(decider, "f" * 64, ("a", "b", "c", "d"), 10_000, 0.1, len(recorded), "0" * 64)
    fitted.save(folder / "cutoff.json")
    read = load_cutoff(folder / "cutoff.json").cutoff
    for other in (read, pickle.loads(pickle.dumps(decider)), copy.deepcopy(decider)):
        assert type(other) is type(decider)
        for one, two in zip(before, verdicts(other, recorded, range(len(recorded))), strict=True):
            equal(one, two)


def check_sweep(decider: Decider, recorded: RecordedOutputs) -> None:
    """A sweep finds the stops and answers of really running, and that at every horizon; some stops are early."""
    model = Script(recorded.outputs)
    assert (sweep(recorded, decider).stops < recorded.horizon).any(), "it never stops early, so nothing is compared"
    for horizon in range(1, recorded.horizon + 1):
        swept = sweep(dataclasses.replace(recorded, outputs=recorded.outputs[:, :horizon]), decider)
        for i in range(12):
            *_, last = run(frames([i] * recorded.horizon), model, decider, horizon=horizon)
            assert isinstance(last, Decision)
            assert (last.steps, last.label) == (swept.stops[i], swept.labels[i])
            if swept.sets is not None:
                assert last.classes == tuple(np.flatnonzero(swept.sets[i]).tolist())


def check_refusals(decider: Decider, recorded: RecordedOutputs) -> None:
    """Outputs that are no numbers, and steps beyond the horizon it was made for, are refused."""
    for wrong in (np.nan, np.inf, -np.inf):
        outputs = recorded.outputs.copy()
        outputs[1, 0, 2] = wrong
        with pytest.raises(ModelError, match="step 1: the network's output is not finite"):
            decider.decide(evidence(dataclasses.replace(recorded, outputs=outputs), [0, 1], [1, 1]), None)
    longer = np.concatenate([recorded.outputs, recorded.outputs], axis=1)
    beyond = decider.horizon + 1
    after = evidence(dataclasses.replace(recorded, outputs=longer), [0], [beyond])
    with pytest.raises(ModelError, match=f"step {beyond} of a cutoff made for {decider.horizon} steps"):
        decider.decide(after, None)
