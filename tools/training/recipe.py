"""Recipes: one TOML file for a network, from its data to its fitted deciders. Those of this folder ship."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikecut.models.architectures import ARCHITECTURES
from spikecut.models.architectures.networks import NetworkSpec, build
from spikecut.models.policy.plan import PolicyPlan
from spikecut.models.spec import InputKind
from spikecut.models.training.augment import Augmentation
from spikecut.models.training.epochs import TrainingPlan
from spikecut.models.training.image_augment import PictureAugmentation
from spikecut.pipeline.errors import ConfigError, SpikecutError
from spikecut.pipeline.events import SensorSize
from spikecut.pipeline.evidence.readout import Readout, parse_temperatures
from spikecut.pipeline.files.strict import did_you_mean, read_toml, typed
from spikecut.pipeline.filters.parsing import filters_from
from spikecut.pipeline.fit import check_fit
from spikecut.pipeline.recognition import Onset
from spikecut.pipeline.rules.fit import check_wish
from spikecut.pipeline.rules.rule import Wish
from spikecut.sources.simulation.simulated_datasets import COUNTERPARTS
from spikecut.tools.cutoff_lookup import called
from spikecut.tools.training.drawings import check_drawings

FOLDER = Path(__file__).parent.parent / "recipes"


@dataclass(frozen=True, slots=True)
class Deciding:
    """The cutoffs to fit on the calibration part, and the readout for them (`spikecut calibrate`).

    Raises:
        ConfigError: for an invalid rule, loss or readout, or a default that is not among the fitted cutoffs.
    """

    rules: tuple[str, ...] = ("fixed", "topk", "confidence", "ltt")
    tolerances: tuple[float, ...] = (0.01, 0.02)
    readout: str = "sum"
    temperature: str | float = "1"
    default: str = "confidence-2pt"

    def __post_init__(self) -> None:
        Readout(self.readout)
        parse_temperatures(str(self.temperature), 1)
        for rule in self.rules:
            for tolerance in self.tolerances:
                check_wish(rule, Wish(tolerance))
        fitted = [called(rule, tolerance) for tolerance in self.tolerances for rule in self.rules]
        if self.default not in fitted:
            raise ConfigError(
                f"deciding: default is {self.default!r}, which is not fitted", hint=f"one of {', '.join(fitted)}"
            )


@dataclass(frozen=True, slots=True)
class Recipe:
    """One network. Frames are kept for training with `downsample` pixels merged each way.

    `classes` may be left out: then they are the folders of the data. `spare_steps` are read beyond the window, so
    that a showing may begin later than the label. `drawn_users` draw to train on where no data is given, all that
    `drawings` names (`drawings.DRAWINGS`), and as many as `drawn_judges` gestures to calibrate and to test on.
    `rejects` are those of the classes that are no gesture: such an answer is none. `counterpart` is what `spikecut
    simulate` makes from pictures in the place of the data. `published` are the results of others, with their source.
    `onset` detects when a continuous stream holds something to recognise. `policy` is how a policy is trained, if one
    of the rules needs one. `transforms` are Tonic's, by name and arguments, on the events of the training examples
    alone; they are drawn once for the whole training. `fit` says how recordings of other sensors than `sensor` are
    shown: crop, squeeze or X,Y,WxH; without it they are refused. Of the train part one of every `watched_every` is
    kept out to show progress; 0 leaves it to the kind of data, 10 for recordings and 50 for pictures. `filters` act
    on the events of all recordings of training, fitting and evaluation, behind those of `--filter`; words as there,
    such as refractory:1ms. `teacher` is the recipe of a network that is trained first, on the same frames, and then
    gives the share `training.distillation` of the targets: a shipped one's name, or a .toml file beside this one.

    With `inputs = 3` in `network` the recipe is for pictures: `sensor` is the size that they are resized to, and keys
    for events are left out.

    Raises:
        ConfigError: for a number out of range, or an unknown counterpart, drawing or class.
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
    drawings: tuple[str, ...] = ("gestures",)
    counterpart: str = ""
    teacher: str = ""
    published: str = ""
    onset: Onset | None = None
    transforms: tuple[dict[str, Any], ...] = ()
    fit: str = ""
    watched_every: int = 0
    rejects: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    deciding: Deciding = field(default_factory=Deciding)
    policy: PolicyPlan = field(default_factory=PolicyPlan)

    def __post_init__(self) -> None:
        least = {"downsample": 1, "spare_steps": 0, "drawn_users": 0, "drawn_judges": 0, "watched_every": 0}
        for name, lowest in least.items():
            if (value := getattr(self, name)) < lowest:
                raise ConfigError(f"{name} is {value}; expected {lowest} or more")
        if self.counterpart and self.counterpart not in COUNTERPARTS:
            raise ConfigError(f"counterpart {self.counterpart!r}; expected one of {', '.join(COUNTERPARTS)}")
        if (self.teacher != "") != (self.training.distillation > 0):
            raise ConfigError(
                f"teacher {self.teacher!r} with training.distillation {self.training.distillation:g}",
                hint="a teacher gives a share of the targets above 0; without one the share is 0",
            )
        if self.drawn_users:
            check_drawings(self.drawings, self.classes)
        if self.classes and (unknown := [name for name in self.rejects if name not in self.classes]):
            raise ConfigError(f"rejects {unknown[0]!r}; expected one of the classes: {', '.join(self.classes)}")
        check_fit(self.fit)
        filters_from(self.filters)
        _CHECKS[self.network.input_kind](self)
        self.training.mixed_steps.check(self.network)
        how = self.training.augmentation
        if how.mirrored and how.flipped:
            raise ConfigError("augmentation: flipped with mirrored", hint="mirrored says what a mirror image shows")
        if self.classes and len(how.mirrored) not in (0, len(self.classes)):
            raise ConfigError(f"augmentation: mirrored has {len(how.mirrored)} labels for {len(self.classes)} classes")

    @property
    def horizon(self) -> int:
        return self.training.window


def _check_events(recipe: Recipe) -> None:
    """Refuses what only images have."""
    if recipe.training.pictures != PictureAugmentation():
        raise ConfigError("training: pictures is for networks with inputs = 3", hint="augmentation varies events")


def _check_images(recipe: Recipe) -> None:
    """Refuses what only streams of events have."""
    numbers = {"downsample": 1, "spare_steps": 0, "drawn_users": 0, "drawn_judges": 0}
    usual: dict[str, Any] = {**numbers, "counterpart": "", "fit": "", "filters": (), "rejects": ()}
    usual |= {"onset": None, "transforms": ()}
    others = [name for name, value in usual.items() if getattr(recipe, name) != value]
    if recipe.training.augmentation != Augmentation():
        others.append("training.augmentation")
    others += [f"training.{name}" for name in ("short_window", "noise") if getattr(recipe.training, name)]
    if others:
        raise ConfigError(f"{others[0]} with inputs = 3: it is for events", hint="training.pictures varies pictures")
    if recipe.network.step_us != 1_000:
        raise ConfigError(f"step_us is {recipe.network.step_us}; a step before a picture has no length, write 1000")
    if recipe.network.frame != recipe.sensor:
        raise ConfigError(f"a frame of {recipe.network.frame}, pictures of {recipe.sensor}; expected the same")


_CHECKS: dict[InputKind, Callable[[Recipe], None]] = {"events": _check_events, "images": _check_images}
UNUSED_AUGMENTATION: dict[InputKind, str] = {"events": "pictures", "images": "augmentation"}


def shipped() -> list[str]:
    """The names of the recipes that come with spikecut."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_recipe(named: str | Path) -> Recipe:
    """A shipped recipe by its name, or a recipe of your own by the path of its file.

    Raises:
        ConfigError: if there is none, or the file holds an unknown key or an invalid value.
    """
    path = FOLDER / f"{named}.toml" if str(named) in shipped() else Path(named)
    if path.suffix != ".toml" or not path.is_file():
        known = f"a .toml file, or one of {', '.join(shipped())}"
        nearest = did_you_mean(str(named), shipped())
        raise ConfigError(f"no recipe {str(named)!r}", hint=f"{nearest} {known}" if nearest else known)
    try:
        table = read_toml(path)
        tables = {part: table.get(part, {}) for part in ("network", "training", "policy")}
        fixed = [("n_classes", "network"), ("seed", "training"), ("seed", "policy")]
        if wrong := next((f"{key} in [{part}]" for key, part in fixed if key in _as_table(tables[part])), ""):
            raise ConfigError(f"{wrong} is not the recipe's to say", hint="classes say the one, --seed the other")
        if isinstance(network := tables["network"], dict):  # what follows from the rest need not be said twice
            classes = table.get("classes", [])
            n_classes = len(classes) if isinstance(classes, list) else 0
            table["network"] = {**network, "n_classes": n_classes, "frame": network.get("frame", _frame(table))}
        if isinstance(teacher := table.get("teacher"), str) and teacher.endswith(".toml"):
            table["teacher"] = str(path.parent / teacher)
        recipe = typed(Recipe, {**table, "name": path.stem}, special=_sizes)
        if recipe.classes:
            build(recipe.network)
        return recipe
    except SpikecutError as error:
        raise ConfigError(f"{path}: {error}", hint=error.hint) from error
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _as_table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _frame(table: dict[str, Any]) -> Any:
    """The frames as they are merged for training, unless the architecture reads the whole sensor."""
    sensor, merged = table.get("sensor"), table.get("downsample", 1)
    architecture = ARCHITECTURES.get(str(_as_table(table.get("network")).get("architecture")).partition(":")[0])
    whole = architecture is not None and architecture.whole_sensor
    if whole or sensor is None or type(merged) is not int or merged < 1:
        return sensor
    size = _size(sensor)
    return [-(-size.width // merged), -(-size.height // merged)]


def _sizes(kind: Any, raw: Any, place: str) -> Any:
    """In a recipe a size is `[width, height]`."""
    return _size(raw) if kind is SensorSize else NotImplemented


def _size(value: Any) -> SensorSize:
    if not (isinstance(value, list) and len(value) == 2 and all(type(side) is int for side in value)):
        raise ConfigError(f"size {value!r:.60}; expected [width, height] in pixels")
    return SensorSize(*value)
