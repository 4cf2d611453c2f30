"""The command `info`: what is in a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import tyro

from spikecut.tools.options import Json, ReadingOptions, own_flags_first


@own_flags_first
@dataclass(frozen=True)
class Info(ReadingOptions):
    """Print what is in a recording (format, sensor, events, times, rate, damage), a picture, or a set of pictures.

    $ spikecut info walking.aedat

    $ spikecut info 00016.bin --sensor 34x34 --json
    """

    uses_torch: ClassVar[bool] = False

    file: tyro.conf.Positional[Path]
    """A recording, a picture, or an archive of pictures."""
    json: Json = False

    def run(self) -> int:
        from spikecut.tools.recordings.info import run_info

        return run_info(self)
