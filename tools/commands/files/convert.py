"""The command `convert`: a recording in another format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from spikecut.tools.options import Columns, Json, NoDefault, Overwrite, Sensor, TimeUnit


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
    format: Annotated[str | None, NoDefault] = None
    """The format to write, such as aedat3. Default: the one of the target's suffix; .aedat is AEDAT 2.0."""
    overwrite: Overwrite = False
    json: Json = False

    def run(self) -> int:
        from spikecut.tools.recordings.convert import run_convert

        return run_convert(self)
