"""A recording whose outputs are kept from wherever the network was started, so that thresholds are tried without it.

When the network starts again depends on its answers before, so a threshold changes where it starts, and no single pass
holds the outputs for all of them. They are computed where they are first needed and kept: the loop that is played again
is that of `recognise`, not a likeness of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, Num
from numpy import ndarray

from spikecut.models.card import ModelCard
from spikecut.pipeline.events import Frame
from spikecut.pipeline.protocols import CutoffDecider, SteppedModel
from spikecut.pipeline.recognition import Onset, recognise
from spikecut.pipeline.results import Decision
from spikecut.pipeline.rules.rejection import Rejecting

State = tuple[int, int]  # the bin in which the network started, and how many steps it has made


@dataclass(frozen=True, slots=True, eq=False)
class _Packed:
    """The pixels of a frame, of which most are 0."""

    shape: tuple[int, ...]
    places: Int64[ndarray, " P"] | ndarray
    values: ndarray

    @classmethod
    def of(cls, pixels: Num[ndarray, "C H W"]) -> "_Packed":
        flat = pixels.ravel()
        places = np.flatnonzero(flat)
        return cls(pixels.shape, places.astype(np.int32), flat[places])

    def pixels(self) -> Num[ndarray, "C H W"]:
        flat = np.zeros(int(np.prod(self.shape)), self.values.dtype)
        flat[self.places] = self.values
        return flat.reshape(self.shape)


class RecordedStream:
    """The bins of a recording, and a network that knows them: a `SteppedModel` for its own `frames` alone.

    Their only pixel holds their place in the recording.
    """

    def __init__(self, frames: Iterable[Frame], model: SteppedModel[Any]) -> None:
        self.frames: list[Frame] = []
        self.n_executed = 0  # steps of the network itself
        self._model = model
        self._packed: list[_Packed] = []
        self._outputs: dict[int, list[Float32[ndarray, "1 K"]]] = {}
        self._live: tuple[State, Any] | None = None  # the one state of the network that is kept
        for place, frame in enumerate(frames):
            self._packed.append(_Packed.of(frame.pixels))
            self.frames.append(replace(frame, pixels=np.full((1, 1, 1), place, np.float32)))

    @property
    def minutes(self) -> float:
        """Its length."""
        return sum(frame.end_us - frame.start_us for frame in self.frames) / 6e7

    @property
    def n_outputs(self) -> int:
        """The number of outputs of the network."""
        return self._model.n_outputs

    def step(self, frames: Num[ndarray, "1 1 1 1"], state: State | None) -> tuple[Float32[ndarray, "1 K"], State]:
        """The output of the network at one of the frames."""
        start, n_steps = (int(frames[0, 0, 0, 0]), 0) if state is None else state
        outputs = self._outputs.setdefault(start, [])
        if n_steps == len(outputs):
            outputs.append(self._computed(start, n_steps))
        return outputs[n_steps], (start, n_steps + 1)

    def select(self, state: State, lanes: Int64[ndarray, " L"]) -> State:
        """The state of the one lane."""
        return state

    def copy(self, state: State) -> State:
        """The state, which no step consumes."""
        return state

    def _computed(self, start: int, n_steps: int) -> Float32[ndarray, "1 K"]:
        """A step of the network; anew from the start where its state is no longer there."""
        first, state = n_steps, None
        if self._live is not None and self._live[0] == (start, n_steps):
            state = self._live[1]
        else:
            first = 0
        for place in range(start + first, start + n_steps + 1):
            output, state = self._model.step(self._packed[place].pixels()[None], state)
            self.n_executed += 1
        self._live = (start, n_steps + 1), state
        return output


class AlarmCount:
    """The number of answers on a recording, at every threshold; the loop is played again where that can change them."""

    def __init__(self, stream: RecordedStream, decider: CutoffDecider[Any], card: ModelCard) -> None:
        self.n_played = 0
        self._stream, self._decider, self._card = stream, decider, card
        self._n, self._above, self._up_to = 0, inf, -inf

    def __call__(self, threshold: float) -> int:
        """The answers at one threshold."""
        if not self._above < threshold <= self._up_to:
            noting = _Noting(self._card.no_gestures, threshold)
            items = recognise(
                self._stream.frames,
                self._stream,
                self._decider,
                horizon=self._card.horizon,
                onset=Onset(**self._card.onset),
                rejecting=noting,
            )
            self._n = sum(isinstance(item, Decision) for item in items)
            self._above, self._up_to = max(noting.refused), threshold
            self.n_played += 1
        return self._n


@dataclass(frozen=True, slots=True)
class _Noting(Rejecting):
    """Notes the log-odds that it refused: down to the largest of them every threshold decides alike."""

    refused: list[float] = field(default_factory=lambda: [-inf])

    def admits(self, odds: Float64[ndarray, " B"]) -> Bool[ndarray, " B"]:
        """Whether answers with these log-odds are sure enough."""
        admitted = odds >= self.threshold
        self.refused[0] = max([self.refused[0], *odds[~admitted].tolist()])
        return admitted
