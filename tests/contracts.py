"""What every implementation of a seam must do. A new one joins its list in test_contracts.py.

Sources have their contract, with all that files can do to them, in source_contract.py, deciders in
decider_contract.py.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from spikecut.pipeline.events import EventBatch
from spikecut.pipeline.protocols import Binner, SteppedModel
from spikecut.pipeline.results import Decision, Item, Rejection, Rest, Step
from spikecut.tools.views.base import Listening, Summary, View


def check_model(model: SteppedModel[Any], frames: Sequence[np.ndarray]) -> None:
    """None is rest, lanes are independent, a copy can be come back to, and nothing is remembered."""
    assert isinstance(model, SteppedModel)

    def said(part: Sequence[np.ndarray]) -> np.ndarray:
        state, outputs = None, []
        for frame in part:
            output, state = model.step(frame, state)
            assert output.shape == (len(frame), model.n_outputs)
            assert output.dtype == np.float32
            outputs.append(output)
        return np.stack(outputs)

    whole = said(frames)
    np.testing.assert_array_equal(said(frames), whole)
    for lane in range(len(frames[0])):
        alone = said([frame[[lane, lane]] for frame in frames])
        np.testing.assert_allclose(alone[:, 0], whole[:, lane], atol=1e-5)
    _, state = model.step(frames[0], None)
    kept = model.copy(state)
    model.step(frames[1], state)
    output, _ = model.step(frames[1], kept)
    np.testing.assert_array_equal(output, whole[1])


def check_binner(binner: Binner, batches: Sequence[EventBatch]) -> None:
    """Every event once or dropped with a cause; time advances; frames own their pixels; a second pass is the same."""
    assert isinstance(binner, Binner)
    frames = list(binner.bins(batches))
    assert sum(f.n_events + f.lost.total for f in frames) == sum(len(b) + b.lost.total for b in batches)
    for before, after in pairwise(frames):
        assert before.index + 1 == after.index
        assert before.segment <= after.segment
        assert not np.shares_memory(before.pixels, after.pixels)
        if before.segment == after.segment:
            assert before.end_us == after.start_us
    again = list(binner.bins(batches))
    assert [f.pixels.tobytes() for f in again] == [f.pixels.tobytes() for f in frames]


def check_view(view: View, items: Sequence[Item], truth: str, summary: Summary) -> None:
    """Takes every item of the loop in its order, of one recording after another, and changes none of it."""
    assert isinstance(view, View)
    before = [contents(item) for item in items]
    with view as opened:
        for title in ("first", "second"):
            opened.begin(title, None)
            for item in items:
                if isinstance(item, Step) and item.index == 0:
                    opened.expect(truth)
                opened.write(item)
                if isinstance(opened, Listening):
                    opened.idle()
            opened.expect(None)
        opened.finish(summary)
    assert [contents(item) for item in items] == before


def contents(item: Item) -> list[bytes]:
    """All arrays that an item holds."""
    arrays = [] if isinstance(item, Rest) else [item.total]
    if isinstance(item, Step):
        arrays.append(item.output)
    if not isinstance(item, Decision | Rejection):
        arrays.append(item.frame.pixels)
    return [array.tobytes() for array in arrays]


def long_stream(n_batches: int, template: EventBatch) -> Iterator[EventBatch]:
    """The same second of events over and over, made as it is read."""
    span = template.end_us - template.start_us
    for i in range(n_batches):
        shift = i * span
        yield EventBatch(
            template.t + shift,
            template.x,
            template.y,
            template.p,
            template.start_us + shift,
            template.end_us + shift,
            template.sensor,
        )
