"""What every pass over recordings begins with in a process: the network loaded, the examples of the data set listed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikecut.models.card import ModelCard
from spikecut.models.files import opening
from spikecut.pipeline.protocols import SteppedModel
from spikecut.sources.datasets.parts import Part
from spikecut.sources.formats.base import ReadOptions
from spikecut.tools.batch.examples import Examples, examples_of

_OF_HERE = ("examples", "loaded")  # fields that stay in this process


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A network and a data set in one process; `places` are those of the items among the examples."""

    stepper: SteppedModel[Any]
    card: ModelCard
    examples: Examples
    places: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PassWork:
    """What a work on recordings needs to begin, and the folder of parts that it writes; None to keep nothing.

    `examples` are those that the driver has listed; other processes list them again. `loaded` is a network that is
    open already in this process; others open it by its weights.
    """

    weights: Path
    engine: str
    folder: Path
    part: Part
    reading: ReadOptions
    parts: Path | None = None
    examples: Examples | None = field(default=None, compare=False)
    loaded: tuple[SteppedModel[Any], ModelCard] | None = field(default=None, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in _OF_HERE}
        return _made, (type(self), values)

    def opened(self) -> Opened:
        """Loads the network and lists the data set."""
        import torch

        torch.set_num_threads(1)
        stepper, card = self.loaded or opening.load(self.weights, engine=self.engine)
        examples = self.examples or examples_of(self.folder, card, self.part, self.reading)
        return Opened(stepper, card, examples, {item_id: at for at, item_id in enumerate(examples.ids(self.folder))})


def _made(kind: type[PassWork], values: dict[str, Any]) -> PassWork:
    return kind(**values)
