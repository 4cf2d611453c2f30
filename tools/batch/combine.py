"""`spikecut combine`: a cutoff made of fitted ones."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spikecut.pipeline.errors import ConfigError
from spikecut.pipeline.protocols import CutoffDecider
from spikecut.pipeline.rules.combined import Both, Either, Hold
from spikecut.pipeline.rules.cutoff_file import FittedCutoff, load_cutoff
from spikecut.pipeline.rules.step_budget import Planned

if TYPE_CHECKING:
    from spikecut.tools.commands.fit.combine import Combine


def run_combine(options: "Combine") -> int:
    """The command: reads the parts, writes the cutoff made of them, prints its path.

    Raises:
        ConfigError: if the number of cutoffs does not fit, one of them needs a policy, or the file exists.
        ModelError: if a file is no cutoff, or they were fitted for different networks.
    """
    wanted = 1 if options.how == "hold" else 2
    if len(options.cutoffs) != wanted:
        raise ConfigError(f"{len(options.cutoffs)} cutoffs to combine by {options.how}; expected {wanted}")
    made = combined(options.how, [load_cutoff(path) for path in options.cutoffs], options.steps)
    made.save(options.out, overwrite=options.overwrite)
    print(options.out)
    return 0


def combined(how: str, parts: Sequence[FittedCutoff], steps: int = 2) -> FittedCutoff:
    """A cutoff made of one (`hold`, for `steps` steps) or of two (`both`, `either`) for the same network.

    It has no figures on recordings, and no promise.
    """
    first, names = parts[0], [part.cutoff.rule for part in parts]
    for part in parts:
        part.check(first.network, first.classes, first.step_us)
        if isinstance(part.cutoff, Planned):  # it needs a policy, which `find_cutoff` loads for whole cutoffs only
            raise ConfigError(f"{part.cutoff.rule!r} asks a policy; it cannot be a part of another cutoff")
    rule: CutoffDecider[Any]
    if how == "hold":
        rule = Hold(first.cutoff, steps)
        sentence = f"It stops when {names[0]} stops, with the same answer, for {steps} steps one after the other"
    elif how == "both":
        rule = Both(first.cutoff, parts[1].cutoff)
        sentence = f"It stops when both {names[0]} and {names[1]} stop"
    else:
        rule = Either(first.cutoff, parts[1].cutoff)
        sentence = f"It stops when {names[0]} or {names[1]} stops"
    return replace(
        first,
        cutoff=rule,
        tolerance=max(part.tolerance for part in parts),
        data="+".join(dict.fromkeys(part.data for part in parts)),
        promise=f"{sentence}: no promise of its own.",
        observed={},
        simulated=_all_of(part.simulated for part in parts),
    )


def _all_of(simulated: Iterable[bool | None]) -> bool | None:
    """Of parts: one that was fitted on simulated recordings decides, then one of which nobody knows."""
    known = set(simulated)
    return True if True in known else None if None in known else False
