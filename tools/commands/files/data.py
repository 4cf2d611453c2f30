"""The command `data`: which files of a data set are in a folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import tyro

from spikecut.tools.options import DamageOptions, Json, own_flags_first


@own_flags_first
@dataclass(frozen=True)
class Data(DamageOptions):
    """Check a data set: which files are in the folder, how they are divided, what is missing or
    damaged, and where to get it.

    Known data sets: DVS128 Gesture as published or in Tonic's layout, also drawn sessions (users 3, 7, 11, … of the
    training list are for calibration); N-MNIST, N-Caltech101 and CIFAR10-DVS, compared with the published lists of
    files; and their simulated counterparts. Of any other folder of <class>/<recording>: what can be read. Also
    CIFAR-10, CIFAR-100 and Tiny-ImageNet, packed or not, and other class folders of pictures.

    $ spikecut data check DvsGesture

    $ spikecut data check N-MNIST --read --json
    """

    uses_torch: ClassVar[bool] = False

    what: tyro.conf.Positional[Literal["check"]]
    """What to do."""
    folder: tyro.conf.Positional[Path]
    """The folder with trials_to_train.txt, ibmGestureTrain, Train and Test, Caltech101 or class folders; an archive."""
    read: bool = False
    """Also read every event. This finds recordings that end early and duplicates. Minutes for a published data set."""
    json: Json = False

    def run(self) -> int:
        from spikecut.tools.checks.data_check import run_data_check

        return run_data_check(self)
