"""Truths about driving a work over batches: whatever fails, every item is done once or quarantined."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError, EnvironmentProblem, SpikecutWarning
from spikecut.tools.batch.driving import Done, Quarantined, drive
from spikecut.tools.batch.executors import EXECUTORS, executor_of
from spikecut.tools.batch.executors.base import Batch, Executor, Failed, Finished, Lost, Outcome, Work
from spikecut.tools.batch.executors.inline import Inline
from spikecut.tools.batch.executors.local import Local
from spikecut.tools.flags import flags_of
from spikecut.tools.options import ExecutorOptions

import tiny_works
from tiny_works import Unready, batch_of, batches, is_running

BOTH = pytest.mark.parametrize("executor", [Inline(), Local(2)], ids=["inline", "local"])
PLAIN = [f"item-{n:02}" for n in range(11)]
Ended = list[Done | Quarantined]


def driven(folder: Path, items: list[str], executor: Executor, size: int = 4) -> Ended:
    return list(drive(tiny_works.Work(folder), batches(items, size), executor, rebatch=batch_of))


def done(ended: Ended) -> list[str]:
    return sorted(item for one in ended if isinstance(one, Done) for item in one.batch.items)


def quarantined(ended: Ended) -> dict[str, Quarantined]:
    return {one.item: one for one in ended if isinstance(one, Quarantined)}


def parts(folder: Path) -> list[str]:
    return sorted(item for part in folder.glob("*.part") for item in part.read_text().split())


def n_tries(folder: Path, item: str) -> int:
    return len((folder / f"{item}.tries").read_bytes().split())


@BOTH
def test_every_batch_is_done_once(tmp_path: Path, executor: Executor) -> None:
    ended = driven(tmp_path, PLAIN, executor)
    assert done(ended) == parts(tmp_path) == PLAIN
    assert sorted(one.value for one in ended if isinstance(one, Done)) == [3, 4, 4]
    assert {n_tries(tmp_path, item) for item in PLAIN} == {1}


@BOTH
def test_an_item_that_raises_is_quarantined_at_once_and_the_rest_is_done(tmp_path: Path, executor: Executor) -> None:
    ended = driven(tmp_path, [*PLAIN, "raises-1"], executor)
    assert done(ended) == parts(tmp_path) == PLAIN
    (one,) = quarantined(ended).values()
    assert (one.item, one.error_class, one.attempts) == ("raises-1", "ZeroDivisionError", 1)
    assert one.message.startswith("raises-1 by zero (tiny_works.py, line ")


def test_a_poison_item_is_quarantined_after_three_workers_and_the_rest_is_done(tmp_path: Path) -> None:
    ended = driven(tmp_path, ["poison-1", *PLAIN], Local(2))
    assert done(ended) == parts(tmp_path) == PLAIN
    (one,) = quarantined(ended).values()
    assert (one.item, one.error_class, one.attempts) == ("poison-1", "WorkerLost", 3)
    assert "SIGKILL" in one.message
    assert n_tries(tmp_path, "poison-1") == 2 + 1 + 3  # in a batch of four, twice; of two; alone
    assert one.worker.endswith((tmp_path / "poison-1.tries").read_text().split()[-1])


def test_a_batch_whose_worker_was_killed_once_is_done_as_it_was(tmp_path: Path) -> None:
    items = sorted([*PLAIN, "accident-1"])
    ended = driven(tmp_path, items, Local(2))
    assert n_tries(tmp_path, "accident-1") == 2
    assert Counter(one.batch for one in ended if isinstance(one, Done)) == Counter(batches(items))
    assert parts(tmp_path) == items


def test_an_error_that_passes_costs_nothing(tmp_path: Path) -> None:
    ended = driven(tmp_path, [*PLAIN, "hiccup-1"], Inline())
    assert done(ended) == parts(tmp_path) == sorted([*PLAIN, "hiccup-1"])
    assert len(ended) == 3  # the batch was not divided


@BOTH
def test_a_full_disk_ends_the_run_instead_of_quarantining_everything(tmp_path: Path, executor: Executor) -> None:
    with pytest.raises(EnvironmentProblem, match=r"full-1: no space left on device"):
        driven(tmp_path, [*PLAIN, "full-1"], executor)


@BOTH
def test_a_work_that_cannot_begin_ends_the_run_with_its_error(executor: Executor) -> None:
    with pytest.raises(ConfigError, match="no such network"):
        list(drive(Unready("refuses"), batches(PLAIN), executor, rebatch=batch_of))


@pytest.mark.parametrize(
    ("how", "message"), [("ends", "ended with code 7"), ("raises", "ZeroDivisionError: one by none")]
)
def test_workers_that_do_not_come_up_end_the_run(how: str, message: str) -> None:
    with pytest.raises(EnvironmentProblem, match=message):
        list(drive(Unready(how), batches(PLAIN), Local(2), rebatch=batch_of))


@BOTH
def test_batches_are_taken_as_workers_become_free(tmp_path: Path, executor: Executor) -> None:
    taken: list[Batch] = []

    def source() -> Iterator[Batch]:
        for batch in batches(PLAIN, 1):
            taken.append(batch)
            yield batch

    running = drive(tiny_works.Work(tmp_path), source(), executor, rebatch=batch_of)
    for n_ended, _ in enumerate(running, 1):
        assert len(taken) <= n_ended + 2


def test_warnings_of_workers_reach_the_driver_and_their_prints_stay_out_of_its_results(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.warns(SpikecutWarning, match="loud-1 is assumed"):
        driven(tmp_path, ["loud-1"], Local(2))
    out, err = capfd.readouterr()
    assert (out, err) == ("", "a word on stdout\n")


@pytest.mark.parametrize("blow", ["SIGKILL to the driver", "SIGINT to the terminal"])
def test_no_worker_outlives_its_driver(tmp_path: Path, blow: str) -> None:
    """One worker sleeps in Python, the other in native code that lets no thread of Python run."""
    command = [sys.executable, "-c", "import tiny_works; tiny_works.main()", str(tmp_path), "sleeps-1", "deaf-1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    driver = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True)
    tries = [tmp_path / f"{name}.tries" for name in ("sleeps-1", "deaf-1")]
    while not all(path.exists() and path.read_text().endswith(" ") for path in tries):
        assert driver.poll() is None
        time.sleep(0.01)
    workers = [int(path.read_text()) for path in tries]
    assert all(map(is_running, workers))
    if blow.startswith("SIGKILL"):
        driver.kill()
    else:
        os.killpg(driver.pid, signal.SIGINT)
    _, errors = driver.communicate(timeout=30)
    assert errors.count("Traceback") == (0 if blow.startswith("SIGKILL") else 1)  # the driver's KeyboardInterrupt
    end = time.monotonic() + 30
    while any(map(is_running, workers)):
        assert time.monotonic() < end
        time.sleep(0.01)


class Fragile:
    """An executor without processes, in which batches end as the fates of their items, or the next accident, say."""

    n_wanted = 3

    def __init__(self, fates: dict[str, str], accidents: list[bool]) -> None:
        self._fates, self._accidents = fates, accidents
        self._flying: deque[Batch] = deque()

    @contextmanager
    def workers(self, work: Work) -> Iterator["Fragile"]:
        yield self

    def submit(self, batch: Batch) -> None:
        self._flying.append(batch)

    def next_outcome(self) -> Outcome:
        self._flying.rotate(len(self._flying) // 2)
        batch = self._flying.popleft()
        fates = {self._fates[item] for item in batch.items}
        if "poison" in fates or (self._accidents and self._accidents.pop()):
            return Lost(batch, "gone", "w")
        if "raises" in fates:
            return Failed(batch, "ValueError", "no", "w")
        return Finished(batch, None, "w")


@given(
    st.lists(st.sampled_from(["fine", "fine", "fine", "poison", "raises"]), max_size=20),
    st.lists(st.booleans(), max_size=2),
    st.integers(1, 6),
)
def test_every_item_ends_once_and_only_guilty_ones_in_quarantine(
    kinds: list[str], accidents: list[bool], size: int
) -> None:
    fates = {f"{n:02}": kind for n, kind in enumerate(kinds)}
    executor = Fragile(fates, accidents)
    ended = list(drive(Unready(""), batches(list(fates), size), executor, rebatch=batch_of))
    assert Counter([*done(ended), *quarantined(ended)]) == Counter(dict.fromkeys(fates, 1))
    assert set(quarantined(ended)) == {item for item, fate in fates.items() if fate != "fine"}
    for item, one in quarantined(ended).items():
        assert one.error_class == ("WorkerLost" if fates[item] == "poison" else "ValueError")
        assert fates[item] == "raises" or one.attempts == 3


def test_executors_are_chosen_by_the_number_of_jobs_by_name_or_by_an_address() -> None:
    assert executor_of(ExecutorOptions()) == executor_of(ExecutorOptions(jobs=1)) == Inline()
    assert executor_of(ExecutorOptions(jobs=3)) == Local(3)
    assert executor_of(ExecutorOptions(executor="local")) == Local(1)
    assert [flag.shown for flag in flags_of(ExecutorOptions)] == ["--jobs", "--executor", "--address"]


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (ExecutorOptions(jobs=2, executor="inline"), "2 jobs in one process", "--executor local"),
        (ExecutorOptions(executor="locla"), "no executor 'locla'", "did you mean 'local'"),
        (ExecutorOptions(executor="local", address="auto"), "local takes no --address", "--executor ray"),
    ],
)
def test_an_executor_that_cannot_be_is_refused(options: ExecutorOptions, message: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        executor_of(options)
    assert hint in str(error.value.hint)


def test_an_executor_whose_package_is_missing_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXECUTORS, "ray", dataclasses.replace(EXECUTORS["ray"], needs="no_such_package"))
    with pytest.raises(EnvironmentProblem, match="no_such_package is not installed") as error:
        executor_of(ExecutorOptions(address="auto"))
    assert error.value.hint == "pip install 'spikecut[ray]'"
