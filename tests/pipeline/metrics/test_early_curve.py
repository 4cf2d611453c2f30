"""Truths about early curves: Top-1 is the accuracy, Top-5 is what sorting says, few classes have none."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikecut.pipeline.metrics.early_curve import TOP, among, early_curve
from spikecut.pipeline.metrics.evaluation import anytime
from spikecut.pipeline.recorded import RecordedOutputs

K = 7
streams = st.builds(
    RecordedOutputs,
    hnp.arrays(np.float32, (9, 4, K), elements=st.integers(-4, 4).map(lambda n: n / 8)),  # with many equal classes
    hnp.arrays(np.int64, 9, elements=st.integers(0, K - 1)),
)


def naive_top(recorded: RecordedOutputs, leading: int) -> list[list[bool]]:
    """Classes sorted by their summed outputs, of equals the first, and the true one looked for."""
    rows = []
    for outputs, label in zip(recorded.outputs, recorded.labels.tolist(), strict=True):
        totals = outputs.cumsum(0)
        ranked = [sorted(range(K), key=lambda k: (-total[k], k))[:leading] for total in totals]
        rows.append([label in some for some in ranked])
    return rows


@given(streams, st.integers(1, K))
def test_a_class_is_among_the_leading_ones_as_sorting_says(recorded: RecordedOutputs, leading: int) -> None:
    assert among(recorded, leading).tolist() == naive_top(recorded, leading)


@given(streams)
def test_top1_is_the_accuracy_after_each_step_and_top5_is_no_less(recorded: RecordedOutputs) -> None:
    curve = early_curve(recorded)
    assert curve.top1 == anytime(recorded).accuracy
    assert curve.top5 is not None
    assert all(five.value >= one.value for one, five in zip(curve.top1, curve.top5, strict=True))
    assert curve.share == (0.25, 0.5, 0.75, 1.0)


def test_among_five_classes_or_fewer_there_is_no_top5() -> None:
    outputs, labels = np.zeros((3, 2, TOP + 1), np.float32), np.array([0, 4, 5])
    assert early_curve(RecordedOutputs(outputs[:, :, :TOP], labels - labels // TOP)).top5 is None
    top5 = early_curve(RecordedOutputs(outputs, labels)).top5
    assert top5 is not None
    assert [one.value for one in top5] == [2 / 3, 2 / 3]  # of equals the first five lead
