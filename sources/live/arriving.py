"""When the bins of a live stream are due: the sensor's clock, as the quickest bins of late show it on ours."""

import math
from dataclasses import dataclass

from spikecut.pipeline.events import Frame

_SPAN_S = 60.0


@dataclass(slots=True)
class Arrivals:
    """The schedule of a stream that keeps its own pace.

    A bin is due as long after its end as the quickest bin of the last one to two minutes came: what delays bins in this
    program shows as lag. Two clocks that drift apart do not show, nor does a stream that comes faster than its clock,
    such as a recording from a pipe, and where the source had nothing to give, `Player` says so.

    >>> import numpy as np
    >>> pixels = np.zeros((2, 1, 1), np.uint8)
    >>> arrivals, bins = Arrivals(), [Frame(i, 0, i * 1000, i * 1000 + 1000, pixels, 0) for i in range(3)]
    >>> [round(arrivals.due_s(one, now_s), 4) for one, now_s in zip(bins, (5.0, 5.001, 5.9))]
    [5.0, 5.001, 5.002]
    """

    _segment: int = -1
    _since_s: float = 0.0
    _before_s: float = math.inf  # by how much the quickest bin of the span before came after its end
    _quickest_s: float = math.inf

    def due_s(self, frame: Frame, now_s: float) -> float:
        """When a bin that has come at `now_s` was due; another segment has another clock."""
        if frame.segment != self._segment:
            self._segment, self._since_s = frame.segment, now_s
            self._before_s = self._quickest_s = math.inf
        if now_s - self._since_s > _SPAN_S:
            self._since_s, self._before_s, self._quickest_s = now_s, self._quickest_s, math.inf
        self._quickest_s = min(self._quickest_s, now_s - frame.end_us * 1e-6)
        return frame.end_us * 1e-6 + min(self._before_s, self._quickest_s)
