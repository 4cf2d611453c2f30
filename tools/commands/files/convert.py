"""The command `convert`: a recording in another format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from spikecut.tools.options import Json, NoDefault, Overwrite, ReadingOptions, Seconds, Seed, Within, own_flags_first

FPS = Within(1e-3, 1e6)


@own_flags_first
@dataclass(frozen=True)
class Convert(ReadingOptions):
    """Write a recording in another format, chosen by the suffix of the target.

    $ spikecut convert walking.aedat walking.h5 --crop 20,30,64x64 --shift zero

    $ spikecut convert clip.mp4 clip.csv --pixel noisy --sensor 128x128 --truth clip_kinds.npz

    A video, or with --fps a folder of pictures, becomes events by a model of the pixels of an event camera. A label
    file beside the source (NAME_labels.csv) travels along. The target, its parts, labels and truth appear together,
    when all of them are complete.
    """

    uses_torch: ClassVar[bool] = False

    source: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="SOURCE")]]
    """The recording to read."""
    target: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="TARGET")]]
    """The recording to write."""
    format: Annotated[str | None, NoDefault] = None
    """The format to write, such as aedat3. Default: the one of the target's suffix; .aedat is AEDAT 2.0."""
    sort: bool = False
    """Sort events in any disorder by time; without it, those more than 10 ms late are dropped. Then a clock that runs
    back is disorder, too. Temporary files beside the target take 13 bytes an event."""
    crop: Annotated[str | None, NoDefault] = None
    """The part of the sensor that is kept, X,Y,WIDTHxHEIGHT: its first pixel becomes 0,0. Default: all of it."""
    shift: Annotated[str | None, NoDefault] = None
    """Seconds that are added to all times (--shift=-12.5), or zero: the first event gets time 0. Default: none."""
    split_at: Annotated[tuple[Seconds, ...], NoDefault] = ()
    """Seconds from the first event where a new file begins: NAME-1, NAME-2 and so on. Default: one file."""
    pixel: Annotated[Literal["clean", "noisy"] | None, NoDefault] = None
    """For videos and folders of pictures: an ideal pixel, or one with the noise of v2e. Default: little noise."""
    fps: Annotated[float | None, FPS, NoDefault] = None
    """For folders of pictures: how many a second, in the order of their names."""
    seed: Seed = 0
    """The random seed of simulated events."""
    truth: Annotated[Path | None, NoDefault] = None
    """For simulated events: a .npz or .npy that says of each whether it is signal (0), shot noise (1), a leak (2) or of
    a hot pixel (3)."""
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
