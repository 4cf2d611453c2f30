"""The command `spikecut`. Each subcommand imports what it needs when it runs: `--help` is instant."""

import functools
import inspect
import operator
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

import spikecut
from spikecut.pipeline.errors import EnvironmentProblem, SourceError, SpikecutError
from spikecut.tools.config import with_config

OK, USAGE, DAMAGED, UNREADABLE, ENVIRONMENT, INTERRUPTED = 0, 2, 3, 4, 5, 130
Part = Literal["train", "calibration", "test", "all"]


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
        from spikecut.tools.demo import run_demo

        return run_demo(self.out, count=self.count, seed=self.seed, save=self.save, overwrite=self.overwrite)


@dataclass(frozen=True)
class Run:
    """Name what a recording shows, as early as the evidence allows: one line a decision.

    $ spikecut run user24_led.aedat --speed 1

    $ spikecut run Test/7/00016.bin --model nmnist --json --save seven.mp4
    """

    file: tyro.conf.Positional[Path]
    """A recording: AEDAT 2.0 or 3.1, ATIS .bin, Tonic's .npy, spikecut .h5, or a video."""
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
        from spikecut.tools.feeding import network_for
        from spikecut.tools.run import parse_speed, run_run

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
class Replay:
    """Decide a folder of <class>/<recording>: accuracy, steps and time, with and without cutoff.

    $ spikecut replay N-MNIST/Test --model nmnist

    $ spikecut replay Train --model nmnist --part test --json
    """

    folder: tyro.conf.Positional[Path]
    """The folder that holds one folder a class."""
    model: str = "nmnist"
    """A shipped network's name, a .safetensors file, or a .py that makes one with from_norse (it is executed)."""
    cutoff: tuple[str, ...] = ()
    """Rules or files to compare with the full window. Default: all that lie beside the network."""
    part: Part = "all"
    """Which part of the folder: the network's own division, by name."""
    batch_size: int = 16
    """How many recordings are stepped together."""
    seed: int = 0
    """For the bootstrap intervals."""
    json: bool = False
    """One JSON object instead of the table."""

    def run(self) -> int:
        from spikecut.tools.replay import run_replay

        return run_replay(
            self.folder,
            model=self.model,
            cutoffs=self.cutoff,
            part=self.part,
            batch_size=self.batch_size,
            seed=self.seed,
            as_json=self.json,
        )


@dataclass(frozen=True)
class Info:
    """Say what is in a recording: format, sensor, events, times, rate, damage.

    $ spikecut info walking.aedat

    $ spikecut info 00016.bin --sensor 34x34 --json
    """

    file: tyro.conf.Positional[Path]
    """A recording."""
    sensor: str | None = None
    """WIDTHxHEIGHT, for formats that do not name their sensor."""
    json: bool = False
    """One JSON object."""

    def run(self) -> int:
        from spikecut.tools.info import run_info

        return run_info(self.file, json=self.json, sensor=self.sensor)


@dataclass(frozen=True)
class Convert:
    """Rewrite a recording in another format, chosen by the suffix: .h5, .bin, .aedat.

    $ spikecut convert walking.aedat walking.h5

    $ spikecut convert seven.h5 seven.bin --overwrite
    """

    source: tyro.conf.Positional[Path]
    """The recording to read."""
    target: tyro.conf.Positional[Path]
    """The recording to write."""
    sensor: str | None = None
    """WIDTHxHEIGHT, for formats that do not name their sensor."""
    overwrite: bool = False
    """Replace an existing file."""
    json: bool = False
    """One JSON object."""

    def run(self) -> int:
        from spikecut.tools.convert import run_convert

        return run_convert(self.source, self.target, overwrite=self.overwrite, sensor=self.sensor, json=self.json)


@dataclass(frozen=True)
class Train:
    """Train a network on recordings or on drawn gestures; interrupted runs go on with --resume.

    $ spikecut train nmnist --data Train --out runs/nmnist

    $ spikecut train gestures --out runs/gestures --resume
    """

    recipe: tyro.conf.Positional[str]
    """What to train."""
    out: Path
    """Where weights, card and progress go."""
    data: Path | None = None
    """The folder of <class>/<recording>, or of DVS128 Gesture. Default for gestures: drawn users."""
    epochs: int | None = None
    """Default: the recipe's."""
    learning_rate: float | None = None
    """The highest of the cycle. Default: the recipe's."""
    start: str | None = None
    """Train this network further (a shipped one's name or a .safetensors file) instead of beginning anew."""
    seed: int = 0
    """For weights, order and augmentation."""
    threads: int = 1
    """How many cores compute; sums of floats, and so the last digits, depend on it."""
    resume: bool = False
    """Go on after the last whole epoch."""

    def run(self) -> int:
        from spikecut.tools.train import run_train

        return run_train(
            self.recipe,
            self.data,
            self.out,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            start=self.start,
            seed=self.seed,
            threads=self.threads,
            resume=self.resume,
        )


@dataclass(frozen=True)
class Calibrate:
    """Fit when to stop on held-out recordings for a tolerated loss: Learn then Test, or the rules asked for.

    $ spikecut calibrate Train --model runs/nmnist/nmnist.safetensors --part calibration

    $ spikecut calibrate heldout --model nmnist --rule ltt topk confidence --tolerance 0.01 0.02 --out cutoffs
    """

    folder: tyro.conf.Positional[Path]
    """The folder of <class>/<recording>, or outputs that --outputs wrote."""
    model: str = "nmnist"
    """A shipped network's name, a .safetensors file, or a .py that makes one with from_norse (it is executed)."""
    part: Part = "calibration"
    """Which part of the folder."""
    rule: tuple[str, ...] = ("ltt",)
    """The rules to fit; `all` is every one. ltt (Learn then Test) and conformal promise something about others."""
    tolerance: tuple[float, ...] = (0.02,)
    """The shares of right answers that stopping early may cost."""
    delta: float = 0.05
    """How likely a promise may be to fail."""
    readout: Literal["sum", "mean", "last", "leaky"] = "sum"
    """What the rules read of the outputs so far (sr1, economy and calimera always the mean)."""
    leak: float = 0.05
    """The share that a leaky readout forgets at every step."""
    temperature: Literal["1", "t", "fitted"] = "1"
    """What the readout is divided by: nothing, the step, or values fitted on three tenths of the recordings."""
    seed: int = 0
    """For splits of the recordings."""
    or_never: bool = False
    """Where the recordings cannot carry a promise, write a rule that never stops early instead of refusing."""
    out: Path | None = None
    """Default: beside the network; for a shipped network the current folder."""
    outputs: Path | None = None
    """Also write what the network said as .npz, which calibrate and evaluate read in place of a folder."""
    overwrite: bool = False
    """Replace existing cutoffs."""
    force: bool = False
    """Fit even on recordings that trained the network."""

    def run(self) -> int:
        from spikecut.pipeline.fitting import FITS
        from spikecut.tools.calibrate import run_calibrate

        return run_calibrate(
            self.folder,
            model=self.model,
            part=self.part,
            rules=tuple(FITS) if "all" in self.rule else self.rule,
            tolerances=self.tolerance,
            delta=self.delta,
            readout=self.readout,
            leak=self.leak,
            temperature=self.temperature,
            seed=self.seed,
            or_never=self.or_never,
            out=self.out,
            outputs=self.outputs,
            overwrite=self.overwrite,
            force=self.force,
        )


@dataclass(frozen=True)
class Evaluate:
    """Compare all fitted cutoffs on one pass of the network: accuracy against time, with intervals.

    $ spikecut evaluate drawn_test --model gestures --out runs/evaluation

    $ spikecut evaluate runs/evaluation/outputs.npz --model gestures --cutoff ltt topk --out runs/two
    """

    folder: tyro.conf.Positional[Path]
    """The folder of <class>/<recording>, or of DVS128 Gesture, or outputs.npz of an earlier pass."""
    out: Path
    """Where the results go."""
    model: str = "nmnist"
    """A shipped network's name, a .safetensors file, or a .py that makes one with from_norse (it is executed)."""
    cutoff: tuple[str, ...] = ()
    """Names or files of cutoffs. Default: all that lie beside the network."""
    part: Part = "test"
    """Which part of the folder."""
    seed: int = 0
    """For the intervals."""
    overwrite: bool = False
    """Replace the results of an earlier evaluation."""
    json: bool = False
    """Everything as one JSON object instead of the table."""

    def run(self) -> int:
        from spikecut.tools.evaluate import run_evaluate

        return run_evaluate(
            self.folder,
            model=self.model,
            cutoffs=self.cutoff,
            part=self.part,
            out=self.out,
            seed=self.seed,
            overwrite=self.overwrite,
            as_json=self.json,
        )


@dataclass(frozen=True)
class Report:
    """Write one self-contained HTML page from an evaluation, with its pictures; or compare two.

    $ spikecut report runs/evaluation

    $ spikecut report --compare runs/before runs/after
    """

    run_: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(name="run", metavar="RUN")] = None
    """The folder that evaluate wrote."""
    compare: tuple[Path, Path] | None = None
    """Two such folders: prints paired differences of the second from the first."""
    out: Path | None = None
    """The page. Default: report.html in the folder."""
    seed: int = 0
    """For the intervals of a comparison."""

    def run(self) -> int:
        from spikecut.tools.report import run_report

        return run_report(self.run_, compare=self.compare or (), out=self.out, seed=self.seed)


@dataclass(frozen=True)
class Why:
    """One recording: the evidence over time, and what every fitted rule would have answered and when.

    $ spikecut why seven.bin

    $ spikecut why user24_led.aedat --start 12.5 --save why.png
    """

    file: tyro.conf.Positional[Path]
    """The recording."""
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
        from spikecut.tools.why import run_why

        return run_why(
            self.file,
            model=self.model,
            cutoffs=self.cutoff,
            start_s=self.start,
            save=self.save or Path(f"why_{self.file.stem}_{self.start:g}s.png"),
            overwrite=self.overwrite or self.save is None,
            as_json=self.json,
        )


@dataclass(frozen=True)
class Simulate:
    """Draw people who gesture, or show pictures, to a simulated camera: recordings in the genuine layouts.

    gestures are whole sessions in the layout of DVS128 Gesture. nmnist, ncaltech101 and cifar10dvs are counterparts
    of the sets of these names, made from pictures as those were made: for who cannot have the genuine ones.

    $ spikecut simulate gestures drawn --users 435 --part test --jobs 2

    $ spikecut simulate ncaltech101 data --images caltech101.zip --jobs 2
    """

    what: tyro.conf.Positional[Literal["gestures", "nmnist", "ncaltech101", "cifar10dvs"]]
    """What to make."""
    folder: tyro.conf.Positional[Path]
    """Where the recordings go; those that are there already are kept."""
    images: Path | None = None
    """A folder or a zip archive of <class>/<picture>, for the counterparts."""
    count: int | None = None
    """Of the counterparts: at most so many pictures a class."""
    users: int = 29
    """Of the gestures: how many people; of every 29 the last six test, as in the genuine set."""
    part: Part = "all"
    """Of the gestures: whose sessions to write."""
    seed: int = 0
    """Another seed, other people, or another noise of the camera."""
    jobs: int = 1
    """How many processes draw."""
    overwrite: bool = False
    """Draw anew what is there."""

    def run(self) -> int:
        from spikecut.tools.simulate import run_counterpart, run_simulate

        seed, jobs, overwrite = self.seed, self.jobs, self.overwrite
        if self.what == "gestures":
            return run_simulate(
                self.folder, users=self.users, part=self.part, seed=seed, jobs=jobs, overwrite=overwrite
            )
        return run_counterpart(
            self.what, self.folder, self.images, count=self.count, seed=seed, jobs=jobs, overwrite=overwrite
        )


@dataclass(frozen=True)
class Data:
    """Check a copy of a data set: what is there, what is missing or damaged, and where to get it.

    DVS128 Gesture as published or as Tonic keeps it, or drawn sessions in the same layout: of the training
    list, users 3, 7, 11, … calibrate. N-MNIST, N-Caltech101 and CIFAR10-DVS, file by file against the published
    lists. Any other folder of <class>/<recording>: what can be read of it.

    $ spikecut data check DvsGesture

    $ spikecut data check N-MNIST --read --json
    """

    what: tyro.conf.Positional[Literal["check"]]
    """What to do."""
    folder: tyro.conf.Positional[Path]
    """The folder that holds trials_to_train.txt, ibmGestureTrain, Train and Test, Caltech101, or class folders."""
    read: bool = False
    """Read every event, too: finds recordings that end early or lie there twice. Minutes for a published set."""
    json: bool = False
    """One JSON object instead of the table."""

    def run(self) -> int:
        from spikecut.tools.data import run_data_check

        return run_data_check(self.folder, read=self.read, as_json=self.json)


COMMANDS: dict[str, type] = {
    "demo": Demo,
    "run": Run,
    "replay": Replay,
    "info": Info,
    "convert": Convert,
    "train": Train,
    "calibrate": Calibrate,
    "evaluate": Evaluate,
    "report": Report,
    "why": Why,
    "simulate": Simulate,
    "data": Data,
}
_USES_TORCH = (Demo, Run, Replay, Train, Calibrate, Evaluate, Why)
_ABOUT = """Deciding early on event-camera streams.

$ spikecut demo

$ spikecut run recording.bin --model nmnist --once

Any command takes --config FILE, a TOML file with one table a command."""


def _commands(words: list[str]) -> Any:
    """The choice of commands; only the one that is called shows more than its first line."""
    kinds = []
    for name, kind in COMMANDS.items():
        about = inspect.cleandoc(kind.__doc__ or "")
        if name not in words:
            about = about.split("\n\n")[0].split(": ")[0].rstrip(".") + "."
        kinds.append(Annotated[kind, tyro.conf.subcommand(name, description=about)])
    return functools.reduce(operator.or_, kinds)


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    0 fine, 2 usage, 3 finished but some input was damaged, 4 nothing readable, 5 environment,
    130 interrupted.
    """
    try:
        words = with_config(sys.argv[1:] if argv is None else argv, COMMANDS)
        if words == ["--version"]:
            print(f"spikecut {spikecut.__version__}")
            return OK
        command: Any = tyro.cli(_commands(words), prog="spikecut", description=_ABOUT, args=words)
        if isinstance(command, _USES_TORCH):
            import torch

            torch.set_num_threads(1)  # more threads lose on networks of this size, and badly on a busy machine
        return int(command.run())
    except SpikecutError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        if isinstance(error, SourceError):
            return UNREADABLE
        return ENVIRONMENT if isinstance(error, EnvironmentProblem) else USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:  # a folder that cannot be written, a full disk
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{(error.strerror or str(error)).lower()}", file=sys.stderr)
        return ENVIRONMENT
