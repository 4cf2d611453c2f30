"""The table of executors: where the batches of a run are done. A new one is one module and one row in `EXECUTORS`."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem
from spikecut.pipeline.files.strict import did_you_mean
from spikecut.tools.batch.executors.base import Executor
from spikecut.tools.batch.executors.inline import Inline
from spikecut.tools.batch.executors.local import Local
from spikecut.tools.batch.executors.ray import Ray
from spikecut.tools.options import ExecutorOptions


@dataclass(frozen=True, slots=True)
class ExecutorKind:
    """How an executor is made of a number of processes and the address of a cluster, None where none is given.

    `needs` is a package, which the extra of the executor's name installs.
    """

    make: Callable[[int | None, str | None], Executor]
    needs: str = ""
    clusters: bool = False  # whether it takes an address


EXECUTORS: dict[str, ExecutorKind] = {
    "inline": ExecutorKind(lambda jobs, _: Inline()),
    "local": ExecutorKind(lambda jobs, _: Local(jobs or 1)),
    "ray": ExecutorKind(Ray, needs="ray", clusters=True),
}


def executor_of(options: ExecutorOptions) -> Executor:
    """The executor of a command's flags: without a name `inline` for one job, `local` for more, `ray` for an address.

    Raises:
        ConfigError: if there is none of that name, or the other flags are not for it.
        EnvironmentProblem: if the package that it needs is not installed.

    >>> executor_of(ExecutorOptions(jobs=2))
    Local(jobs=2)
    """
    jobs, address = options.jobs, options.address
    name = options.executor or ("ray" if address else "inline" if jobs in (None, 1) else "local")
    if name not in EXECUTORS:
        raise ConfigError(f"--executor: no executor {name!r}", hint=did_you_mean(name, EXECUTORS))
    kind = EXECUTORS[name]
    if name == "inline" and jobs not in (None, 1):
        raise ConfigError(f"--executor inline: {jobs} jobs in one process", hint="--executor local")
    if address and not kind.clusters:
        raise ConfigError(f"--executor {name} takes no --address", hint="--executor ray")
    if kind.needs and find_spec(kind.needs) is None:
        raise EnvironmentProblem(
            f"--executor {name}: the package {kind.needs} is not installed", hint=f"pip install 'spikecut[{name}]'"
        )
    return kind.make(jobs, address)
