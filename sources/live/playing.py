"""Playing a recording bin by bin: at a pace, again and again, from another place, one bin at a time.

What is played depends on where one seeks and never on the pace: a faster or slower clock hands on the same bins.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf

from spikecut.pipeline.events import Frame
from spikecut.sources.live.arriving import Arrivals
from spikecut.sources.live.controls import Controls
from spikecut.sources.live.pacing import Clock, Schedule

_SLICE_S = 0.02  # the longest sleep: keys act within this time


@dataclass(frozen=True, slots=True, eq=False)
class Bin:
    """A frame on its way to the loop.

    `due_s` is when its end is due on the wall clock, None where nothing is waited for. `playing` counts from 0 and is
    one more after every jump and every new round of the recording. `n_dropped` bins before it did not reach the loop.
    """

    frame: Frame
    due_s: float | None
    playing: int = 0
    n_dropped: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class KeptFrame(Frame):
    """A frame as it was given to a loop before: `playing` and `n_dropped` are those of its `Bin` then."""

    playing: int = 0
    n_dropped: int = 0


@dataclass(slots=True)
class Player:
    """Hands on the bins that `read(position)` gives, each when it is due; `read` begins µs after the first event.

    A new round or a jump begins a new segment, at which a network starts from rest. `position_us` is the place in the
    recording, `skipped_us` the length of the `n_gaps` gaps that took no time. `idle` is called while the player waits.
    With `arrivals`, and no speed, bins of a live stream are handed on as they come. A bin is not due before
    `empty_until_s`: until then the source had nothing to give.
    """

    read: Callable[[int], Iterable[Frame]]
    clock: Clock
    controls: Controls
    loops: bool = False
    idle: Callable[[], None] = lambda: None
    arrivals: Arrivals | None = None
    empty_until_s: Callable[[], float] = lambda: -inf
    position_us: int = 0
    skipped_us: int = 0
    n_gaps: int = 0
    n_jumps: int = 0
    n_rounds: int = 0

    def __iter__(self) -> Iterator[Bin]:
        start_us: int | None = 0
        playing = segment = index = 0
        while start_us is not None:
            n_bins = 0
            frames = iter(self.read(start_us))
            first_segment, first_index, first_playing = segment, index, playing
            for one in self._played(frames, start_us, first_playing):
                n_bins += 1
                playing = one.playing
                if first_playing:
                    frame = one.frame
                    moved = frame.segment + first_segment, frame.index + first_index
                    one = replace(one, frame=replace(frame, segment=moved[0], index=moved[1]))
                segment, index = one.frame.segment + 1, one.frame.index + 1
                yield one
            playing += 1
            start_us = self._next_start_us(n_bins)

    def _next_start_us(self, n_bins: int) -> int | None:
        """Where playing goes on after a jump or at the end of the recording; None if it is over."""
        if self.controls.stopped:
            return None
        if self.controls.wants_jump:
            self.n_jumps += 1
            return max(0, self.position_us + self.controls.take_jump_us())
        self.n_rounds += 1
        return 0 if self.loops and (n_bins or self.position_us) else None

    def _played(self, frames: Iterator[Frame], start_us: int, playing: int) -> Iterator[Bin]:
        """The bins up to the next jump; times are those of the recording."""
        schedule: Schedule | None = None
        before: Frame | None = None
        self.position_us = start_us
        for frame in frames:
            if before is not None and (frame.segment, frame.start_us) != (before.segment, before.end_us):
                schedule = None if schedule is None else schedule.skipped(before.end_us, frame.start_us)
                gap_us = gap_between_us(before, frame)
                self.skipped_us, self.n_gaps = self.skipped_us + gap_us, self.n_gaps + (gap_us > 0)
                self.position_us += gap_us
            before = frame
            schedule = self._waited(frame, schedule)
            if self.controls.stopped or self.controls.wants_jump:
                return
            yield _bin_of(frame, self._due_s(frame, schedule), playing)
            self.position_us += frame.end_us - frame.start_us

    def _due_s(self, frame: Frame, schedule: Schedule | None) -> float | None:
        if schedule is not None:
            return max(self.empty_until_s(), schedule.due_s(frame.end_us))
        if self.arrivals is not None:
            return max(self.empty_until_s(), self.arrivals.due_s(frame, self.clock.now_s()))
        return None

    def _waited(self, frame: Frame, schedule: Schedule | None) -> Schedule | None:
        """Returns when the end of a bin is due, or when a key ends the waiting, with the schedule from then on."""
        clock, controls = self.clock, self.controls
        while not controls.stopped and not controls.wants_jump:
            if controls.paused:
                if controls.take_step():
                    return _from_now(clock, controls, frame.end_us)
                schedule = None
                self._wait(_SLICE_S)
                continue
            if controls.speed is None:
                return None
            if schedule is None:
                schedule = _from_now(clock, controls, frame.start_us)
            elif controls.speed != schedule.speed:
                schedule = schedule.at_speed(controls.speed, frame.start_us)
            early_s = 0.0 if schedule is None else schedule.due_s(frame.end_us) - clock.now_s()
            if early_s <= 0:
                return schedule
            self._wait(min(early_s, _SLICE_S))
        return schedule

    def _wait(self, seconds: float) -> None:
        self.clock.sleep_s(seconds)
        self.idle()


def gap_between_us(before: Frame, after: Frame) -> int:
    """How long nothing happened between two frames; between kept frames of two rounds, or around a jump, no time."""
    if isinstance(before, KeptFrame) and isinstance(after, KeptFrame) and before.playing != after.playing:
        return 0
    return max(0, after.start_us - before.end_us)


def _bin_of(frame: Frame, due_s: float | None, playing: int) -> Bin:
    """A frame as a bin of this playing; a kept one is in as many more as there were before it then."""
    if isinstance(frame, KeptFrame):
        return Bin(frame, due_s, playing + frame.playing, frame.n_dropped)
    return Bin(frame, due_s, playing)


def _from_now(clock: Clock, controls: Controls, time_us: int) -> Schedule | None:
    """The schedule on which a moment is due now."""
    return None if controls.speed is None else Schedule(clock.now_s(), time_us, controls.speed)
