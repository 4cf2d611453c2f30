"""The command `label`: mark what a recording shows while it plays."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import tyro

from spikecut.tools.options import (
    EngineOptions,
    FitOptions,
    ModelOfSensor,
    NoDefault,
    Overwrite,
    ReadingOptions,
    own_flags_first,
)

if TYPE_CHECKING:
    from spikecut.tools.commands.watch.run import Run


@own_flags_first
@dataclass(frozen=True)
class Label(EngineOptions, FitOptions, ReadingOptions):
    """Mark what a recording shows while it plays, and save the label file.

    In the window and in the terminal a key begins a mark (1 for the first class, 2 for the second, and so on, after 0
    letters), Enter ends it, u takes it back; the keys of playing are those of run. However playing ends, the marks are
    saved: class, start and end in microseconds. run then keeps the score of the eleven gestures, and cut --labels makes
    folders of all classes, to teach, calibrate and evaluate with.

    $ spikecut label me.aedat

    $ spikecut label me.aedat --classes wave knock --speed 0.5
    """

    uses_torch: ClassVar[bool] = True

    file: tyro.conf.Positional[Path]
    """A recording, or a video."""
    classes: Annotated[tuple[str, ...], NoDefault] = ()
    """The names of the classes, each in quotes if it has spaces. Default: the eleven of DVS128 Gesture."""
    speed: str = "1"
    """The pace of playing: 1 as recorded, 0.5 at half of that."""
    model: ModelOfSensor = None
    """The network whose answers are shown beside. Default: that of the sensor."""
    window: Literal["auto", "on", "off"] = "auto"
    """Show the recording in a window; auto: if there is a display."""
    out: Annotated[Path | None, NoDefault] = None
    """The label file. Default: NAME_labels.csv beside the recording, where the other commands look for it."""
    overwrite: Overwrite = False

    def playing(self) -> "Run":
        """The options of `run` that play it."""
        from dataclasses import fields

        from spikecut.tools.commands.watch.run import Run

        shared = {one.name for one in fields(Run)} & {one.name for one in fields(self)}
        return Run(**{name: getattr(self, name) for name in shared})

    def run(self) -> int:
        from spikecut.tools.session.label import run_label

        return run_label(self)
