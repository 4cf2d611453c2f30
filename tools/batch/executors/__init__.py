"""The table of executors: where the batches of a run are done. A new one is one module and one row in `EXECUTORS`."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem
from spikecut.pipeline.files.strict import did_you_mean
from spikecut.tools.batch.executors.base import Executor
from spikecut.tools.batch.executors.inline import Inline
from spikecut.tools.batch.executors.local import Local
from spikecut.tools.options import ExecutorOptions


@dataclass(frozen=True, slots=True)
class ExecutorKind:
    """How an executor is made of a number of processes, and the package that it needs (of the extra of its name)."""

    make: Callable[[int], Executor]
    needs: str = ""


EXECUTORS: dict[str, ExecutorKind] = {
    "inline": ExecutorKind(lambda jobs: Inline()),
    "local": ExecutorKind(Local),
}


def executor_of(options: ExecutorOptions) -> Executor:
    """The executor of a command's flags; see `executor_for`."""
    return executor_for(options.jobs or 1, options.executor)


def executor_for(jobs: int = 1, name: str | None = None) -> Executor:
    """The executor of that name; without one `inline` for one process and `local` for more.

    Raises:
        ConfigError: if there is none of that name, or more processes are wanted than it has.
        EnvironmentProblem: if the package that it needs is not installed.

    >>> executor_for(2)
    Local(jobs=2)
    """
    chosen = name or ("inline" if jobs == 1 else "local")
    if chosen not in EXECUTORS:
        raise ConfigError(f"no executor {chosen!r}", hint=did_you_mean(chosen, EXECUTORS))
    if chosen == "inline" and jobs > 1:
        raise ConfigError(f"{jobs} jobs in one process (inline)", hint="--executor local")
    kind = EXECUTORS[chosen]
    if kind.needs and find_spec(kind.needs) is None:
        raise EnvironmentProblem(
            f"--executor {chosen}: the package {kind.needs} is not installed", hint=f"pip install 'spikecut[{chosen}]'"
        )
    return kind.make(jobs)
