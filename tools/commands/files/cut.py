"""The command `cut`: a data set from recordings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from spikecut.tools.options import SECONDS, NoDefault, ReadingOptions, Seconds, own_flags_first


@own_flags_first
@dataclass(frozen=True)
class Cut(ReadingOptions):
    """Make a data set from recordings: class folders of whole recordings, or of pieces of long recordings.

    The class of a recording is the name of its folder. If all recordings are in one folder, the class is the file name
    up to the first _. Pieces are divided by time within each recording: the first 60 % train, the next 20 % calibrate,
    the last 20 % test, and one piece is left out between two parts. Whole recordings are divided by their names, as in
    every class folder.

    $ spikecut cut dvs128_objects objects --piece 1 --skip 0.5

    $ spikecut cut sessions waves --labels

    $ spikecut cut mnist_dvs_txt mnistdvs --columns xytp --sensor 128x128
    """

    uses_torch: ClassVar[bool] = False

    streams: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="SOURCE")]]
    """A folder of recordings, or of <class>/<recording>."""
    folder: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="TARGET")]]
    """The new folder; it must be empty or absent."""
    piece: Annotated[float | None, SECONDS, NoDefault] = None
    """The length of a piece in seconds. Default: recordings stay whole."""
    labels: bool = False
    """Cut each recording into the pieces that the label file beside it names (NAME_labels.csv, spikecut label)."""
    skip: Seconds = 0.0
    """How many seconds at the beginning of every recording are left out."""
    format: Literal["h5", "aedat"] = "h5"
    """The format to write; aedat is AEDAT 2.0, for sensors of 128x128."""

    def run(self) -> int:
        from spikecut.tools.recordings.cut import run_cut

        return run_cut(self)
