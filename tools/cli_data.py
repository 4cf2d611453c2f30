"""Commands about files and folders of recordings: `convert`, `cut`, `simulate`, `data`. Heavy imports wait in `run`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from spikecut.pipeline.errors import ConfigError

Part = Literal["train", "calibration", "test", "all"]  # as in sources.datasets, which loads NumPy


@dataclass(frozen=True)
class Convert:
    """Rewrite a recording in another format, chosen by the suffix: .h5, .bin, .aedat.

    $ spikecut convert walking.aedat walking.h5

    $ spikecut convert digits.txt digits.h5 --columns xytp --sensor 128x128
    """

    source: tyro.conf.Positional[Path]
    """The recording to read."""
    target: tyro.conf.Positional[Path]
    """The recording to write."""
    sensor: str | None = None
    """WIDTHxHEIGHT, for formats that do not name their sensor."""
    columns: str | None = None
    """For text: what the four numbers of a line are, such as xytp or txyp."""
    time_unit: Literal["us", "s"] = "us"
    """For text: the unit of its times."""
    overwrite: bool = False
    """Replace an existing file."""
    json: bool = False
    """One JSON object."""

    def run(self) -> int:
        from spikecut.sources.formats.base import TextLayout
        from spikecut.tools.recordings.convert import run_convert

        text = TextLayout(self.columns, self.time_unit) if self.columns is not None else None
        return run_convert(
            self.source, self.target, overwrite=self.overwrite, sensor=self.sensor, json=self.json, text=text
        )


@dataclass(frozen=True)
class Cut:
    """Make a data set of recordings: class folders, of whole recordings or of pieces of long ones.

    What a recording shows is the folder it lies in; where all lie in one folder, its name up to the first _. Pieces are
    divided by time within each recording: the first 60 % train, 20 % calibrate, the last 20 % test, with one left out
    between the parts. Whole recordings are divided by their names, as every class folder is.

    $ spikecut cut dvs128_objects objects --piece 1 --skip 0.5

    $ spikecut cut mnist_dvs_txt mnistdvs --columns xytp --sensor 128x128
    """

    streams: tyro.conf.Positional[Path]
    """A folder of recordings, or of <class>/<recording>."""
    folder: tyro.conf.Positional[Path]
    """The new folder; it must not hold anything."""
    piece: float | None = None
    """How long a piece is, in seconds. Default: recordings stay whole."""
    skip: float = 0.0
    """How many seconds at the beginning of every recording are not used."""
    format: Literal["h5", "aedat"] = "h5"
    """What is written; aedat is AEDAT 2.0, for 128x128."""
    columns: str | None = None
    """For text (.txt, .csv): what the four numbers of a line are, such as xytp or txyp."""
    time_unit: Literal["us", "s"] = "us"
    """For text: the unit of its times."""
    sensor: str | None = None
    """WIDTHxHEIGHT, for formats that do not name their sensor."""

    def run(self) -> int:
        from spikecut.sources.formats.base import TextLayout
        from spikecut.tools.recordings.cut import run_cut

        return run_cut(
            self.streams,
            self.folder,
            piece=self.piece,
            skip=self.skip,
            suffix=f".{self.format}",
            sensor=self.sensor,
            text=TextLayout(self.columns, self.time_unit) if self.columns is not None else None,
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
        from spikecut.tools.recordings.simulate import run_counterpart, run_simulate

        seed, jobs, overwrite = self.seed, self.jobs, self.overwrite
        if self.what == "gestures":
            if self.images is not None or self.count is not None:
                raise ConfigError("gestures are drawn, not made from pictures", hint="leave --images and --count out")
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
    lists. Their simulated counterparts, and any other folder of <class>/<recording>: what can be read of it. CIFAR-10,
    CIFAR-100 and Tiny-ImageNet, packed or not, and other class folders of pictures.

    $ spikecut data check DvsGesture

    $ spikecut data check N-MNIST --read --json
    """

    what: tyro.conf.Positional[Literal["check"]]
    """What to do."""
    folder: tyro.conf.Positional[Path]
    """Where trials_to_train.txt, ibmGestureTrain, Train and Test, Caltech101 or class folders lie, or an archive."""
    read: bool = False
    """Read every event, too: finds recordings that end early or lie there twice. Minutes for a published set."""
    json: bool = False
    """One JSON object instead of the table."""

    def run(self) -> int:
        from spikecut.tools.checks.data_check import run_data_check

        return run_data_check(self.folder, read=self.read, as_json=self.json)
