"""Ray: processes of one machine or of many. Plain tasks, each a batch, and a work that is begun once in every process.

Whoever reaches a Ray cluster and has its token can run any code there as you: use it in a trusted network only. So a
cluster that is started here asks for a token (a file that only you can read), and starts no dashboard.

On other machines spikecut must be installed in the same version, and the data and the run folder must be at the same
paths. Ray's own repetition of tasks is off: what becomes of a lost batch is decided in one place, `driving`.

After a driver that was killed its workers end within seconds, and all processes of Ray within 30.
"""

import os
import pickle
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import spikecut
from spikecut.pipeline.errors import ConfigError, EnvironmentProblem, SpikecutError, in_a_line
from spikecut.pipeline.files.limits import VARIABLE
from spikecut.tools.batch.executors.base import Batch, Do, Failed, Finished, Lost, Outcome, Work
from spikecut.tools.batch.executors.worker import begun, done, packed

# Set before Ray is imported, unless the user has: a token, no telemetry, no messages for Ray's own developers.
_SETTINGS = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
# On one machine: helpers report to a head that was killed, for so many seconds and not for 60, before they end.
_HERE = {"RAY_gcs_server_request_timeout_seconds": "15"}
_TOKEN_GIVEN = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_LEAST_VERSION = (2, 52)  # the first without CVE-2025-62593


@dataclass(frozen=True, slots=True)
class Ray:
    """So many processes, or one for each CPU, of the cluster at an address, or of one that is started here."""

    jobs: int | None = None
    address: str | None = None

    @contextmanager
    def workers(self, work: Work) -> Iterator["_Cluster"]:
        """The cluster; what was started here is ended after the context, as are the tasks of this run."""
        ray = _joined(self.jobs, self.address)
        cluster = _Cluster(ray, work, self.jobs)
        try:
            yield cluster
        finally:
            cluster.cancel()
            ray.shutdown()


@dataclass(frozen=True, slots=True)
class _Job:
    """What a task needs besides its batch: the work by its digest, and the surroundings of the driver."""

    digest: str
    version: str
    folder: str
    limits: str


class _Cluster:
    def __init__(self, ray: Any, work: Work, jobs: int | None) -> None:
        work_bytes = packed(work)
        self._ray, self._jobs = ray, jobs
        self._work = ray.put(work_bytes)
        limits = os.environ.get(VARIABLE, "")
        self._job = _Job(sha256(work_bytes).hexdigest(), spikecut.__version__, os.getcwd(), limits)
        self._task = ray.remote(num_cpus=1, max_retries=0)(_do)
        self._flying: dict[Any, Batch] = {}

    @property
    def n_wanted(self) -> int:
        return self._jobs or max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def submit(self, batch: Batch) -> None:
        self._flying[self._task.remote(self._job, [self._work], batch)] = batch  # in a list it is fetched when needed

    def next_outcome(self) -> Outcome:
        (reference, *_), _ = self._ray.wait(list(self._flying), num_returns=1)
        batch = self._flying.pop(reference)
        try:
            result: bytes | SpikecutError = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # `_do` raises nothing: it was not there
            raise EnvironmentProblem(
                f"a worker of the Ray cluster cannot begin: {in_a_line(error.cause)}",
                hint=f"spikecut {spikecut.__version__} must be installed on all of its machines",
            ) from error
        except self._ray.exceptions.RayError as error:
            return Lost(batch, f"{type(error).__name__}: {in_a_line(error)}", "ray")
        if isinstance(result, SpikecutError):
            raise result
        outcome: Finished | Failed = pickle.loads(result)
        return outcome

    def cancel(self) -> None:
        for reference in self._flying:
            with suppress(Exception):  # the cluster is gone
                self._ray.cancel(reference, force=True)


def _joined(jobs: int | None, address: str | None) -> Any:
    """Ray, after this process joined the cluster.

    Raises:
        ConfigError: if the address is none.
        EnvironmentProblem: if there is no cluster, it refuses this process, or Ray is too old.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if address is None:
        for name, value in _HERE.items():
            os.environ.setdefault(name, value)
        keep_token()
    else:
        _reach(address)
    import ray

    if tuple(int(part) for part in ray.__version__.split(".")[:2]) < _LEAST_VERSION:
        raise EnvironmentProblem(
            f"Ray {ray.__version__} has holes that were closed since", hint="pip install --upgrade 'spikecut[ray]'"
        )
    here = {"address": "local", "num_cpus": jobs, "include_dashboard": False}  # not a cluster that happens to run here
    start: dict[str, Any] = {"address": address} if address else here
    try:
        ray.init(**start, log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        token = "both sides need the same token, the file ~/.ray/auth_token" if address else None
        raise EnvironmentProblem(f"Ray at {address or 'this machine'}: {in_a_line(error)}", hint=token) from error
    return ray


def _reach(address: str) -> None:
    """Refuses an address where nothing listens: Ray would try for twenty minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and int(port) < 65_536):
        raise ConfigError(f"--address {address}: expected HOST:PORT", hint="`ray start --head` prints it")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise EnvironmentProblem(
            f"Ray at {address}: {in_a_line(error)}", hint="`ray start --head` starts a cluster and prints its address"
        ) from error


def keep_token() -> None:
    """Makes the token of clusters that are started here, for the eyes of its user only; Ray would let all read it."""
    if os.environ["RAY_AUTH_MODE"] != "token" or any(name in os.environ for name in _TOKEN_GIVEN):
        return
    path = Path.home() / ".ray" / "auth_token"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError), open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    path.chmod(0o600)


_begun: dict[str, Do] = {}  # of this process, by the digest of the work


def _do(job: _Job, work: list[Any], batch: Batch) -> bytes | SpikecutError:
    """The task: the outcome of a batch, pickled, or the error that ends the run."""
    if job.digest not in _begun:
        do, problem = _begin(job, work[0])
        if do is None:
            return problem or EnvironmentProblem("a worker cannot begin")
        _begun.clear()  # one network at a time
        _begun[job.digest] = do
    return done(_begun[job.digest], batch)


def _begin(job: _Job, work: Any) -> tuple[Do | None, SpikecutError | None]:
    import ray

    if job.version != spikecut.__version__:
        text = f"spikecut {spikecut.__version__} on {os.uname().nodename}, {job.version} at the driver"
        return None, EnvironmentProblem(text, hint="install the same version on all machines")
    os.environ |= {"NUMBA_NUM_THREADS": "1", VARIABLE: job.limits}
    with suppress(OSError):  # it is not there; paths may be whole
        os.chdir(job.folder)
    return begun(ray.get(work))
