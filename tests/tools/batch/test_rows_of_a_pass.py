"""Truths about the pass that answers for all rules: it says what a network says that really stops."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.models.files import opening
from spikecut.pipeline.errors import CorruptRecording
from spikecut.pipeline.events import Frame
from spikecut.pipeline.replay import record_outputs, replay
from spikecut.pipeline.results import Decision
from spikecut.pipeline.rules.cutoff_file import FittedCutoff
from spikecut.pipeline.rules.thresholds import confidence, fixed, never, topk
from spikecut.sources.datasets.base import Example, FrameSpec
from spikecut.sources.formats.base import DEFAULTS
from spikecut.tools.batch.examples import Examples
from spikecut.tools.batch.executors.base import Batch
from spikecut.tools.batch.passes.decisions import Trail, of_decision, swept
from spikecut.tools.batch.passes.replay_work import ReplayWork
from spikecut.tools.cutoff_lookup import cutoffs_for, unfitted

from fakes import Script, frames

T, K = 6, 3
RULES = {"none": never(T), "three": fixed(3, T), "topk": topk([1.5] * T), "confidence": confidence(0.7, T)}


def fitted(cutoff: Any) -> FittedCutoff:
    return FittedCutoff(cutoff, "", ("a", "b", "c"), 10, 0.0, 0, "")


@given(lengths=st.lists(st.integers(1, T + 2), min_size=1, max_size=8), seed=st.integers(0, 10_000))
def test_a_swept_answer_is_that_of_a_network_that_stops(lengths: list[int], seed: int) -> None:
    script = Script(np.random.default_rng(seed).normal(size=(len(lengths), T, K)))
    streams = [frames([number] * length) for number, length in enumerate(lengths)]
    trails = [Trail() for _ in streams]
    noted = [trail.over(stream) for trail, stream in zip(trails, streams, strict=True)]
    outputs = record_outputs(noted, len(streams), script, horizon=T, batch_size=3)
    for cutoff in RULES.values():
        stopped = dict(replay(streams, script, cutoff, horizon=T, batch_size=3))
        for at, answer in enumerate(swept(outputs, trails, fitted(cutoff), None)):
            decision = stopped[at]
            assert isinstance(decision, Decision)
            assert answer == of_decision(decision, trails[at])


@dataclass(frozen=True, slots=True, eq=False)
class Clips:
    """A source of several examples: each is a list of segments of random frames, or cannot be read."""

    seeds: tuple[int, ...]
    name: str = "clips"
    path: Path = Path("clips.bin")

    def digest(self) -> str:
        return "0123456789abcdef"

    def streams(self, view: FrameSpec) -> Iterator[Iterator[Frame]]:
        return (self._frames(seed, view) for seed in self.seeds)

    def _frames(self, seed: int, view: FrameSpec) -> Iterator[Frame]:
        rng, at = np.random.default_rng(seed), 0
        for segment, length in enumerate([view.horizon] if seed % 3 else [4, view.horizon // 2]):
            for _ in range(length):
                pixels = (rng.random((2, view.frame.height, view.frame.width)) < 0.1).astype(np.uint8)
                yield Frame(at, segment, at * view.step_us, (at + 1) * view.step_us, pixels, int(pixels.sum()))
                at += 1
            if seed % 5 == 4:
                raise CorruptRecording(self.path, "damaged")


def work_on(weights: Path, rules: dict[str, FittedCutoff], examples: Examples) -> ReplayWork:
    return ReplayWork(
        weights=weights,
        engine="auto",
        folder=Path(),
        part="all",
        reading=DEFAULTS,
        rules=rules,
        watched="none",
        lanes=4,
        examples=examples,
    )


def test_a_recording_whose_clock_is_reset_is_answered_as_by_a_network_that_stops() -> None:
    """Stopped before the reset the answer is about the first piece; not stopped, about the last."""
    weights = opening.locate("nmnist")
    stepper, card = opening.load(weights)
    source = Clips(tuple(range(10)))
    members = [Example(f"{n}", n, "test", source, f"clips: {n}", "someone", n) for n in range(10)]
    examples = Examples(members, np.arange(10))
    rules = {"none": unfitted(card), **cutoffs_for((), weights, card)}
    work = work_on(weights, rules, examples)
    result = work.begin()(Batch("key", tuple(examples.ids(Path()))))
    assert result.rows is not None
    assert [fault.item_id for fault in result.faults] == ["clips: 9"]
    rows = list(zip(*(result.rows[name] for name in ("item_id", "rule", "pred", "steps", "t_dec_us")), strict=True))
    fates: list[Any] = []
    for name, rule in rules.items():
        stopped = dict(replay(examples.streams(card, fates), stepper, rule.cutoff, horizon=card.horizon))
        for n in range(9):
            decision = stopped[n]
            assert isinstance(decision, Decision)
            answer = (card.classes[decision.label], decision.steps, decision.latency_us)
            assert (f"clips: {n}", name, *answer) in rows


@pytest.mark.parametrize("items", [("clips: 3",), ("clips: 3", "clips: 7")])
def test_a_part_of_a_source_is_answered_as_in_the_whole(items: tuple[str, ...]) -> None:
    weights = opening.locate("nmnist")
    _, card = opening.load(weights)
    source = Clips(tuple(range(10)))
    members = [Example(f"{n}", n, "test", source, f"clips: {n}", "someone", n) for n in range(10)]
    examples = Examples(members, np.arange(10))
    rules = {"none": unfitted(card)}
    do = work_on(weights, rules, examples).begin()
    whole, some = do(Batch("whole", tuple(examples.ids(Path())))).rows, do(Batch("some", items)).rows
    assert whole is not None
    assert some is not None
    picked = [at for at, item in enumerate(whole["item_id"]) if item in items]
    assert {name: [whole[name][at] for at in picked] for name in some if name != "logits"} == {
        name: list(some[name]) for name in some if name != "logits"
    }
