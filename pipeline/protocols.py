"""The interfaces (protocols) of the core. Any object that satisfies one of these can be exchanged."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar, runtime_checkable

from jaxtyping import Float32, Int64, Num
from numpy import ndarray

from spikecut.pipeline.events import EventBatch, Frame, SensorSize
from spikecut.pipeline.results import Evidence, Verdict


@runtime_checkable
class EventSource(Protocol):
    """A stream of events. Every pass over it starts anew; its batches tile time within a segment."""

    @property
    def sensor(self) -> SensorSize: ...

    def __iter__(self) -> Iterator[EventBatch]: ...


@runtime_checkable
class Binner(Protocol):
    """Batches in, frames out: the same frames however the batches were cut."""

    def bins(self, batches: Iterable[EventBatch]) -> Iterator[Frame]: ...


S = TypeVar("S")
D = TypeVar("D")


@runtime_checkable
class SteppedModel(Protocol[S]):
    """A network that is stepped by hand. `None` is the state at rest; a step may consume its state."""

    @property
    def n_outputs(self) -> int:
        """The number of outputs a step: one a class, or one a class and member of an ensemble."""
        ...

    def step(self, frames: Num[ndarray, "B C H W"], state: S | None) -> tuple[Float32[ndarray, "B K"], S]:
        """The outputs of one step of B lanes, and the state after it: `output, state = network.step(pixels, state)`."""
        ...

    def select(self, state: S, lanes: Int64[ndarray, " L"]) -> S:
        """The state of the lanes that go on, in this order; -1 is a lane at rest."""
        ...

    def copy(self, state: S) -> S:
        """A state to come back to."""
        ...


@runtime_checkable
class CutoffDecider(Protocol[D]):
    """Decides after every step which lanes stop. Immutable; most keep no state and return `None`.

    State is an array with the lanes first, or a tuple of such and `None`; all zeros is rest.
    """

    @property
    def rule(self) -> str:
        """The common name of the rule."""
        ...

    @property
    def horizon(self) -> int:
        """The number of steps it was made for."""
        ...

    def decide(self, evidence: Evidence, state: D | None) -> tuple[Verdict, D | None]:
        """The verdict on every lane after one step, and what the rule remembers."""
        ...


@runtime_checkable
class Planner(Protocol):
    """Reads the first frames of a stream and chooses the number of steps: the policy of SEENN-II."""

    @property
    def look(self) -> int:
        """The number of frames it reads."""
        ...

    @property
    def policy(self) -> str:
        """The SHA-256 of its weights."""
        ...

    @property
    def cost(self) -> float:
        """The cost of running it, once a stream, in steps of the network."""
        ...

    def plan(self, frames: Num[ndarray, "B look C H W"]) -> Float32[ndarray, "B P"]:
        """A logit for every budget from `look` steps to the horizon."""
        ...


def __getattr__(name: str) -> object:
    """What this module had before: `Sink`, which is `tools.views.base.View` now."""
    from spikecut.moved import look_up

    return look_up(__name__, name)
