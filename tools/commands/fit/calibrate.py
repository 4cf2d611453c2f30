"""The command `calibrate`: cutoffs fitted on held-out recordings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from spikecut.pipeline.files.atomic_files import refuse_existing
from spikecut.tools.options import (
    BesideNetwork,
    EngineOptions,
    ExecutorOptions,
    FitOptions,
    ModelOfData,
    NoDefault,
    Overwrite,
    PartOf,
    ReadingOptions,
    Readout,
    Seed,
    own_flags_first,
)

_CHOOSING = (
    "A promise holds for a rule, score and readout that were chosen before. If you fit several on the same "
    "recordings and take the earliest, it is broken more often. With --simultaneous all promises of Learn "
    "then Test in a call hold at once; the level of conformal sets is not divided."
)


@own_flags_first
@dataclass(frozen=True)
class Calibrate(EngineOptions, ExecutorOptions, FitOptions, ReadingOptions):
    """Fit cutoffs on held-out recordings for a tolerated loss: with Learn then Test, or with other rules.

    $ spikecut calibrate Train --model runs/nmnist/nmnist.safetensors --part calibration

    $ spikecut calibrate drawn --model gestures --gesture-free people --alarms-a-minute 1 --rejected 0.02

    $ spikecut calibrate heldout --model nmnist --rule ltt topk confidence --tolerance 0.01 0.02 --out cutoffs
    """

    uses_torch: ClassVar[bool] = True

    folder: tyro.conf.Positional[Path]
    """A folder of <class>/<recording>, of DVS128 Gesture, of pictures; an archive; a file from --outputs; or a run."""
    model: ModelOfData = None
    part: PartOf = "calibration"
    rule: tuple[str, ...] = ("ltt",)
    """The rules to fit; `all` is every rule. ltt (Learn then Test) and conformal promise something about new data."""
    tolerance: tuple[float, ...] = (0.02,)
    """The tolerated losses: fractions of right answers that early stopping may turn wrong."""
    delta: float = 0.05
    """The probability with which a promise may fail."""
    simultaneous: bool = False
    """Divide delta by the number of promises fitted here: all hold at once, so any may be chosen."""
    correction: Literal["maxrank", "bonferroni", "simes"] = "maxrank"
    """How conformal sets allow for looking often: bonferroni and simes look at 8 steps only."""
    readout: Readout = "sum"
    """How outputs over time become evidence (sr1, economy and calimera always use the mean)."""
    leak: float = 0.05
    """The fraction that a leaky readout forgets at every step."""
    temperature: str = "1"
    """The divisor of the readout: a number, `t` (the step), or `fitted` on three tenths of the recordings."""
    seed: Seed = 0
    """The random seed of splits of the recordings."""
    or_never: bool = False
    """If the recordings are too few for a promise, write a rule that never stops early instead of refusing."""
    gesture_free: Annotated[Path | None, NoDefault] = None
    """Recordings without gestures, a folder or one: fits with them how sure an answer must be, at three levels."""
    alarms_a_minute: float = 1.0
    """The false alarms a minute of such movement that sensitivity normal tolerates; low a quarter, high four times."""
    confidence: float = 0.95
    """The confidence in both rates of a level."""
    rejected: Annotated[float | None, NoDefault] = None
    """Refuse to write cutoffs if more than this fraction of gestures may be rejected at normal sensitivity."""
    out: BesideNetwork = None
    keep: Annotated[Path | None, NoDefault] = None
    """A run folder that keeps the outputs while they are recorded: the same command goes on after an interruption."""
    outputs: Annotated[Path | None, NoDefault] = None
    """Also write the network's outputs to this .npz file, which calibrate and evaluate read in place of a folder."""
    overwrite: Overwrite = False
    statistics_only: bool = False
    """Only add the statistics of these recordings to the cutoffs beside the network; nothing is fitted."""
    force: bool = False
    """Also use recordings that trained the network, or an unfinished run."""

    @classmethod
    def more_help(cls) -> str:
        """The rules of the table, a line each, and the cost of choosing among their promises."""
        from spikecut.pipeline.rules import RULES

        rows = (f"- {name}{' (promises)' if rule.promises else ''}: {rule.about}." for name, rule in RULES.items())
        return "\n".join(["Rules:", *rows, "", _CHOOSING])

    def refuse_early(self) -> None:
        """Refuses a file of outputs that exists."""
        if self.outputs is not None:
            refuse_existing(self.outputs, overwrite=self.overwrite)

    def run(self) -> int:
        from spikecut.tools.batch.calibrate import run_calibrate

        return run_calibrate(self)
