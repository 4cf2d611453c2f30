"""Commands that look at one recording: `demo`, `run`, `info`, `why`. Each imports what it needs when it runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True)
class Demo:
    """Watch a spiking network name drawn gestures before they end. No data needed.

    $ spikecut demo

    $ spikecut demo --count 20 --seed 7 --save gestures.webp
    """

    out: Path = Path("demo")
    """Folder for the recordings it writes and for the video."""
    count: int = 11
    """How many gestures, each of the eleven once before any comes again."""
    seed: int = 0
    """Who gestures, and in which order."""
    save: Path | None = None
    """The video: .mp4, .mkv, .avi, .webp or .gif. Default: OUT/demo.mp4."""
    overwrite: bool = False
    """Replace an existing video at SAVE."""

    def run(self) -> int:
        from spikecut.tools.session.demo import run_demo

        return run_demo(self.out, count=self.count, seed=self.seed, save=self.save, overwrite=self.overwrite)


@dataclass(frozen=True)
class Run:
    """Name what a recording shows, as early as the evidence allows: one line a decision.

    $ spikecut run user24_led.aedat --speed 1

    $ spikecut run Test/7/00016.bin --model nmnist --json --save seven.mp4
    """

    file: tyro.conf.Positional[Path]
    """A recording: AEDAT 2.0 or 3.1, ATIS .bin, Tonic's .npy, spikecut .h5, or a video; or a picture, with --model."""
    model: str | None = None
    """A shipped network's name, a .safetensors file, or a .py (it is executed). Default: the one for this sensor."""
    cutoff: str | None = None
    """A cutoff beside the network (ltt-1pt, or ltt for its default tolerance), none, or a file. Default: its own."""
    once: bool = False
    """Stop at the first decision."""
    speed: str = "max"
    """1 plays at the pace of the sensor, 0.25 at a quarter of it; max does not wait."""
    window: Literal["auto", "on", "off"] = "auto"
    """Show the overlay in a window; auto: if a speed is given and a display is there."""
    save: Path | None = None
    """Write an overlay video: .mp4, .mkv, .avi, .webp or .gif."""
    overwrite: bool = False
    """Replace an existing video."""
    json: bool = False
    """One JSON object a decision; in labelled sessions a summary follows."""

    def run(self) -> int:
        from spikecut.tools.frame_streams import network_for
        from spikecut.tools.session.run import parse_speed, run_run

        return run_run(
            self.file,
            model=self.model or network_for(self.file),
            cutoff=self.cutoff,
            once=self.once,
            save=self.save,
            overwrite=self.overwrite,
            as_json=self.json,
            speed=parse_speed(self.speed),
            window={"auto": None, "on": True, "off": False}[self.window],
        )


@dataclass(frozen=True)
class Info:
    """Say what is in a recording: format, sensor, events, times, rate, damage; or in a picture, or a set of them.

    $ spikecut info walking.aedat

    $ spikecut info 00016.bin --sensor 34x34 --json
    """

    file: tyro.conf.Positional[Path]
    """A recording, a picture, or an archive of pictures."""
    sensor: str | None = None
    """WIDTHxHEIGHT, for formats that do not name their sensor."""
    json: bool = False
    """One JSON object."""

    def run(self) -> int:
        from spikecut.tools.recordings.info import run_info

        return run_info(self.file, json=self.json, sensor=self.sensor)


@dataclass(frozen=True)
class Why:
    """One recording: the evidence over time, and what every fitted rule would have answered and when.

    $ spikecut why seven.bin

    $ spikecut why user24_led.aedat --start 12.5 --save why.png
    """

    file: tyro.conf.Positional[Path]
    """The recording, or a picture; one in an archive is cifar-10-python.tar.gz/test_batch/00017."""
    model: str | None = None
    """A shipped network's name, a .safetensors file, or a .py (it is executed). Default: the one for the sensor."""
    cutoff: tuple[str, ...] = ()
    """Names or files of cutoffs. Default: all that lie beside the network."""
    start: float = 0.0
    """Where the window begins, in seconds from the recording's first bin."""
    save: Path | None = None
    """The picture. Default: why_NAME_STARTs.png in the current folder, replaced if it is there."""
    overwrite: bool = False
    """Replace a picture that --save names."""
    json: bool = False
    """One JSON object instead of the tables."""

    def run(self) -> int:
        from spikecut.tools.reports.why import run_why

        return run_why(
            self.file,
            model=self.model,
            cutoffs=self.cutoff,
            start_s=self.start,
            save=self.save or Path(f"why_{self.file.stem}_{self.start:g}s.png"),
            overwrite=self.overwrite or self.save is None,
            as_json=self.json,
        )
