"""Options that several commands share: each type has its help text, so that one flag means the same everywhere.

Only `tyro` and what loads no NumPy is imported here: `--help` loads nothing heavy.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Protocol, TypeVar, cast

import tyro

from spikecut.pipeline import clock, drop_counts


@dataclass(frozen=True, slots=True)
class Within:
    """The range of a number, or of each of several: checked alike on the command line and in `--config` files."""

    least: float
    most: float


NoDefault = tyro.conf.arg(help_behavior_hint="")  # for options whose help text says the default itself

Part = Literal["train", "calibration", "test", "all"]  # as in sources.datasets, which loads NumPy
Readout = Literal["sum", "mean", "last", "leaky"]
Simulated = Literal["gestures", "nmnist", "ncaltech101", "cifar10dvs", "movements", "mixed", "beckon", "digits"]

SEED, COUNT = Within(0, 2**63 - 1), Within(1, 10**6)
SECONDS = Within(0, 1e9)  # 30 years, which in µs fit into 64 bits
DURATION = Within(1e-6, 1e9)
CAMERA = Within(0, 65_535)

Seed = Annotated[int, SEED]
Seconds = Annotated[float, SECONDS]
Count = Annotated[int, COUNT]
Processes = Annotated[int, Within(1, 1024)]

_NETWORK = "A shipped network's name, a .safetensors file, or a .py file that makes a network with from_norse (the "

Model = Annotated[str, tyro.conf.arg(help=f"{_NETWORK}file is executed).")]
ModelOfSensor = Annotated[
    str | None,
    tyro.conf.arg(
        help=f"{_NETWORK}file is executed). Default: the shipped network for the sensor.", help_behavior_hint=""
    ),
]
ModelOfData = Annotated[
    str | None,
    tyro.conf.arg(
        help=f"{_NETWORK}file is executed). Default: the network that knows the classes of the data, shipped or beside "
        "it.",
        help_behavior_hint="",
    ),
]
Labelled = tyro.conf.Positional[
    Annotated[
        Path,
        tyro.conf.arg(help="A folder of <class>/<recording>, of DVS128 Gesture, or of pictures; or a picture archive."),
    ]
]
Cutoffs = Annotated[
    tuple[str, ...],
    tyro.conf.arg(help="Names or files of cutoffs. Default: all cutoffs beside the network.", help_behavior_hint=""),
]
SensitivityLevel = Annotated[
    Literal["low", "normal", "high", "off"] | None,
    tyro.conf.arg(
        help="How readily a gesture is named: each level was fitted with its rates of false alarms and of rejected "
        "gestures. Default: normal where the cutoff has levels.",
        help_behavior_hint="",
    ),
]
Revise = Annotated[
    float,
    Within(0, 1e6),
    tyro.conf.arg(
        metavar="MS",
        help="Step on for so many milliseconds after an answer, within the network's window: another answer then names "
        "the one that it revises. 0: not at all.",
    ),
]
PartOf = Annotated[Part, tyro.conf.arg(help="Which part of the folder is used.")]
RecipeName = tyro.conf.Positional[
    Annotated[str, tyro.conf.arg(metavar="NAME", help="A shipped recipe's name, or a .toml file.")]
]
TrainingData = Annotated[
    Path | None,
    tyro.conf.arg(
        help="A folder of <class>/<recording>, of DVS128 Gesture, or of pictures; or a picture archive. "
        "Default: drawn users, for recipes that draw them.",
        help_behavior_hint="",
    ),
]
Epochs = Annotated[
    int | None,
    COUNT,
    tyro.conf.arg(help="How many epochs to train. Default: the recipe's number.", help_behavior_hint=""),
]
Threads = Annotated[
    Processes, tyro.conf.arg(help="How many CPU threads compute. Float sums, and so the last digits, depend on it.")
]
Device = Annotated[Literal["cpu", "cuda"], tyro.conf.arg(help="Where to train.")]
BesideNetwork = Annotated[
    Path | None,
    tyro.conf.arg(
        help="The folder to write to. Default: the network's folder; for a shipped network the current folder.",
        help_behavior_hint="",
    ),
]
IntervalSeed = Annotated[Seed, tyro.conf.arg(help="The random seed of the bootstrap intervals.")]
Sensor = Annotated[
    str | None,
    tyro.conf.arg(help="The sensor's WIDTHxHEIGHT in pixels, for formats that do not store it.", help_behavior_hint=""),
]
Columns = Annotated[
    str | None,
    tyro.conf.arg(
        help="For text files without a header line: the order of the numbers in a line, such as xytp or txyp; _ is a "
        "column that is skipped.",
        help_behavior_hint="",
    ),
]
TimeUnit = Annotated[
    clock.TimeUnit, tyro.conf.arg(help="For text files whose header does not say it: the unit of the times.")
]
Camera = Annotated[
    int | None,
    CAMERA,
    tyro.conf.arg(help="The number of the camera, for files that hold several.", help_behavior_hint=""),
]
Start = Annotated[Seconds, tyro.conf.arg(help="Read from this second on, counted from the first event.")]
Duration = Annotated[
    float | None,
    DURATION,
    tyro.conf.arg(help="Read so many seconds. Default: to the end.", help_behavior_hint=""),
]
Filters = Annotated[
    tuple[str, ...],
    tyro.conf.arg(
        help="Filters of events in their order, such as refractory:1ms noise:5ms hot_pixels crop:10,10,64x64 flip:x "
        "rotate:90 transpose downsample:2 polarity:on rate_limit:500k. What they drop is counted.",
        help_behavior_hint="",
    ),
]
OnDamage = Annotated[
    drop_counts.OnDamage,
    tyro.conf.arg(help="A damaged recording: salvage reads what is whole and counts the rest, refuse is an error."),
]
Fit = Annotated[
    str,
    tyro.conf.arg(
        help="How a network sees another sensor: crop (the centre), squeeze (all of it), or a window X,Y,WxH. "
        "Default: crop, with a note.",
        help_behavior_hint="",
    ),
]
Overwrite = Annotated[bool, tyro.conf.arg(help="Replace existing files.")]
Json = Annotated[bool, tyro.conf.arg(help="Print JSON instead of text.")]
T = TypeVar("T")


def own_flags_first(options: type[T]) -> type[T]:
    """Decorates an options type that inherits flags: help and `flags_of` list its own before the inherited ones.

    A type that only has other defaults keeps the order of its base.
    """
    listed = options.__dataclass_fields__  # type: ignore[attr-defined]
    base = getattr(options.__base__, "__dataclass_fields__", {})
    own = list(base) if set(base) == set(listed) else [name for name in options.__annotations__ if name in listed]
    options.__dataclass_fields__ = {name: listed[name] for name in (*own, *listed)}  # type: ignore[attr-defined]
    return options


@dataclass(frozen=True, kw_only=True)
class DamageOptions:
    """The flag of commands that read data sets of any kind."""

    on_damage: OnDamage = "salvage"


class Implied(str):
    """A default that holds only where nothing else, such as a header line, says another; a word that is given does."""

    __slots__ = ()


_MICROSECONDS = cast(clock.TimeUnit, Implied("us"))
_OWN_CHOICE = Implied("")


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """How a network is stepped."""

    engine: Annotated[
        str,
        tyro.conf.arg(
            metavar="auto|norse|events|dense|onnx",
            help="What steps the network: Norse, only what fires (events), or all of it, fast (dense, onnx).",
        ),
    ] = "auto"


@dataclass(frozen=True, kw_only=True)
class ExecutorOptions:
    """Where the recordings of a run are worked on; `tools.batch.executors.executor_of` makes it of them."""

    jobs: Annotated[
        int | None,
        Within(1, 1024),
        tyro.conf.arg(
            help="How many processes work at a time. Default: 1; on a Ray cluster as many as it has CPUs.",
            help_behavior_hint="",
        ),
    ] = None
    executor: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="inline|local|ray",
            help="What works: this process (inline), processes of this machine that may be killed (local), or Ray on "
            "one machine or many (ray). Default: inline for one job, local for more.",
            help_behavior_hint="",
        ),
    ] = None
    address: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="HOST:PORT",
            help="The address of a Ray cluster, in a trusted network only. Default: Ray is started on this machine.",
            help_behavior_hint="",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """The flag of commands that show recordings of any sensor to a network."""

    fit: Fit = _OWN_CHOICE


@dataclass(frozen=True, kw_only=True)
class FileOptions(DamageOptions):
    """The flags of commands that read whole recordings: what files do not state."""

    sensor: Sensor = None
    columns: Columns = None
    time_unit: TimeUnit = _MICROSECONDS
    camera: Camera = None
    filter: Filters = ()


@dataclass(frozen=True, kw_only=True)
class ReadingOptions(FileOptions):
    """The flags of commands that read recordings, or a stretch of each."""

    start: Start = 0.0
    duration: Duration = None


class Command(Protocol):
    """The protocol of a command's options type: a frozen dataclass whose fields are the flags.

    A class method `more_help` may add to the help what needs a table to be read, such as the list of rules. A method
    `refuse_early` may refuse what costs nothing to see, such as a file that exists, before anything heavy is loaded.
    """

    uses_torch: ClassVar[bool]  # torch is then limited to one thread before `run`

    def run(self) -> int:
        """Runs the command; returns the exit code."""
        ...
