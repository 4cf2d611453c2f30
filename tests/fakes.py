"""Small stand-ins with the manners of the real things: a network that says what it is told, frames of nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy import ndarray

from spikecut.pipeline.events import Frame


def frames(numbers: Sequence[int], segment: int = 0, step_us: int = 10) -> list[Frame]:
    """Frames whose first pixel holds the number of the recording, so that a fake can know it."""
    made = []
    for index, number in enumerate(numbers):
        pixels = np.zeros((2, 2, 2), np.int32).astype(np.float32)
        pixels[0, 0, 0] = number
        made.append(Frame(index, segment, index * step_us, (index + 1) * step_us, pixels, 1))
    return made


@dataclass
class Script:
    """A network that says `outputs[recording, step]`; its state is the number of steps a lane has made.

    It counts the lane steps that it was asked for: the work that a cutoff is there to save.
    """

    outputs: ndarray
    executed: int = 0
    batch_sizes: list[int] = field(default_factory=list)

    @property
    def n_outputs(self) -> int:
        return int(self.outputs.shape[2])

    def step(self, pixels: ndarray, state: ndarray | None) -> tuple[ndarray, ndarray]:
        steps = np.zeros(len(pixels), np.int64) if state is None else state
        self.executed += len(pixels)
        self.batch_sizes.append(len(pixels))
        recording = pixels[:, 0, 0, 0].astype(np.int64)
        return self.outputs[recording, steps].astype(np.float32), steps + 1

    def select(self, state: ndarray, lanes: ndarray) -> ndarray:
        return np.where(lanes < 0, 0, state[lanes])

    def copy(self, state: ndarray) -> ndarray:
        return state.copy()


@dataclass(frozen=True)
class Oracle:
    """A policy that knows the recording by its number, and has seen nothing but its first frames.

    `table[recording]` are its logits, one for each budget from `look` on.
    """

    table: ndarray
    look: int = 1
    policy: str = "0" * 64
    cost: float = 0.25

    def plan(self, seen: ndarray) -> ndarray:
        numbers = seen[:, :, 0, 0, 0].astype(np.int64)
        assert seen.shape[1] == self.look
        assert (numbers == numbers[:, :1]).all(), "a frame is missing, or of another recording"
        return np.asarray(self.table[numbers[:, 0]], np.float32)


def counted(items: Sequence[Frame], taken: list[int]) -> Iterator[Frame]:
    """The frames, with a note of each one that was asked for."""
    for item in items:
        taken.append(item.index)
        yield item


@dataclass
class FakeClock:
    """Time passes only when somebody sleeps, or works."""

    time_s: float = 100.0
    slept: list[float] = field(default_factory=list)

    def now_s(self) -> float:
        return self.time_s

    def sleep_s(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.time_s += seconds


@dataclass
class Stdin:
    """A standard input that is closed with the process."""

    number: int

    def fileno(self) -> int:
        return self.number
