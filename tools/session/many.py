"""Several streams at once, which share a network: each in a thread of its own, one step at a time.

A stream is read, decided and shown as if it were alone; a lock around the network is all that they have in common.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Float32, Int64, Num
from numpy import ndarray

from spikecut.pipeline.errors import ConfigError, SpikecutError
from spikecut.pipeline.protocols import SteppedModel
from spikecut.sources.live.controls import KEYS
from spikecut.sources.live.inputs import live_input, word_of
from spikecut.sources.live.pacing import Clock
from spikecut.tools.session.live_stream import is_live
from spikecut.tools.session.output import Output
from spikecut.tools.session.playing import Playing
from spikecut.tools.session.signals import End, between_items
from spikecut.tools.session.terminal_keys import terminal_keys

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.run import Run
    from spikecut.tools.session.opening import OpenNetwork

Opened = Callable[["Run", "OpenNetwork", Clock, Output, End], AbstractContextManager[Playing]]
_LOOK_S = 0.05  # how often signals are looked after


@dataclass(slots=True)
class OneAtATime:
    """A network that several threads step, each with states of its own; what it counts, it counts for each thread."""

    network: SteppedModel[Any]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def n_outputs(self) -> int:
        return self.network.n_outputs

    @property
    def operations(self) -> Int64[ndarray, " B"] | None:
        return getattr(self.network, "operations", None)

    @property
    def spikes(self) -> Int64[ndarray, "B layers"] | None:
        return getattr(self.network, "spikes", None)

    @property
    def cells(self) -> tuple[int, ...] | None:
        return getattr(self.network, "cells", None)

    @property
    def counts_spikes(self) -> bool:
        return getattr(self.network, "counts_spikes", False)

    @counts_spikes.setter
    def counts_spikes(self, wanted: bool) -> None:
        network: Any = self.network
        if hasattr(network, "counts_spikes"):
            network.counts_spikes = wanted

    def step(self, frames: Num[ndarray, "B C H W"], state: Any) -> tuple[Float32[ndarray, "B K"], Any]:
        with self._lock:
            return self.network.step(frames, state)

    def select(self, state: Any, lanes: Int64[ndarray, " L"]) -> Any:
        with self._lock:
            return self.network.select(state, lanes)

    def copy(self, state: Any) -> Any:
        with self._lock:
            return self.network.copy(state)


@dataclass(slots=True)
class _Stream:
    """One stream; it is opened where it `is_live` in its own thread, as it may have to be waited for."""

    name: str
    is_live: bool
    open: Callable[[], AbstractContextManager[Playing]]
    playing: Playing | None = None

    def run(self, end: End) -> int:
        """Plays it to its end; returns its exit code."""
        if self.playing is not None:
            return self.playing.run()
        with ExitStack() as stack:
            try:
                self.playing = stack.enter_context(self.open())
            except SpikecutError:
                if end.quit:  # while it was waited for
                    return 0
                raise
            return 0 if end.quit else self.playing.run()


@dataclass(frozen=True, slots=True)
class _AllControls:
    """The keys of the terminal steer all streams; `q` also ends the waiting for those that have not begun."""

    streams: Sequence[_Stream]
    end: End

    @property
    def keys(self) -> dict[str, str]:
        playing = (one.playing for one in self.streams if one.playing is not None)
        return {key: what for one in playing for key, what in one.controls.keys.items()} or {"q": KEYS["q"]}

    def press(self, key: str) -> bool:
        known = [one.playing.controls.press(key) for one in self.streams if one.playing is not None]
        if key.lower() == "q":
            self.end.quit = True
        return any(known) or self.end.quit


def play_many(options: "Run", network: "OpenNetwork", clock: Clock, opened: Opened) -> int:
    """Plays all files of the options, of which `opened` opens one; returns the exit code: 3 if a stream failed.

    Raises:
        SpikecutError: if a stream cannot be opened, or every stream failed: the error of the first one.
        KeyboardInterrupt, BrokenPipeError: as they came, after each stream has printed its score so far.
    """
    files, end = (options.file, *options.more), End()
    shared = replace(network, stepper=OneAtATime(network.stepper))
    names = names_of(files)
    runs = [_of_one(options, file, part) for file, part in zip(files, parts_of(names), strict=True)]
    for one in runs:
        one.refuse_early()
    streams = [
        _Stream(name, is_live(one), partial(opened, one, shared, clock, Output(name), end))
        for one, name in zip(runs, names, strict=True)
    ]
    with ExitStack() as stack:
        for stream in streams:
            stream.playing = None if stream.is_live else stack.enter_context(stream.open())
        return _code(_played(streams, end))


def _played(streams: Sequence[_Stream], end: End) -> list[int | BaseException]:
    """Plays each in its thread, to the end of all; their exit codes, or what they raised, which is said at once."""
    results: list[int | BaseException] = [0] * len(streams)

    def play(at: int) -> None:
        try:
            results[at] = streams[at].run(end)
        except BaseException as error:  # whatever it is, the others go on, and this one is looked at later
            results[at] = error
            if isinstance(error, SpikecutError):
                hint = [f"hint: {error.hint}"] if error.hint else []
                Output(streams[at].name).note(f"error: {error}", *hint)
            if isinstance(error, BrokenPipeError):
                end.reason = error

    threads = [threading.Thread(target=play, args=(at,), name=one.name, daemon=True) for at, one in enumerate(streams)]
    with between_items() as act, terminal_keys(_AllControls(streams, end)):
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(_LOOK_S)
                    act()
        except BaseException as reason:
            end.reason = reason
            for at, thread in enumerate(threads):
                thread.join()
                Output(streams[at].name).note(*getattr(results[at], "__notes__", ()))
            raise
    return results


def names_of(files: Sequence[Path]) -> list[str]:
    """A name for each stream: that of its file, its whole path where two files have one name, and a number, too, where
    one file is given twice. A live source has its word.

    >>> names_of([Path("a/x.es"), Path("y.es"), Path("b/x.es"), Path("y.es"), Path("udp://127.0.0.1:3333")])
    ['a/x.es', 'y.es', 'b/x.es', 'y.es #2', 'udp://127.0.0.1:3333']
    """
    alike = Counter(path.name for path in set(files))
    names, given = [], Counter[Path]()
    for path in files:
        given[path] += 1
        is_file = live_input(path, follow=False) is None
        name = word_of(path) if not is_file else path.name if alike[path.name] == 1 else str(path)
        names.append(name if given[path] == 1 else f"{name} #{given[path]}")
    return names


def parts_of(names: Sequence[str]) -> list[str]:
    """What the outputs of each stream have in their names; a number makes those different that would be alike.

    >>> parts_of(["x.aedat", "x.es", "a/y.es", "y.es #2", "...", "udp://127.0.0.1:3333", "-"])
    ['x', 'x-2', 'a-y', 'y-2', 'stream', 'udp---127-0-0-1-3333', 'stream-2']
    """
    parts, taken = list[str](), set[str]()
    for name in names:
        path, number, again = name.partition(" #")
        is_file = live_input(Path(path), follow=False) is None
        stem = (str(Path(path).with_suffix("")) if is_file else path) + number + again
        part = "".join(one if one.isalnum() or one in "_" else "-" for one in stem.replace(" #", "-")).strip("-")
        part = one = part or "stream"
        count = 1
        while part in taken:
            count += 1
            part = f"{one}-{count}"
        taken.add(part)
        parts.append(part)
    return parts


def _of_one(options: "Run", file: Path, part: str) -> "Run":
    """The options of one stream: its outputs have `part` in their names.

    Raises:
        ConfigError: if a view is requested that only one stream can have.
    """
    if options.window == "on":
        raise ConfigError(
            "--window on with several streams: there is one window", hint="--save writes one video a stream"
        )
    if options.web or options.listen is not None:
        raise ConfigError("--web with several streams: a page shows one", hint=f"spikecut run {file} --web")

    def beside(path: Path | None) -> Path | None:
        return None if path is None else path.with_name(f"{path.stem}.{part}{path.suffix}")

    views = []
    for word in options.view:
        view, has_file, target = word.partition("=")
        if not has_file:
            raise ConfigError(
                f"--view {word} with several streams: it shows one", hint=f"spikecut run {file} --view {word}"
            )
        views.append(f"{view}={beside(Path(target))}")
    save, record = beside(options.save), beside(options.record)
    return replace(options, file=file, more=(), window="off", save=save, record=record, view=tuple(views))


def _code(results: Sequence[int | BaseException]) -> int:
    """The exit code of all streams.

    Raises:
        BaseException: the first error, if it is no SpikecutError, or all streams failed.
    """
    errors = [one for one in results if isinstance(one, BaseException)]
    for error in errors:
        if not isinstance(error, SpikecutError) or len(errors) == len(results):
            raise error
    return 3 if errors else max(one for one in results if isinstance(one, int))
