"""The command `demo`: drawn gestures, classified before they end."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from spikecut.pipeline.files.atomic_files import refuse_existing
from spikecut.tools.commands.watch.run import Run
from spikecut.tools.options import Count, NoDefault, Seed

if TYPE_CHECKING:
    from spikecut.sources.simulation.gestures import DrawnSession

MODEL = "gestures"


@dataclass(frozen=True)
class Demo:
    """Watch a spiking network classify drawn gestures before they end. No data is needed.

    $ spikecut demo

    $ spikecut demo --count 20 --seed 7 --save gestures.webp
    """

    uses_torch: ClassVar[bool] = True

    out: Path = Path("demo")
    """The folder to write the recording and the video to."""
    count: Count = 11
    """How many gestures; each of the eleven comes once before any is repeated."""
    seed: Seed = 0
    """The random seed of the person and of the order."""
    save: Annotated[Path | None, NoDefault] = None
    """The video: .mp4, .mkv, .avi, .webp or .gif. Default: OUT/demo.mp4, replaced if it exists."""
    overwrite: bool = False
    """Replace an existing video at --save."""

    def refuse_early(self) -> None:
        """Refuses a video that exists."""
        if self.save is not None:
            refuse_existing(self.save, overwrite=self.overwrite)

    def run(self) -> int:
        return run_demo(self)


def run_demo(options: Demo) -> int:
    """Writes a session of drawn gestures, then classifies each from the file, with overlay and summary.

    The person is one of those drawn for testing: no network was trained or calibrated on them.
    """
    from spikecut.sources.simulation.gestures import write_session

    session = demo_session(options.count, options.seed)
    folder = options.out / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    path = write_session(folder, session)
    video = options.save or options.out / "demo.mp4"
    print(f"{options.count} gestures, drawn and seen by a simulated DVS128 (no real person) -> {path}")
    print(f"network {MODEL}, which never saw a real person either\n", flush=True)
    code = Run(path, MODEL, save=video, overwrite=options.overwrite or options.save is None).run()
    print(f"-> {video}", flush=True)
    print(f"next: {_program()} run {shlex.quote(str(path))} --speed 1", file=sys.stderr)
    return code


def _program() -> str:
    """The command line that started this program, for copying."""
    if Path(sys.argv[0]).name == "__main__.py":  # python -m spikecut
        return f"{shlex.quote(sys.executable)} -m spikecut"
    return shlex.quote(sys.argv[0])


def demo_session(count: int, seed: int) -> "DrawnSession":
    """A test user under one of the lights, with all gestures in an order of their own before any is repeated."""
    import numpy as np

    from spikecut.sources.datasets.gesture_labels import GESTURES
    from spikecut.sources.simulation.gestures import LIGHTINGS, DrawnSession, drawn_users

    rng = np.random.default_rng(seed)
    users = drawn_users(435, "test")
    order = np.concatenate([rng.permutation(len(GESTURES)) for _ in range(-(-count // len(GESTURES)))])[:count]
    user = users[seed % len(users)]
    return DrawnSession(user, LIGHTINGS[user % len(LIGHTINGS)], 0, tuple(order.tolist()), quick=True)
