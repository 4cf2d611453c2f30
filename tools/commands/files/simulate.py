"""The command `simulate`: recordings by a simulated camera."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from spikecut.tools.options import COUNT, Count, NoDefault, Part, Processes, Seed, Simulated, Within


@dataclass(frozen=True)
class Simulate:
    """Record drawn people or pictures with a simulated event camera, in the layouts of real data sets.

    gestures writes whole sessions of drawn people in the layout of DVS128 Gesture. movements writes sessions in which
    people walk, sit, drink, carry or pass, and nobody makes a gesture; mixed, sessions of both. beckon writes a class
    folder of a gesture that is none of the eleven: something to teach a network. digits writes class folders of drawn
    digits before the camera of N-MNIST: a small set that trains in a minute. nmnist, ncaltech101 and cifar10dvs write
    simulated counterparts of the data sets of these names. They are made from pictures in the way of the originals,
    for users who do not have the original recordings.

    $ spikecut simulate gestures drawn --users 435 --part test --jobs 2

    $ spikecut simulate movements walking --users 29 --part test --minutes 2

    $ spikecut simulate ncaltech101 data --images caltech101.zip --complete --jobs 2
    """

    uses_torch: ClassVar[bool] = False

    what: tyro.conf.Positional[Simulated]
    """What to make."""
    folder: tyro.conf.Positional[Path]
    """The folder to write to; recordings that are in it already are kept."""
    images: Annotated[Path | None, NoDefault] = None
    """For the counterparts: a folder or a zip archive of <class>/<picture>."""
    count: Annotated[int | None, COUNT, NoDefault] = None
    """For the counterparts: the largest number of pictures in a class. For beckon: how often each person does, at
    most 10. For digits: how many of each. Default: as in the original; once; 100."""
    complete: bool = False
    """For ncaltech101 and cifar10dvs: as many recordings of every class as in the original. Those without a picture of
    their own show one of their class and part (train, calibration, test) again, with other noise."""
    users: Count = 29
    """For drawn people: how many; of every 29 the last six are for testing, as in the original data set."""
    quick: bool = False
    """For the gestures: none lasts more than 3 s, and pauses are short; enough where only their beginnings count."""
    version: Literal[1, 2] = 1
    """For the gestures and beckon: the version of the drawing. In 2 people have depth, and more than arms moves;
    movements and mixed are always 2."""
    minutes: Annotated[float, Within(0.05, 600)] = 1.0
    """For movements and mixed: how long each session is at least."""
    part: Part = "all"
    """For drawn people: the part whose sessions are written."""
    seed: Seed = 0
    """The random seed of the people, or of the noise of the camera."""
    jobs: Processes = 1
    """How many processes work at the same time."""
    overwrite: bool = False
    """Make recordings again that are in the folder already."""

    def run(self) -> int:
        from spikecut.tools.batch.simulate import run_simulate

        return run_simulate(self)
