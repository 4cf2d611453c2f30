"""The command `run`: one recording, classified as early as the evidence allows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from spikecut.pipeline.files.atomic_files import refuse_existing
from spikecut.tools.options import (
    DURATION,
    Count,
    EngineOptions,
    FitOptions,
    ModelOfSensor,
    NoDefault,
    Overwrite,
    ReadingOptions,
    Revise,
    SensitivityLevel,
    own_flags_first,
)


@own_flags_first
@dataclass(frozen=True)
class Run(EngineOptions, FitOptions, ReadingOptions):
    """Classify a recording as early as the evidence allows: one line for each decision.

    $ spikecut run user24_led.aedat --speed 1

    $ spikecut run user24_led.aedat user25_lab.aedat --speed 1 --json

    $ spikecut run user24_led.aedat --speed 0.5 --start 10 --duration 20 --loop

    $ spikecut run Test/7/00016.bin --model nmnist --json --save seven.mp4

    $ cat user24_led.aedat | spikecut run -
    """

    uses_torch: ClassVar[bool] = True

    file: tyro.conf.Positional[Path]
    """A recording, a video, with --model a picture, or a live source: - is standard input, udp://HOST:PORT
    receives datagrams, camera:0 is a camera before simulated DVS pixels, drawn:gestures a drawn person."""
    model: ModelOfSensor = None
    cutoff: Annotated[str | None, NoDefault] = None
    """A cutoff beside the network (ltt-1pt, or ltt for its default tolerance), `none`, or a file. Default: its own."""
    sensitivity: SensitivityLevel = None
    revise: Revise = 0.0
    once: bool = False
    """Stop at the first decision."""
    speed: str = "max"
    """The pace of playing: 1 as recorded, 0.1 at a tenth of that, max without waiting. Decisions do not depend on it.
    At a pace, keys of the terminal and the window pause (space), pass one bin (.), seek 5 s (b, f), halve or double
    the speed (-, +) and quit (q)."""
    follow: bool = False
    """The file is still being written: read what is there, then wait for more, until q, Ctrl-C or --idle-timeout."""
    format: Annotated[str | None, NoDefault] = None
    """Of a live source that does not say it itself: the format of its bytes (aedat2, evt3, es, text, atis, ...), or the
    layout of its datagrams (spikecut by default, spif, spif-timed, faery13, faery8)."""
    idle_timeout: Annotated[float | None, DURATION, tyro.conf.arg(metavar="SECONDS", help_behavior_hint="")] = None
    """Where nothing comes from a live source for so many seconds, it is over. Default: it is waited for."""
    loop: bool = False
    """Play again and again, until q, Ctrl-C or a closed window; with --once until the first decision."""
    max_gap: Annotated[float | None, DURATION, tyro.conf.arg(metavar="SECONDS", help_behavior_hint="")] = None
    """Where no event comes for so many seconds, leave out the rest of that gap: no bins, no waiting, and the network
    starts from rest behind it. What was left out is printed. Default: 1000 bins."""
    when_full: Literal["block", "drop-oldest", "drop-newest", "latest"] = "block"
    """At a pace, when the loop is too slow and the queue is full: wait, so that playing lags; drop the oldest or the
    newest bin; or keep only the latest. Dropped events are counted as queue_full."""
    queue: Count = 8
    """How many bins may wait for the loop."""
    window: Literal["auto", "on", "off"] = "auto"
    """Show the overlay in a window; auto: if --speed is a number and there is a display."""
    web: bool = False
    """Show the run as a web page, at http://127.0.0.1:8080 or where --listen says."""
    listen: Annotated[str | None, NoDefault, tyro.conf.arg(metavar="HOST:PORT")] = None
    """Where the web page is; beyond this machine (0.0.0.0:8080) its address has a token, which is printed."""
    panes: Annotated[str | None, NoDefault] = None
    """What views show, separated by commas: picture, bars, evidence, timeline, answers, clock, operations, spikes.
    Default: all."""
    palette: Annotated[Literal["dark", "light"] | None, NoDefault] = None
    """The colours of views. Default: dark, and those that the browser prefers in a web page."""
    save: Annotated[Path | None, NoDefault] = None
    """Write an overlay video to this file: .mp4, .mkv, .avi, .webp or .gif."""
    record: Annotated[Path | None, NoDefault] = None
    """Keep what the network was given, bin by bin, after the queue and with its gaps: FILE.bins. `spikecut run
    FILE.bins` plays it again, with the same decisions."""
    view: Annotated[tuple[str, ...], NoDefault] = ()
    """Show the run in these views, too: NAME, or NAME=FILE for those that write one (terminal, web, video=out.mp4)."""
    overwrite: Overwrite = False
    json: bool = False
    """Print one JSON object for each decision. After a labelled session, at a pace, or if events were left out and
    nothing was decided, a last line {"summary": ...} has always the same keys; without labels those of the score
    are null. `dropped` counts the events that were left out so far, by cause; read = used + dropped. `timing` has,
    at a pace, the lag in ms, seconds of work for a second of stream, and events a second; `datagrams` how many of
    those of a live source were received, lost, late and so on, else null. `promise` of a decision is `suspended`
    while the stream is not like the calibration data, and on recordings that may be genuine if it was fitted on
    simulated ones, and `drift` counts such alarms. With a level of sensitivity a first line {"sensitivity": ...}
    has its two measured rates."""
    more: Annotated[
        tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="FILE ...", help_behavior_hint="")
    ] = ()
    """More recordings and live sources: all play at the same time, on one network. Each line names its stream, JSON has
    `stream`, --save and --record write one file a stream (out.NAME.mp4), and --once ends each alone."""

    @classmethod
    def more_help(cls) -> str:
        """The formats of the table that can be read."""
        from spikecut.sources.formats import known_formats

        return f"It reads {known_formats()}."

    def refuse_early(self) -> None:
        """Refuses a video or a file of bins that exists."""
        from spikecut.sources.live.bin_file import check_name

        for file in (self.save, self.record):
            if file is not None:
                refuse_existing(file, overwrite=self.overwrite)
        if self.record is not None:
            check_name(self.record)

    def run(self) -> int:
        from spikecut.tools.session.run import run_run

        return run_run(self)
