"""One stream on its way from its source over the loop to reports and views, until it ends or someone ends it.

At a pace two threads work: one reads and puts bins into the queue when they are due, the other takes them, steps the
network, prints and draws. Without a pace there is one, and each bin is read when the loop wants it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from spikecut.pipeline.errors import EmptyRecording
from spikecut.pipeline.events import Frame
from spikecut.pipeline.results import Item, Step
from spikecut.sources.datasets.labelled_events import LabelledEvents, empty_sentence
from spikecut.sources.live.arriving import Arrivals
from spikecut.sources.live.bin_file import BinWriter, is_bin_file
from spikecut.sources.live.bin_queue import BinQueue, feeding, taken
from spikecut.sources.live.inputs.waiting import Waiting
from spikecut.sources.live.pacing import Clock, Lag
from spikecut.sources.live.playing import Bin, Player
from spikecut.tools.reading_options import read_options
from spikecut.tools.session.drifting import DriftWatch
from spikecut.tools.session.observing import Stopwatch, Tally, observed, until_answered, without_short_end
from spikecut.tools.session.opening import OpenStream, open_views
from spikecut.tools.session.output import Output
from spikecut.tools.session.recorded import origin_of
from spikecut.tools.session.signals import between_items
from spikecut.tools.session.summarising import Report, gaps_text, totals_text
from spikecut.tools.session.terminal_keys import terminal_keys
from spikecut.tools.session.timing import Account, Timing
from spikecut.tools.session.watchdog import Lane, watching
from spikecut.tools.views.base import Closed, Judging, Listening, View, ViewOptions

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.run import Run

_ALONE = Output()


class Playing:
    """A stream before a network: `run` plays it once.

    Of several streams each has an `output` with its name, and `interrupted`, which raises once all have to end; alone
    it listens to signals and to the keys of the terminal itself.
    """

    def __init__(
        self,
        stream: OpenStream,
        options: "Run",
        shown: ViewOptions,
        clock: Clock,
        output: Output = _ALONE,
        interrupted: Callable[[], None] | None = None,
    ) -> None:
        self.stream, self.options, self.clock = stream, options, clock
        self.controls = shown.controls
        self.shown = replace(shown, status=self.status)
        self.tally, self.lag, self.stopwatch = Tally(), Lag(), Stopwatch()
        self.loop, self.source = Lane(), Lane()
        is_whole = read_options(options).is_whole and not is_bin_file(stream.path)  # what was kept may be a part
        self.labelled = LabelledEvents((stream.spans or ()) if is_whole else ())
        self.queue = BinQueue(options.queue, options.when_full)
        self.player = Player(self._read, clock, self.controls, options.loop)
        if stream.waiting is not None:
            self._wait_with(stream.waiting)
        self.drift = DriftWatch.of(
            stream.network.fitted, simulated=stream.simulated, learned=stream.network.card.learned_from_simulation
        )
        self.output = output
        self.report = Report(stream, self.tally, output, as_json=options.json)
        self.recorder: BinWriter | None = None
        self._interrupted = interrupted
        self._act_on_signals: Callable[[], None] = lambda: None
        self._views_s = 0.0
        self._begun: int | None = None  # what of the player the views have begun to show

    def run(self) -> int:
        """Plays to the end, or until the viewer ends it; returns the exit code.

        Raises:
            EmptyRecording: if there is not a single event.
            KeyboardInterrupt, BrokenPipeError: as they came, after the score so far was printed.
        """
        started = time.perf_counter()
        with ExitStack() as stack:
            views = open_views(self.stream.network, self.shown, stack)
            if self.options.record is not None:
                writer = BinWriter(self.options.record, origin_of(self.stream), overwrite=self.options.overwrite)
                self.recorder = stack.enter_context(writer)
            if note := self.drift.at_first(self.stream.network.card.name):
                self.output.note(note)
            ending = self._watched(views)
            self._finish_record()
            if ending is None and not self.tally.n_events and not self.tally.lost:
                raise EmptyRecording(self.stream.path, f"no events in this {self.stream.format} recording")
            account, timing = Account.of(self.tally, self.queue), self._timing(started)
            self.report.drift = self.drift.as_object()
            summary = self.report.finish(account, timing, ending, complete=not self.options.once)
            is_cut = ending is not None and not isinstance(ending, Closed)
            for view in () if is_cut else views:
                view.finish(summary)
            timing = replace(timing, all_s=time.perf_counter() - started)
            items_s = self.stopwatch.seconds if views else None
            self.output.note(*totals_text(self.stream, summary, account, timing, items_s), *gaps_text(self.player))
            if views and self.controls.is_paced and summary.n_bins:
                self.output.note(f"views took {self._views_s / summary.n_bins * 1000:.2f} ms of each bin")
            self.output.note(*(() if self.stream.live is None else self.stream.live.notes()))
            if ending is not None and is_cut:
                raise ending  # views leave what they have, and say where
        files = (self.shown.save, *self.shown.named.values())
        self.output.note(*(f"-> {file}" for file in files if file is not None))
        is_whole = ending is None and not self.options.once and not self.player.n_jumps
        empty = self.labelled.empty if is_whole else []
        self.output.note(*(f"{self.stream.path}: {empty_sentence(span)}" for span in empty))
        return 3 if account.dropped.damage or empty else 0

    def status(self) -> str:
        """The state of playing in a few words, for views."""
        lag, words = self.lag.behind_ms, [str(self.controls)]
        if lag:
            words.append(f"lag {lag[-1]:.0f} ms (most {self.lag.most_ms:.0f})")
        if self.drift.state.suspended:
            words.append("promise suspended: not like the calibration data")
        if self.queue.n_dropped:
            words.append(f"{self.queue.n_dropped} bins dropped")
        return "  ".join(words)

    def _wait_with(self, waiting: Waiting) -> None:
        """Time in which a live source gave nothing is no lag; the silence that was chosen for its end is no stall."""
        self.player.arrivals, self.player.empty_until_s = Arrivals(), lambda: waiting.empty_s
        if waiting.silence_s is not None:
            self.source.excused = lambda: waiting.was_silent

    def _watched(self, views: Sequence[View]) -> BaseException | None:
        """Plays, prints and shows; returns what ended it before the stream did: the viewer, a signal, a broken pipe."""
        try:
            with ExitStack() as stack:
                self._act_on_signals = self._interrupted or stack.enter_context(between_items())
                bins = self._bins(views, stack)
                kept = bins if self.recorder is None else self.recorder.over(bins)
                items = self._items(kept, shows_rest=bool(views))
                for item in self.stopwatch.over(items):
                    self._end_if_stopped()
                    self._show(item, views)
                    self.loop.enter("the network")
                self._end_if_stopped()
        except Closed as reason:
            self.output.note(str(reason))
            return reason
        except (KeyboardInterrupt, BrokenPipeError) as reason:
            return reason
        return None

    def _read(self, start_us: int) -> Iterator[Frame]:
        """The frames from a place in the recording on."""
        frames = self.labelled.over(self.stream.read(start_us))
        doing = "reading" if self.stream.live is None else "waiting for"
        return self.source.over(frames, f"{doing} {self.stream.name}", None)

    def _bins(self, views: Sequence[View], stack: ExitStack) -> Iterator[Bin]:
        """The bins for the loop: at a pace a thread puts them into the queue, and keys of the terminal steer it."""

        def idle() -> None:
            for view in views:
                if isinstance(view, Listening):
                    view.idle()
            self._end_if_stopped()

        if not self.controls.is_paced:
            self.player.idle = idle
            return self.queue.read.over(self.player)
        if self._interrupted is None:  # else someone else does
            stack.enter_context(terminal_keys(self.controls))
        stack.enter_context(watching((self.loop, self.source)))
        stack.enter_context(feeding(self.player, self.queue))
        stack.callback(self.controls.stop)
        return self.loop.over(taken(self.queue, idle), None, "the network")

    def _items(self, bins: Iterator[Bin], *, shows_rest: bool) -> Iterator[Item]:
        """The items of the loop, up to the first decision with `--once`."""
        network = self.stream.network
        items = observed(self.tally.over_bins(bins, self.clock, self.lag), network)
        if self.options.once:
            items = until_answered(items, and_its_rest=shows_rest)
        return items if network.card.onset else without_short_end(items, network.card)

    def _show(self, item: Item, views: Sequence[View]) -> None:
        """Prints and shows an item."""
        stream, report = self.stream, self.report
        if self._begun != self.tally.playing:
            self._begun = self.tally.playing
            for view in views:
                view.begin(stream.name, stream.class_name)
        self.loop.enter("the output")
        changed = self.drift.see(item)
        report.promise = self.drift.promise
        report.write(item)
        if changed is not None:
            self.output.note(f"at {self.tally.since_start(self.tally.end_us) / 1e6:.2f} s: {changed}")
        started_s = time.perf_counter()
        for view in views:
            self.loop.enter(f"the view {type(view).__name__}")
            if stream.spans is not None and isinstance(item, Step) and item.index == 0:
                view.expect(stream.class_at(item.frame.end_us))
            if report.verdict is not None and isinstance(view, Judging):
                view.judge(*report.verdict)
            view.write(item)
        self._views_s += time.perf_counter() - started_s

    def _finish_record(self) -> None:
        """Bins that were kept are a whole file however the run ended."""
        if self.recorder is not None:
            self.recorder.finish()
            self.output.note(f"-> {self.recorder.path}")

    def _timing(self, started: float) -> Timing:
        tally, waited_s = self.tally, self.queue.waited_s
        all_s = time.perf_counter() - started
        live = self.controls.live
        return Timing(all_s, waited_s, tally.sensor_us, tally.n_events, self.controls.speed, self.lag, live)

    def _end_if_stopped(self) -> None:
        self._act_on_signals()
        if self.controls.stopped:
            raise Closed("stopped with q")
