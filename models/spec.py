"""The specification of a network, from which it is built: stored in its card."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from spikecut.pipeline.errors import ModelError
from spikecut.pipeline.events import SensorSize

InputKind = Literal["events", "images"]
INPUT_KINDS: dict[int, InputKind] = {2: "events", 3: "images"}  # by the channels of a frame
CHANNELS: dict[int, tuple[str, ...]] = {2: ("off", "on"), 3: ("red", "green", "blue")}
_WIDEST, _LARGEST = 2**16, 2**24  # of a layer; of the products of neighbouring layers, which are its kernels


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """All that is needed to build a network again: a name of `architectures.ARCHITECTURES` and its numbers.

    After a colon, `compact:lif`, the architecture may be followed by a name of `cells.CELLS`; without one, cells follow
    from `levels`. The name is part of the architecture, so that what was stored before there was a choice still holds.
    `channels` are the widths of its convolutions, `step_us` the length of a bin in microseconds, `frame` the size of
    the frames it sees. `normalisation` is `kernel`, `batch` or `tebn` (see `normalisation`); `tebn` needs to know for
    how many steps, `tebn_steps`, it learns a scale. `inputs` are the channels of a frame: 2 polarities of events, or
    the 3 colours of an image that is shown at every step. With `levels` it is trained as an ANN whose activations
    take so many values above 0, and then stepped as the spiking network that computes the same (`conversion`).

    Raises:
        ModelError: for another normalisation, or steps without `tebn`, or `tebn` without steps, or other channels, or
            levels with `tebn`, or a number below the least that a network can have.
    """

    architecture: str
    channels: tuple[int, ...]
    n_classes: int
    step_us: int
    frame: SensorSize
    normalisation: str = "kernel"
    tebn_steps: int = 0
    inputs: int = 2
    levels: int = 0

    @property
    def layout(self) -> str:
        """The name of the architecture, without that of its cells."""
        return self.architecture.partition(":")[0]

    @property
    def cell(self) -> str:
        """The name of its cells."""
        return self.architecture.partition(":")[2] or ("qcfs" if self.levels else "lif")

    def __post_init__(self) -> None:
        if self.normalisation not in ("kernel", "batch", "tebn"):
            raise ModelError(f"normalisation {self.normalisation!r}; expected kernel, batch or tebn")
        if (self.tebn_steps > 0) != (self.normalisation == "tebn") or self.tebn_steps < 0:
            raise ModelError(
                f"normalisation {self.normalisation!r} with tebn_steps {self.tebn_steps}",
                hint="tebn_steps is the number of steps of a training with 'tebn', and 0 without it",
            )
        if self.inputs not in INPUT_KINDS:
            raise ModelError(f"frames of {self.inputs} channels; expected 2 (events) or 3 (a picture's colours)")
        if min(*self.channels, self.step_us, self.n_classes + 1) < 1:  # a recipe without classes has 0 as yet
            raise ModelError(
                f"channels {', '.join(map(str, self.channels)) or 'none'}, {self.n_classes} classes, steps of "
                f"{self.step_us} us; expected 1 or more of each"
            )
        wide = sum(one * other for one, other in pairwise((self.inputs, *self.channels, self.n_classes)))
        if max(*self.channels, self.n_classes, self.tebn_steps, self.levels, 0) > _WIDEST or wide > _LARGEST:
            raise ModelError(
                f"channels {', '.join(map(str, self.channels))} for {self.n_classes} classes; expected a network that "
                f"fits into memory, layers of at most {_WIDEST:,}"
            )
        if self.levels < 0:
            raise ModelError(f"levels is {self.levels}; expected 0 (trained as it is stepped) or more")
        if self.levels and self.normalisation == "tebn":
            raise ModelError(
                f"levels {self.levels} with normalisation 'tebn'; expected batch or kernel",
                hint="an ANN has one step, so there is nothing that a scale for every step could learn",
            )

    @property
    def input_kind(self) -> InputKind:
        """The kind of input: two polarities of events, or the three colours of an image."""
        return INPUT_KINDS[self.inputs]
