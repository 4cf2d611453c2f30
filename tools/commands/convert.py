"""The command `convert`: a recording in another format."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import tyro

from spikecut.tools.options import Columns, Json, Overwrite, Sensor, TimeUnit


@dataclass(frozen=True)
class Convert:
    """Write a recording in another format, chosen by the suffix of the target: .h5, .bin, .aedat.

    $ spikecut convert walking.aedat walking.h5

    $ spikecut convert digits.txt digits.h5 --columns xytp --sensor 128x128
    """

    uses_torch: ClassVar[bool] = False

    source: tyro.conf.Positional[Path]
    """The recording to read."""
    target: tyro.conf.Positional[Path]
    """The recording to write."""
    sensor: Sensor = None
    columns: Columns = None
    time_unit: TimeUnit = "us"
    overwrite: Overwrite = False
    json: Json = False

    def run(self) -> int:
        from spikecut.tools.recordings.convert import run_convert

        return run_convert(self)
