"""Truths about Ray as an executor: the same results as locally, whatever it loses; a token guards it."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem
from spikecut.tools.batch.driving import Done, Quarantined, drive
from spikecut.tools.batch.executors.local import Local
from spikecut.tools.batch.executors.ray import Ray, keep_token

import tiny_works
from tiny_works import Unready, batch_of, batches, is_running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (pip install 'spikecut[ray]')"),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
PLAIN = [f"item-{n:02}" for n in range(20)]


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home without a token: Ray reads it once a process. What the executor sets in the environment is undone."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("RAY_")]:
            patch.delenv(name)
        patch.setenv("HOME", str(folder))
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # as installed packages are there for Ray's processes
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield folder


def test_ray_does_what_the_local_pool_does_and_its_token_is_for_its_user_only(tmp_path: Path, home: Path) -> None:
    items = sorted([*PLAIN, "accident-1", "poison-1", "raises-1"])
    ended = {}
    for name, executor in (("ray", Ray(2)), ("local", Local(2))):
        folder = tmp_path / name
        folder.mkdir()
        ended[name] = list(drive(tiny_works.Work(folder), batches(items), executor, rebatch=batch_of))
        assert Counter(item for path in folder.glob("*.part") for item in path.read_text().split()) == Counter(
            sorted([*PLAIN, "accident-1"])
        )
    ours, theirs = ({path.name for path in (tmp_path / name).glob("*.part")} for name in ended)
    assert ours == theirs
    for all_of in ended.values():
        quarantined = {(one.item, one.error_class, one.attempts) for one in all_of if isinstance(one, Quarantined)}
        assert quarantined == {("poison-1", "WorkerLost", 3), ("raises-1", "ZeroDivisionError", 1)}
    assert stat.S_IMODE((home / ".ray" / "auth_token").stat().st_mode) == 0o600


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A machine of a cluster: `ray start` with one CPU. It is over at the end, or by `os.killpg`."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", *words]
    node = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield node
    finally:
        with suppress(ProcessLookupError):
            os.killpg(node.pid, signal.SIGKILL)
        node.wait()


@pytest.fixture
def head() -> Iterator[str]:
    """The address of the first machine of a cluster, which has a token."""
    keep_token()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with started("--head", f"--port={port}", "--include-dashboard=false") as node:
        while True:
            assert node.poll() is None
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"


def machines(folder: Path) -> int:
    """The number of machines whose processes work: each has one parent."""
    pids = {pid for path in folder.glob("*.tries") for pid in path.read_text().split()}
    stats = [Path(f"/proc/{pid}/stat") for pid in pids]
    return len({path.read_text().rpartition(")")[2].split()[1] for path in stats if path.exists()})


def test_a_cluster_of_two_machines_loses_one_and_no_item(tmp_path: Path, head: str) -> None:
    items = [f"slow-{n:02}" for n in range(80)]
    with started(f"--address={head}") as second:
        running = drive(tiny_works.Work(tmp_path), batches(items, 1), Ray(address=head), rebatch=batch_of)
        ended = [next(running)]
        while machines(tmp_path) < 2:
            ended.append(next(running))
        os.killpg(second.pid, signal.SIGKILL)
        ended += running
    assert Counter(item for one in ended if isinstance(one, Done) for item in one.batch.items) == Counter(items)


def test_a_driver_with_another_token_is_refused(head: str) -> None:
    command = f"from spikecut.tools.batch.executors.ray import Ray\nwith Ray(address={head!r}).workers(None): pass"
    driver = subprocess.run(
        [sys.executable, "-c", command],
        env={**os.environ, "RAY_AUTH_TOKEN": "b" * 64},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "EnvironmentProblem: Ray at 127.0.0.1" in driver.stderr


@pytest.mark.parametrize(
    ("address", "kind", "message"),
    [
        ("127.0.0.1:9", EnvironmentProblem, "Ray at 127.0.0.1:9: .* refused"),
        ("auto", ConfigError, "expected HOST:PORT"),
        ("localhost:70000", ConfigError, "expected HOST:PORT"),
    ],
)
def test_an_address_without_a_cluster_is_refused_at_once(address: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        list(drive(Unready("refuses"), batches(PLAIN), Ray(address=address), rebatch=batch_of))


def test_a_work_that_cannot_begin_ends_the_run_with_its_error() -> None:
    with pytest.raises(ConfigError, match="no such network"):
        list(drive(Unready("refuses"), batches(PLAIN), Ray(1), rebatch=batch_of))


def test_no_process_of_ray_outlives_a_driver_that_was_killed(tmp_path: Path) -> None:
    """What works, the scheduler, the head and the helpers that report to it are gone after 30 s."""
    command = [sys.executable, "-c", "import tiny_works; tiny_works.main('ray')", str(tmp_path), "sleeps-1", "sleeps-2"]
    driver = subprocess.Popen(command, env={**os.environ, "MARK": str(tmp_path)}, start_new_session=True)
    tries = [tmp_path / f"{name}.tries" for name in ("sleeps-1", "sleeps-2")]
    while not all(path.exists() and path.read_text().endswith(" ") for path in tries):
        assert driver.poll() is None
        time.sleep(0.1)
    ours = {pid for pid in processes() if str(tmp_path) in environment_of(pid)}
    assert len(ours) > 5
    driver.kill()
    driver.wait()
    end = time.monotonic() + 30
    while any(is_running(pid) for pid in ours):
        assert time.monotonic() < end
        time.sleep(0.1)


def processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def environment_of(pid: int) -> str:
    """The environment that a process was started with; its MARK tells whose it is."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_text(errors="replace")
    return ""
