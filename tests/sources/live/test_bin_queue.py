"""Truths about the queue between source and loop: bounded, in order, and nothing goes uncounted."""

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikecut.pipeline.errors import ConfigError, CorruptRecording
from spikecut.pipeline.events import NOTHING_LOST, DropCause, DropCounts, Frame
from spikecut.sources.live.bin_queue import BinQueue, WhenFull, feeding, taken
from spikecut.sources.live.playing import Bin

from fakes import frames

POLICIES: tuple[WhenFull, ...] = ("block", "drop-oldest", "drop-newest", "latest")
DROPPING = POLICIES[1:]


def bins(n: int, lost: int = 0) -> list[Bin]:
    """Bin k holds k + 1 events; every third has lost some in reading."""
    made = []
    for k, one in enumerate(frames([0] * n)):
        losses = DropCounts.of(DropCause.late, lost) if k % 3 == 0 else NOTHING_LOST
        made.append(Bin(Frame(k, 0, k * 10, k * 10 + 10, one.pixels, k + 1, losses), None))
    return made


def places(got: list[Bin]) -> list[int]:
    return [one.frame.index for one in got]


def naive(when_full: WhenFull, size: int, actions: list[bool]) -> list[int]:
    """The bins that reach the loop: True puts the next one, False takes one; then all that wait are taken."""
    waiting, reached, number = list[int](), list[int](), 0
    for puts in actions:
        if not puts:
            reached += waiting[:1]
            waiting = waiting[1:]
            continue
        if len(waiting) < size:
            waiting.append(number)
        elif when_full == "drop-oldest":
            waiting = [*waiting[1:], number]
        elif when_full == "latest":
            waiting = [number]
        number += 1
    return reached + waiting


@given(st.sampled_from(DROPPING), st.integers(1, 4), st.lists(st.booleans(), max_size=60), st.integers(0, 20))
def test_what_is_read_is_used_or_counted_as_dropped(
    when_full: WhenFull, size: int, actions: list[bool], n_taken: int
) -> None:
    queue, stream, got = BinQueue(size, when_full), iter(bins(60, lost=2)), list[Bin]()
    for puts in actions:
        if puts:
            assert queue.put(next(stream))
        elif (one := queue.get(0.0)) is not None:
            got.append(one)
        assert len(queue._bins) <= size
    while n_taken and (one := queue.get(0.0)) is not None:
        got.append(one)
        n_taken -= 1
    wanted = naive(when_full, size, actions)
    assert places(got) == wanted[: len(got)]
    queue.close()
    lost = sum((one.frame.lost for one in got), NOTHING_LOST) + queue.left
    assert queue.read.n_events == sum(one.frame.n_events for one in got) + lost.total
    assert queue.read.n_bins == len(got) + queue.n_dropped + queue.n_unplayed
    assert queue.n_unplayed == len(wanted) - len(got)
    assert not queue.put(next(stream))


@given(st.sampled_from(DROPPING), st.integers(1, 3), st.lists(st.booleans(), max_size=40))
def test_every_gap_is_marked_where_it_is(when_full: WhenFull, size: int, actions: list[bool]) -> None:
    """The bin behind dropped ones says how many, and holds their events in `lost`."""
    queue, stream, before = BinQueue(size, when_full), iter(bins(40)), -1
    for puts in actions:
        if puts:
            queue.put(next(stream))
        elif (one := queue.get(0.0)) is not None:
            index = one.frame.index
            assert one.n_dropped == index - before - 1
            assert one.frame.lost.total == sum(range(before + 2, index + 1))
            before = index


def test_a_full_queue_makes_the_source_wait_and_loses_nothing() -> None:
    queue, wanted = BinQueue(2, "block"), bins(20)
    got = []
    with feeding(iter(wanted), queue):
        for one in taken(queue, lambda: None):
            time.sleep(0.001)
            assert len(queue._bins) <= 2
            got.append(one)
    assert got == wanted
    assert (queue.n_dropped, queue.n_unplayed) == (0, 0)


@pytest.mark.parametrize("when_full", POLICIES)
def test_an_error_of_the_source_comes_after_its_last_bin(when_full: WhenFull) -> None:
    """S05: the loop hears of it within a second, once."""

    def source() -> Iterator[Bin]:
        yield from bins(3)
        raise CorruptRecording("a.aedat", "torn", offset=7)

    queue, got = BinQueue(8, when_full), list[Bin]()
    started = time.monotonic()
    with pytest.raises(CorruptRecording, match="torn"), feeding(source(), queue):
        got.extend(taken(queue, lambda: None))
    assert queue.read.n_bins == 3
    assert places(got) == [0, 1, 2]
    assert time.monotonic() - started < 1.0


@pytest.mark.parametrize("when_full", POLICIES)
def test_a_loop_that_ends_early_frees_the_source(when_full: WhenFull) -> None:
    before = threading.active_count()
    queue = BinQueue(2, when_full)
    with feeding(iter(bins(10_000)), queue):
        one = next(taken(queue, lambda: None))
    assert threading.active_count() == before
    lost = one.frame.lost + queue.left
    assert queue.read.n_events == one.frame.n_events + lost.total


def test_the_loop_listens_while_nothing_comes() -> None:
    queue, listened = BinQueue(2), list[int]()

    def idle() -> None:
        listened.append(1)
        if len(listened) == 3:
            queue.end()

    assert list(taken(queue, idle)) == []
    assert len(listened) == 3
    assert queue.waited_s > 0


def test_a_queue_holds_at_least_one_bin() -> None:
    with pytest.raises(ConfigError, match="expected 1 or more"):
        BinQueue(0)
