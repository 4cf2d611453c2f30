"""The output of `spikecut run`: each decision as it falls, the score of a labelled session, and the time it took."""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from spikecut.pipeline.metrics.session_score import Match, Matcher, Outcome, Score
from spikecut.pipeline.results import Decision, Item, Rejection, Step
from spikecut.sources.live.playing import Player
from spikecut.tools.session import decision_text as lines
from spikecut.tools.session.observing import Tally
from spikecut.tools.session.opening import OpenStream
from spikecut.tools.session.output import Output
from spikecut.tools.session.timing import Account, Timing
from spikecut.tools.views.base import Summary

_ALONE = Output()


class Report:
    """Prints decisions as they fall, beside the labels where there are any."""

    def __init__(self, stream: OpenStream, tally: Tally, output: Output = _ALONE, *, as_json: bool) -> None:
        self.stream, self.tally, self.out, self.as_json = stream, tally, output, as_json
        self._matcher = self._new_matcher()
        self._score = Score()  # of what was played before the last jump
        self._playing = 0
        self._played_us = self._end_us = 0  # all sensor time before the last jump; the recording's time then
        self._n_decisions = self._n_steps = self._n_rejected = 0
        self.promise: str | None = None  # whether the cutoff's promise holds at the last item
        self.drift: dict[str, Any] | None = None  # what the watch for drift counted, at the end
        self.verdict: tuple[Outcome, str | None] | None = None  # on the last item, in a labelled session

    def write(self, item: Item) -> None:
        """Counts an item and prints a decision."""
        self.verdict = None
        if isinstance(item, Step):
            self._n_steps += 1
        if self.tally.playing != self._playing:
            self._close_matcher(self._end_us)
            self._playing = self.tally.playing
        self._end_us = self.tally.end_us
        if self._matcher is not None:
            self._matcher.begins(self.tally.begun_us)
            self._print_missed(self._matcher.passed(self.tally.end_us))
        if isinstance(item, Decision):
            self._n_decisions += 1
            self._print(item)
        if isinstance(item, Rejection):
            self._n_rejected += 1
            self._print_rejection(item)

    def finish(self, account: Account, timing: Timing, ending: BaseException | None, *, complete: bool) -> Summary:
        """The summary of the run; prints the score of a labelled session if it is `complete`.

        In JSON it is printed, too, where events were left out and nothing was decided, of runs at a pace and of those
        that something ended before the stream did, always with the same keys. After a broken pipe it goes to stderr.
        """
        out = sys.stderr if isinstance(ending, BrokenPipeError) else sys.stdout
        card, tally = self.stream.network.card, self.tally
        score: Score | None = None
        if self._matcher is not None and complete:
            self._close_matcher(tally.end_us, out)
            score = self._score
            if not self.as_json:
                self.out.result(lines.summary_text(score), out)
        is_empty = bool(account.dropped) and not self._n_decisions
        if self.as_json and (score is not None or is_empty or timing.is_paced or ending is not None):
            counts = {"decisions": self._n_decisions, "no_gesture": self._n_rejected} | account.as_object()
            paced = timing.as_object() if timing.is_paced else None  # without a pace equal runs print the same
            live = self.stream.live
            carried = None if live is None else live.transport()
            ended = ended_as(ending, once=not complete)
            rest = {"ended": ended, "timing": paced, "datagrams": carried, "drift": self.drift}
            self.out.result(json.dumps({"summary": lines.summary_object(score) | counts | rest}), out)
        n_bins = tally.sensor_us // card.spec.step_us
        return Summary(
            tally.n_events, n_bins, self._n_steps, self._n_decisions, tally.sensor_us, score, self._n_rejected
        )

    def _new_matcher(self) -> Matcher | None:
        spans = self.stream.spans
        return None if spans is None else Matcher([(span.label, span.start_us, span.end_us) for span in spans])

    def _close_matcher(self, end_us: int, out: TextIO | None = None) -> None:
        """Scores what was played up to a moment of the recording; after it playing goes on elsewhere."""
        card, played_us = self.stream.network.card, self.tally.sensor_us
        if self._matcher is not None:
            self._print_missed(self._matcher.ended(end_us, card.horizon * card.spec.step_us), out)
            self._score += self._matcher.score((played_us - self._played_us) / 6e7)
        self._matcher, self._played_us = self._new_matcher(), played_us

    def _print(self, decision: Decision) -> None:
        network, truth = self.stream.network, self.stream.truth
        match: Match | None = None
        if self._matcher is not None and self.stream.spans is not None:
            if decision.revises is None:
                match = self._matcher.decided(decision.label, decision.time_us)
            else:
                match = self._matcher.revised(decision.label)
            truth = self.stream.spans[match.span].label if match.outcome is not Outcome.false_alarm else None
            labelled = self.stream.spans[match.span].label if match.span >= 0 else None
            self.verdict = match.outcome, None if labelled is None else network.card.classes[labelled]
        if self.as_json:
            dropped = self.tally.lost.events_by_cause()
            reading: dict[str, Any] = {"fit": self.stream.fit, "dropped": dropped, "promise": self.promise}
            if network.revise_us:
                reading |= {"id": decision.id, "revises": decision.revises}
            words = lines.as_object(decision, network.card, truth, network.decider.rule, match, reading)
        elif network.card.onset:
            at_us = self.tally.since_start(decision.time_us)
            words = lines.in_stream(decision, network.card, at_us, match, truth)
        else:
            words = lines.as_text(decision, network.card, truth, network.decider.rule)
        self.out.result(words)

    def _print_rejection(self, rejection: Rejection) -> None:
        card = self.stream.network.card
        if self.as_json:
            words = lines.rejection_object(rejection, card)
        else:
            words = lines.rejection_text(rejection, card, self.tally.since_start(rejection.decision.time_us))
        self.out.result(words)

    def _print_missed(self, places: Sequence[int], out: TextIO | None = None) -> None:
        """The labels that ended without an answer; in JSON only the summary has them."""
        for place in places if not self.as_json else ():
            span = (self.stream.spans or ())[place]
            at_us = self.tally.since_start(span.end_us)
            self.out.result(lines.missed_text(span.label, self.stream.network.card, at_us), out)


def ended_as(ending: BaseException | None, *, once: bool) -> str:
    """The word for what ended a run; `once` stops at the first decision.

    >>> ended_as(None, once=False), ended_as(KeyboardInterrupt(), once=False)
    ('end', 'interrupted')
    """
    if ending is None:
        return "once" if once else "end"
    if type(ending) is KeyboardInterrupt:
        return "interrupted"
    return "broken_pipe" if isinstance(ending, BrokenPipeError) else type(ending).__name__.lower()


def totals_text(
    stream: OpenStream, summary: Summary, account: Account, timing: Timing, items_s: float | None
) -> Iterator[str]:
    """The lines at the end of a run, for people; `items_s` is the time without the views, where there are any."""
    sensor_s = summary.sensor_us / 1e6
    yield (
        f"{stream.format} {stream.sensor}  {summary.n_events} events  {sensor_s:.2f} s  "
        f"{summary.n_decisions} decisions in {summary.n_steps} steps"
        + (f", {summary.n_rejected} movements that are no gesture" if summary.n_rejected else "")
    )
    if stream.fit:
        yield f"fit: {stream.fit}"
    yield from account.lines()
    if summary.n_events and not summary.n_steps:
        yield (
            "nothing began to move: it stood still, or moved from the first bin on; "
            "`spikecut why FILE --start SECONDS` looks at any window"
        )
    if timing.is_paced:
        yield timing.as_text()
    else:
        pure_s = timing.all_s if items_s is None else items_s
        drawn = f", with the overlay in {timing.all_s:.2f} s ({sensor_s / timing.all_s:.1f}x)"
        yield (
            f"read, binned, stepped and decided in {pure_s:.2f} s "
            f"({sensor_s / max(pure_s, 1e-9):.0f}x real time, {summary.n_events / max(pure_s, 1e-9):,.0f} events/s)"
            + ("" if items_s is None else drawn)
        )
    if damage := account.dropped.damage:
        causes = ", ".join(f"{n} {cause}" for cause, n in damage.events_by_cause().items())
        where = "" if stream.live else "; spikecut info says where"
        yield f"damaged: {damage.total} events lost ({causes}){where}"


def gaps_text(player: Player) -> Iterator[str]:
    """What was played more than once, from elsewhere, or not at all, for people."""
    if player.n_rounds > 1:
        yield f"played {player.n_rounds} times"
    if player.n_jumps:
        yield f"{player.n_jumps} jumps: gestures that were not played are not missed"
    if player.n_gaps:
        gaps = "1 gap" if player.n_gaps == 1 else f"{player.n_gaps} gaps"
        yield f"skipped {gaps} without events, {player.skipped_us / 1e6:.2f} s in all"
