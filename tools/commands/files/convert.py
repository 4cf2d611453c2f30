"""The command `convert`: a recording in another format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from spikecut.tools.options import Json, NoDefault, Overwrite, ReadingOptions, own_flags_first


@own_flags_first
@dataclass(frozen=True)
class Convert(ReadingOptions):
    """Write a recording in another format, chosen by the suffix of the target.

    $ spikecut convert walking.aedat walking.h5

    $ spikecut convert digits.txt digits.h5 --columns xytp --sensor 128x128
    """

    uses_torch: ClassVar[bool] = False

    source: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="SOURCE")]]
    """The recording to read."""
    target: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="TARGET")]]
    """The recording to write."""
    format: Annotated[str | None, NoDefault] = None
    """The format to write, such as aedat3. Default: the one of the target's suffix; .aedat is AEDAT 2.0."""
    overwrite: Overwrite = False
    json: Json = False

    @classmethod
    def more_help(cls) -> str:
        """The formats of the table that can be written."""
        from spikecut.sources.formats import written_formats

        return f"It writes {', '.join(f'{name}: {row}' for name, row in written_formats().items())}."

    def run(self) -> int:
        from spikecut.tools.recordings.convert import run_convert

        return run_convert(self)
