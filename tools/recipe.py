"""Recipes: one TOML file for a network, from its data to its fitted deciders. Those of this folder ship."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import dacite

from spikecut.models.networks import NetworkSpec
from spikecut.models.training import TrainingPlan
from spikecut.pipeline.errors import ConfigError, SpikecutError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.recognition import Onset

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True)
class Deciding:
    """What is fitted on the calibration part, and how outputs are read for it (`spikecut calibrate`)."""

    rules: tuple[str, ...] = ("fixed", "topk", "confidence", "ltt")
    tolerances: tuple[float, ...] = (0.01, 0.02)
    readout: str = "sum"
    temperature: Literal["1", "t", "fitted"] = "1"
    default: str = "confidence-2pt"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One network. Frames are kept for training with `downsample` pixels merged each way.

    `classes` may be left out: then they are the folders of the data. `spare_steps` are read beyond the window, so
    that a showing may begin later than the label. `drawn_users` draw gestures to train on where no data is given, and
    as many as `drawn_judges` those to calibrate and to test on. `counterpart` is what `spikecut simulate` makes from
    pictures in the place of the data. `published` is what others report, with its source. `onset` says when a
    continuous stream holds something to recognise. `transforms` are Tonic's, by name and arguments, on the events of
    what is trained on, and on nothing else.
    """

    title: str
    sensor: SensorSize
    network: NetworkSpec
    training: TrainingPlan
    licence: str
    attribution: str
    name: str = ""
    classes: tuple[str, ...] = ()
    downsample: int = 1
    spare_steps: int = 0
    drawn_users: int = 0
    drawn_judges: int = 0
    counterpart: str = ""
    published: str = ""
    onset: Onset | None = None
    transforms: tuple[dict[str, Any], ...] = ()
    deciding: Deciding = field(default_factory=Deciding)

    @property
    def horizon(self) -> int:
        return self.training.window


def shipped() -> list[str]:
    """The names of the recipes that come with spikecut."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_recipe(named: str | Path) -> Recipe:
    """A shipped recipe by its name, or one's own by the path of its file.

    Raises:
        ConfigError: if there is none, or the file holds a key or a value that cannot be.
    """
    path = FOLDER / f"{named}.toml" if str(named) in shipped() else Path(named)
    if path.suffix != ".toml" or not path.is_file():
        raise ConfigError(f"no recipe {str(named)!r}", hint=f"a .toml file, or one of {', '.join(shipped())}")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        network = table.get("network", {})
        if isinstance(network, dict):  # what follows from the rest need not be said twice
            network |= {"n_classes": len(table.get("classes", ())), "frame": network.get("frame", table.get("sensor"))}
        return dacite.from_dict(Recipe, {**table, "name": path.stem}, _STRICT)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except (dacite.DaciteError, SpikecutError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _size(value: Any) -> SensorSize:
    if not (isinstance(value, list) and len(value) == 2 and all(type(side) is int for side in value)):
        raise ConfigError(f"size {value!r}; expected [width, height] in pixels")
    return SensorSize(*value)


_STRICT = dacite.Config(strict=True, cast=[tuple], type_hooks={SensorSize: _size, float: float})
